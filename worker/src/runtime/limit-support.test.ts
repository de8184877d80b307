/** What a kernel can keep, from recorded trees of cgroup files. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { limitSupport } from './limit-support.js';
import type { MountInfo } from './mountinfo.js';

const EVERYTHING = {
  memory: true,
  swap: true,
  swappiness: true,
  memoryReservation: true,
  oomKillDisable: true,
  pids: true,
  cpuShares: true,
  cpuQuota: true,
  cpuset: true,
  blockWeight: true,
  blockWeightDevice: true,
  blockRates: true,
};
const NOTHING = Object.fromEntries(Object.keys(EVERYTHING).map((k) => [k, false]));

describe('the limits that a kernel can keep', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'swarmts-cgroups-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const tree = (files: Readonly<Record<string, string>>) => {
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
  };
  const mounted = (fstype: string, target: string, superOptions: readonly string[]): MountInfo => ({
    target: join(root, target),
    fstype,
    source: fstype,
    options: ['rw'],
    superOptions,
  });
  const v1Tree = (names: readonly string[]) => tree(Object.fromEntries(names.map((n) => [n, ''])));
  const v1Mounts = () => [
    ...['memory', 'pids', 'cpuset', 'blkio'].map((c) => mounted('cgroup', c, ['rw', c])),
    mounted('cgroup', 'cpu,cpuacct', ['rw', 'cpu', 'cpuacct']),
  ];

  it('are those that its separate hierarchies have files for', () => {
    const memory = ['limit_in_bytes', 'memsw.limit_in_bytes', 'swappiness', 'soft_limit_in_bytes', 'oom_control'];
    v1Tree([
      ...memory.map((f) => `memory/memory.${f}`),
      ...['pids/cgroup.procs', 'cpuset/cpuset.cpus', 'cpu,cpuacct/cpu.shares', 'cpu,cpuacct/cpu.cfs_quota_us'],
      ...['weight', 'weight_device', 'throttle.read_bps_device'].map((f) => `blkio/blkio.${f}`),
    ]);
    assert.deepEqual(limitSupport(v1Mounts()), EVERYTHING);
    assert.deepEqual(limitSupport([]), NOTHING);
  });

  it('do not have swap where it is not accounted, and weights only where a scheduler of disks has them', () => {
    v1Tree(['memory/memory.limit_in_bytes', 'blkio/blkio.throttle.read_bps_device']);
    const without = limitSupport(v1Mounts());
    assert.deepEqual(
      [without.memory, without.swap, without.blockRates, without.blockWeight],
      [true, false, true, false],
    );
    v1Tree(['blkio/blkio.weight']);
    assert.deepEqual([limitSupport(v1Mounts()).blockWeight, limitSupport(v1Mounts()).blockWeightDevice], [true, false]);
  });

  it('are the controllers of cgroup v2, which has no swappiness and keeps its OOM killer', () => {
    tree({
      'cgroup.controllers': 'cpuset cpu io memory hugetlb pids rdma misc\n',
      'init.scope/memory.swap.max': 'max\n',
      'init.scope/io.weight': 'default 100\n',
    });
    const v2 = [mounted('cgroup2', '', ['rw', 'nsdelegate'])];
    assert.deepEqual(limitSupport(v2), { ...EVERYTHING, swappiness: false, oomKillDisable: false });
    rmSync(join(root, 'init.scope'), { recursive: true });
    assert.deepEqual([limitSupport(v2).swap, limitSupport(v2).blockWeight], [false, false]);
    tree({ 'cgroup.controllers': 'cpu\n' });
    assert.deepEqual(limitSupport(v2), { ...NOTHING, cpuShares: true, cpuQuota: true });
  });

  it('are those of the separate hierarchies on a machine that has both', () => {
    tree({ 'unified/cgroup.controllers': '', 'memory/memory.limit_in_bytes': '' });
    assert.equal(limitSupport([...v1Mounts(), mounted('cgroup2', 'unified', ['rw'])]).memory, true);
  });
});
