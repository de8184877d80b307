/** Every limit of a container against the files of its cgroup. Needs root; what the kernel has no controller for is expected to be warned of. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { limitSupport } from '../runtime/limit-support.js';
import { machineFacts } from '../runtime/machine-facts.js';
import { readMounts } from '../runtime/mountinfo.js';
import type { ContainerResources } from './container-config.js';
import { cgroupFinder, unifiedCgroup } from './container-stats.js';
import { busyboxLayer, containerConfig, EngineBed, TestRegistry } from './engine-bed.js';

const NONE: ContainerResources = { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0 };
const MIB = 1 << 20;

describe('the limits of a container', function () {
  this.timeout(60_000);
  let bed: EngineBed;
  let registry: TestRegistry;
  let image: string;

  before(async () => {
    registry = await TestRegistry.start();
    bed = await EngineBed.start();
    image = (await registry.push('busybox', [{ tar: await busyboxLayer() }], { Env: ['PATH=/bin'] })).ref;
    await bed.engine.images.pull(image, {});
  });
  after(async () => {
    await bed.close();
    await registry.close();
  });

  const started = async (resources: Partial<ContainerResources>) => {
    const warnings: string[] = [];
    const config = containerConfig(image, ['sleep', '1000'], { resources: { ...NONE, ...resources } });
    const id = await bed.engine.create(config, (w) => warnings.push(w));
    await bed.engine.start(id);
    return { id, warnings };
  };
  const end = (id: string) => bed.engine.remove(id, { force: true, volumes: false });
  /** A file of the container's group, by its name in the hierarchies of v1 and in v2. */
  const file = (id: string, v1: string, v2: string): string => {
    const path = join(bed.cgroupParent, id);
    const unified = unifiedCgroup(readMounts(), path);
    const directory = unified ?? cgroupFinder(readMounts(), path)(v1.split('.')[0] ?? '') ?? '';
    return readFileSync(join(directory, unified ? v2 : v1), 'utf8').trim();
  };
  const isUnified = () => unifiedCgroup(readMounts(), '/') !== undefined;
  const expect = (
    id: string,
    wanted: readonly (readonly [v1: string, value: string, v2: string, value2: string])[],
  ) => {
    for (const [v1, value, v2, value2] of wanted) {
      assert.equal(file(id, v1, v2), isUnified() ? value2 : value, isUnified() ? v2 : v1);
    }
  };

  it('of CPUs are those of its group', async () => {
    const { id } = await started({
      cpuPeriodUs: 50_000,
      cpuQuotaUs: 25_000,
      cpuShares: 512,
      cpusetCpus: '0',
      cpusetMems: '0',
    });
    expect(id, [
      ['cpu.cfs_quota_us', '25000', 'cpu.max', '25000 50000'],
      ['cpu.cfs_period_us', '50000', 'cpu.max', '25000 50000'],
      ['cpuset.cpus', '0', 'cpuset.cpus', '0'],
      ['cpuset.mems', '0', 'cpuset.mems', '0'],
    ]);
    // The runtimes differ in how they make a v2 weight of shares.
    if (!isUnified()) assert.equal(file(id, 'cpu.shares', ''), '512');
    await bed.engine.update(id, { resources: { cpuQuotaUs: 40_000 } });
    expect(id, [['cpu.cfs_quota_us', '40000', 'cpu.max', '40000 50000']]);
    await end(id);
  });

  it('of memory, swap and processes are those of its group, also after a change', async () => {
    const { id, warnings } = await started({
      memoryBytes: 64 * MIB,
      memoryReservationBytes: 32 * MIB,
      memorySwapBytes: 96 * MIB,
      pidsLimit: 17,
    });
    assert.deepEqual(warnings, []);
    expect(id, [
      ['memory.limit_in_bytes', `${64 * MIB}`, 'memory.max', `${64 * MIB}`],
      ['memory.soft_limit_in_bytes', `${32 * MIB}`, 'memory.low', `${32 * MIB}`],
      ['memory.memsw.limit_in_bytes', `${96 * MIB}`, 'memory.swap.max', `${32 * MIB}`],
      ['pids.max', '17', 'pids.max', '17'],
    ]);
    const change = { memoryBytes: 128 * MIB, memorySwapBytes: 256 * MIB, pidsLimit: 19 };
    assert.deepEqual(await bed.engine.update(id, { resources: change }), []);
    expect(id, [
      ['memory.limit_in_bytes', `${128 * MIB}`, 'memory.max', `${128 * MIB}`],
      ['memory.memsw.limit_in_bytes', `${256 * MIB}`, 'memory.swap.max', `${128 * MIB}`],
      ['pids.max', '19', 'pids.max', '19'],
    ]);
    assert.equal(bed.engine.stats(id)?.memory.limit, 128 * MIB);
    assert.equal(bed.engine.stats(id)?.pids.limit, 19);
    await Promise.all([
      bed.engine.update(id, { resources: { pidsLimit: 0 } }),
      bed.engine.update(id, { resources: { memoryReservationBytes: 16 * MIB } }),
    ]);
    expect(id, [
      ['pids.max', '4194304', 'pids.max', '4194304'],
      ['memory.soft_limit_in_bytes', `${16 * MIB}`, 'memory.low', `${16 * MIB}`],
    ]);
    assert.equal(bed.engine.find(id)?.config.resources.pidsLimit, 0, 'one change does not undo the other');
    await end(id);
  });

  it('are taken away by a change to what stands for none', async () => {
    const limited = {
      cpuPeriodUs: 50_000,
      cpuQuotaUs: 25_000,
      memoryBytes: 64 * MIB,
      memorySwapBytes: 96 * MIB,
      pidsLimit: 17,
    };
    const { id } = await started(limited);
    for (const change of [{ cpuQuotaUs: -1 }, { memorySwapBytes: -1 }, { pidsLimit: -1 }])
      await bed.engine.update(id, { resources: change });
    expect(id, [
      ['cpu.cfs_quota_us', '-1', 'cpu.max', 'max 50000'],
      ['memory.limit_in_bytes', `${64 * MIB}`, 'memory.max', `${64 * MIB}`],
      ['pids.max', '4194304', 'pids.max', '4194304'],
    ]);
    if (isUnified()) assert.equal(file(id, '', 'memory.swap.max'), 'max');
    else assert.ok(Number(file(id, 'memory.memsw.limit_in_bytes', '')) > 2 ** 60);
    await end(id);
    const endless = await started({ cpuQuotaUs: -1 });
    expect(endless.id, [['cpu.cfs_quota_us', '-1', 'cpu.max', 'max 100000']]);
    await bed.engine.update(endless.id, { resources: { nanoCpus: 5e8 } });
    expect(endless.id, [['cpu.cfs_quota_us', '50000', 'cpu.max', '50000 100000']]);
    await end(endless.id);
  });

  it('have twice the memory with swap by default, and swap without limit when asked', async () => {
    const twice = await started({ memoryBytes: 64 * MIB });
    expect(twice.id, [['memory.memsw.limit_in_bytes', `${128 * MIB}`, 'memory.swap.max', `${64 * MIB}`]]);
    await end(twice.id);
    const endless = await started({ memoryBytes: 64 * MIB, memorySwapBytes: -1 });
    if (isUnified()) assert.equal(file(endless.id, '', 'memory.swap.max'), 'max');
    else assert.ok(Number(file(endless.id, 'memory.memsw.limit_in_bytes', '')) > 2 ** 60);
    await end(endless.id);
  });

  it('take its swappiness and the OOM killer away where the kernel lets them', async () => {
    const { id, warnings } = await started({ memoryBytes: 64 * MIB, memorySwappiness: 7, oomKillDisable: true });
    if (isUnified()) {
      assert.equal(warnings.length, 2);
      await end(id);
      return;
    }
    assert.deepEqual(warnings, []);
    assert.equal(file(id, 'memory.swappiness', ''), '7');
    assert.match(file(id, 'memory.oom_control', ''), /^oom_kill_disable 1$/m);
    await end(id);
    const zero = await started({ memoryBytes: 64 * MIB, memorySwappiness: 0 });
    assert.equal(file(zero.id, 'memory.swappiness', ''), '0');
    await end(zero.id);
  });

  it('of disks are those of its group, as far as the kernel has them', async () => {
    const path = `/dev/${readdirSync('/sys/block')[0]}`;
    const number = readFileSync(`/sys/block/${readdirSync('/sys/block')[0]}/dev`, 'utf8').trim();
    const rate = (value: number) => [{ path, value }];
    const { id, warnings } = await started({
      blkioWeight: 300,
      blkioReadBps: rate(MIB),
      blkioWriteBps: rate(2 * MIB),
      blkioReadIops: rate(100),
      blkioWriteIops: rate(200),
    });
    const io = `${number} rbps=${MIB} wbps=${2 * MIB} riops=100 wiops=200`;
    expect(id, [
      ['blkio.throttle.read_bps_device', `${number} ${MIB}`, 'io.max', io],
      ['blkio.throttle.write_bps_device', `${number} ${2 * MIB}`, 'io.max', io],
      ['blkio.throttle.read_iops_device', `${number} 100`, 'io.max', io],
      ['blkio.throttle.write_iops_device', `${number} 200`, 'io.max', io],
    ]);
    if (limitSupport(readMounts()).blockWeight) assert.match(file(id, 'blkio.weight', 'io.weight'), /300$/);
    else assert.match(warnings.join(), /does not support Block I\/O weight/);
    await bed.engine.update(id, { resources: { blkioReadBps: rate(3 * MIB), blkioWriteBps: [], blkioReadIops: [] } });
    const left = `${number} rbps=${3 * MIB} wbps=max riops=max wiops=200`;
    expect(id, [
      ['blkio.throttle.read_bps_device', `${number} ${3 * MIB}`, 'io.max', left],
      ['blkio.throttle.write_bps_device', '', 'io.max', left],
      ['blkio.throttle.read_iops_device', '', 'io.max', left],
      ['blkio.throttle.write_iops_device', `${number} 200`, 'io.max', left],
    ]);
    const missing = { blkioWriteIops: [{ path: '/dev/nothing', value: 1 }] };
    await assert.rejects(bed.engine.update(id, { resources: missing }), /stat \/dev\/nothing: no such file/);
    const noDevice = { blkioReadBps: [{ path: '/etc/passwd', value: 1 }] };
    await assert.rejects(bed.engine.update(id, { resources: noDevice }), /^\S+: \/etc\/passwd is not a block device$/);
    assert.deepEqual(bed.engine.find(id)?.config.resources.blkioWriteIops, rate(200), 'stays as it was');
    await end(id);
  });

  it('of processors are refused where the kernel would take others', async () => {
    const wrong = [
      [1, /: the minimum allowed cpu-shares is 2: unknown$/],
      [262_145, /: the maximum allowed cpu-shares is 262144: unknown$/],
      [-1, /shares: invalid argument: unknown$/],
    ] as const;
    for (const [cpuShares, message] of wrong) {
      const { id } = await started({ cpuShares }).catch((e: Error) => ({ id: e.message }));
      if (machineFacts().cgroupVersion === 1) assert.match(id, message);
      else await end(id);
    }
  });

  it('are taken away with a warning where the kernel has no place for them', async () => {
    const path = `/dev/${readdirSync('/sys/block')[0]}`;
    const { id, warnings } = await started({ oomKillDisable: true, blkioWeightDevice: [{ path, value: 200 }] });
    const support = limitSupport(readMounts());
    const wanted = [
      ...(support.oomKillDisable ? [] : ['OomKillDisable discarded']),
      ...(support.blockWeightDevice ? [] : ['Weight-device discarded']),
      ...(support.oomKillDisable ? ['no memory limit is set'] : []),
    ];
    assert.equal(warnings.length, wanted.length, warnings.join('\n'));
    for (const [i, text] of wanted.entries()) assert.match(warnings[i] ?? '', new RegExp(text));
    const kept = bed.engine.find(id)?.config.resources.blkioWeightDevice;
    if (!support.blockWeightDevice) assert.deepEqual(kept, []);
    await end(id);
  });
});
