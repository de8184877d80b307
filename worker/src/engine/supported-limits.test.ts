import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import type { LimitSupport } from '../runtime/limit-support.js';
import { resourcesOf } from '../runtime/oci-config.js';
import type { ContainerResources } from './container-config.js';
import { supportedLimits } from './supported-limits.js';

const EVERYTHING: LimitSupport = {
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
const V2: LimitSupport = { ...EVERYTHING, swappiness: false, oomKillDisable: false };
const NOTHING: LimitSupport = {
  ...V2,
  memory: false,
  swap: false,
  memoryReservation: false,
  pids: false,
  cpuShares: false,
  cpuQuota: false,
  cpuset: false,
  blockWeight: false,
  blockWeightDevice: false,
  blockRates: false,
};
const NONE: ContainerResources = { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0 };
const disk = [{ path: '/dev/null', value: 1 << 20 }];
const ALL: ContainerResources = {
  ...NONE,
  memoryBytes: 64 << 20,
  memorySwapBytes: 128 << 20,
  memorySwappiness: 10,
  memoryReservationBytes: 32 << 20,
  oomKillDisable: true,
  pidsLimit: 9,
  cpuShares: 512,
  cpuPeriodUs: 50_000,
  cpuQuotaUs: 25_000,
  cpusetCpus: '0',
  blkioWeight: 100,
  blkioWeightDevice: disk,
  blkioReadBps: disk,
  blkioWriteBps: disk,
  blkioReadIops: disk,
  blkioWriteIops: disk,
  oomScoreAdj: 5,
};

describe('limits that the machine cannot keep', () => {
  it('are none where it can keep all', () => {
    assert.deepEqual(supportedLimits(ALL, EVERYTHING), { resources: ALL, warnings: [] });
  });

  it('are taken away with a warning each, in the words of Docker', () => {
    const { resources, warnings } = supportedLimits(ALL, NOTHING);
    assert.deepEqual(resourcesOf(resources, true, false), { devices: [{ allow: true, access: 'rwm' }] });
    assert.equal(resources.oomScoreAdj, 5, 'is not one of the cgroup');
    const what = [
      ...['memory limit capabilities', 'memory swappiness capabilities', 'memory soft limit capabilities'],
      ...['OomKillDisable', 'PIDs limit capabilities', 'CPU shares', 'CPU CFS scheduler', 'cpuset'],
      ...['Block I/O weight', 'Block I/O weight_device', 'BPS Block I/O read limit', 'BPS Block I/O write limit'],
      ...['IOPS Block read limit', 'IOPS Block write limit'],
    ];
    const named = warnings.map((w) =>
      /^Your kernel does not support (.+?)( or the cgroup is not mounted)?\. .*discarded\.$/.exec(w),
    );
    assert.deepEqual(
      named.map((m) => m?.[1]),
      what,
    );
  });

  it('leave memory limited without swap where swap is not accounted', () => {
    const { resources, warnings } = supportedLimits({ ...NONE, memoryBytes: 64 << 20 }, { ...EVERYTHING, swap: false });
    assert.match(
      warnings.join(),
      /^Your kernel does not support swap limit capabilities .* Memory limited without swap\.$/,
    );
    assert.deepEqual(resourcesOf(resources, false, false).memory, { limit: 64 << 20 });
    const unlimited = supportedLimits(
      { ...NONE, memoryBytes: 64 << 20, memorySwapBytes: -1 },
      { ...EVERYTHING, swap: false },
    );
    assert.deepEqual(unlimited.warnings, []);
  });

  it('leave on cgroup v2 what has a file there', () => {
    const { resources, warnings } = supportedLimits(ALL, V2);
    const { devices: _devices, ...oci } = resourcesOf(resources, false, true);
    assert.deepEqual(oci, {
      cpu: { shares: 512, period: 50_000, quota: 25_000, cpus: '0' },
      memory: { limit: 64 << 20, reservation: 32 << 20, swap: 128 << 20 },
      pids: { limit: 9 },
      blockIO: {
        weight: 100,
        weightDevice: [{ major: 1, minor: 3, weight: 1 << 20 }],
        throttleReadBpsDevice: [{ major: 1, minor: 3, rate: 1 << 20 }],
        throttleWriteBpsDevice: [{ major: 1, minor: 3, rate: 1 << 20 }],
        throttleReadIOPSDevice: [{ major: 1, minor: 3, rate: 1 << 20 }],
        throttleWriteIOPSDevice: [{ major: 1, minor: 3, rate: 1 << 20 }],
      },
    });
    assert.equal(warnings.length, 2);
  });

  it('warn of a container that nothing keeps from taking all memory, and say nothing where nothing was asked', () => {
    const { warnings } = supportedLimits({ ...NONE, oomKillDisable: true }, EVERYTHING);
    assert.match(warnings.join(), /^OOM killer is disabled for the container, but no memory limit is set/);
    assert.deepEqual(supportedLimits({ ...NONE, oomKillDisable: false }, NOTHING).warnings, []);
  });

  it('refuse a number of CPUs', () => {
    assert.throws(
      () => supportedLimits({ ...NONE, nanoCpus: 1e9 }, NOTHING),
      (e) => isSwarmtsError(e, 'invalid-argument') && /^NanoCPUs can not be set, as your kernel/.test(e.message),
    );
  });
});
