/** The numbers of a container on a machine with cgroup v2 alone, from a recorded tree. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MountInfo } from '../runtime/mountinfo.js';
import { isFrozen, pidsIn, readStats } from './container-stats.js';

/** Of a container that wrote a file and was throttled, Linux 6.12. */
const RECORDED = {
  'cpu.stat': `usage_usec 1384256
user_usec 903111
system_usec 481145
nice_usec 0
core_sched.force_idle_usec 0
nr_periods 31
nr_throttled 9
throttled_usec 402113
nr_bursts 0
burst_usec 0
`,
  'memory.current': '9420800\n',
  'memory.peak': '11026432\n',
  'memory.max': '67108864\n',
  'memory.events': 'low 0\nhigh 0\nmax 4\noom 1\noom_kill 1\noom_group_kill 0\n',
  'memory.stat': 'anon 221184\nfile 8392704\nkernel 688128\ninactive_file 8388608\nactive_file 4096\npgfault 1820\n',
  'pids.current': '2\n',
  'pids.max': 'max\n',
  'io.stat':
    '8:0 rbytes=4096 wbytes=8388608 rios=1 wios=12 dbytes=0 dios=0\n259:0 rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0\n',
  'cgroup.freeze': '0\n',
  'cgroup.procs': '101\n102\n',
};

describe('what a container uses, on cgroup v2', () => {
  let root: string;
  let mounts: readonly MountInfo[];
  const write = (files: Readonly<Record<string, string>>, directory = 'swarmts/x') => {
    mkdirSync(join(root, directory), { recursive: true });
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, directory, name), text);
  };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'swarmts-cgroup-'));
    mounts = [{ target: root, fstype: 'cgroup2', source: 'cgroup2', options: [], superOptions: ['rw', 'nsdelegate'] }];
    write(RECORDED);
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const read = () => readStats({ mounts, cgroupsPath: '/swarmts/x', pid: 0, machineMemoryBytes: 1 << 30, nowMs: 5 });

  it('is read from its unified group', () => {
    const { cpu, memory, pids, blocks, networks } = read();
    assert.deepEqual([cpu.totalNs, cpu.userNs, cpu.kernelNs], [1_384_256_000, 903_111_000, 481_145_000]);
    assert.deepEqual([cpu.periods, cpu.throttledPeriods, cpu.throttledNs], [31, 9, 402_113_000]);
    assert.deepEqual([memory.usage, memory.maxUsage, memory.limit, memory.failures], [9420800, 11026432, 64 << 20, 1]);
    assert.deepEqual([memory.details.inactive_file, memory.details.anon], [8388608, 221184]);
    assert.deepEqual([pids, networks], [{ current: 2, limit: 0 }, {}]);
    assert.deepEqual(blocks.slice(0, 2), [
      { major: 8, minor: 0, op: 'read', bytes: 4096 },
      { major: 8, minor: 0, op: 'write', bytes: 8388608 },
    ]);
    assert.equal(blocks.length, 4);
  });

  it('has the machine’s memory for a limit where it has none of its own, also on kernels without a peak', () => {
    write({ 'memory.max': 'max\n' });
    rmSync(join(root, 'swarmts/x/memory.peak'));
    assert.deepEqual([read().memory.limit, read().memory.maxUsage], [1 << 30, 0]);
  });

  it('knows its processes, those of groups below, and whether they are frozen', () => {
    write({ 'cgroup.procs': '103\n' }, 'swarmts/x/inner');
    assert.deepEqual(pidsIn(mounts, '/swarmts/x'), [101, 102, 103]);
    assert.equal(isFrozen(mounts, '/swarmts/x'), false);
    write({ 'cgroup.freeze': '1\n' });
    assert.deepEqual([isFrozen(mounts, '/swarmts/x'), isFrozen(mounts, '/gone')], [true, undefined]);
  });
});
