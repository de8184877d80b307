import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { checkSettings, parseSet } from './check-settings.js';
import type { ContainerConfig, ContainerResources } from './container-config.js';
import { containerConfig } from './engine-bed.js';

const MACHINE = { cpus: 2, cpuList: '0-1', memoryNodes: '0' };

describe('the settings of a container', () => {
  const check = (more: Partial<ContainerConfig>) => checkSettings(containerConfig('image', [], more), MACHINE);
  const none = { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0 };
  const refused = (more: Partial<ContainerConfig>, message: RegExp) =>
    assert.throws(
      () => check(more),
      (e) => isSwarmtsError(e, 'invalid-argument') && message.test(e.message),
    );

  it('are refused in the words of Docker', () => {
    const limits: [Partial<ContainerResources>, RegExp][] = [
      [{ nanoCpus: 8e9 }, /^range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available$/],
      [{ memoryBytes: 1 << 20 }, /^Minimum memory limit allowed is 6MB$/],
      [{ memoryBytes: 64 << 20, memorySwapBytes: 32 << 20 }, /^Minimum memoryswap limit should be larger/],
      [{ memoryBytes: 0, memorySwapBytes: 64 << 20 }, /^You should always set the Memory limit when using Memoryswap/],
      [{ memoryReservationBytes: 1 << 20 }, /^Minimum memory reservation allowed is 6MB$/],
      [{ memoryBytes: 64 << 20, memoryReservationBytes: 65 << 20 }, /can not be less than memory reservation/],
      [{ memorySwappiness: 101 }, /^Invalid value: 101, valid memory swappiness range is 0-100$/],
      [{ nanoCpus: 1e9, cpuPeriodUs: 1000 }, /Nano CPUs and CPU Period cannot both be set/],
      [{ nanoCpus: 1e9, cpuQuotaUs: 1000 }, /Nano CPUs and CPU Quota cannot both be set/],
      [{ cpuPeriodUs: 10 }, /^CPU cfs period can not be less than 1ms/],
      [{ cpuQuotaUs: 10 }, /^CPU cfs quota can not be less than 1ms/],
      [{ cpusetCpus: '0-9' }, /^Requested CPUs are not available - requested 0-9, available: 0-1$/],
      [{ cpusetCpus: 'x' }, /^Invalid value x for cpuset cpus: invalid format: x$/],
      [{ cpusetMems: '3' }, /^Requested memory nodes are not available - requested 3, available: 0$/],
      [{ blkioWeight: 5 }, /^Range of blkio weight is from 10 to 1000$/],
      [{ oomScoreAdj: 1001 }, /^Invalid value 1001, range for oom score adj is \[-1000, 1000\]$/],
      [{ ulimits: [{ name: 'nope', soft: 1, hard: 1 }] }, /^invalid ulimit type: nope$/],
      [{ ulimits: [{ name: 'nofile', soft: 2, hard: 1 }] }, /^ulimit soft limit must be less than or equal/],
    ];
    for (const [resources, message] of limits) refused({ resources: { ...none, ...resources } }, message);
    refused({ hostname: 'x'.repeat(65) }, /is too long \(maximum 64 bytes\)$/);
    refused({ deviceRules: ['x 1:2 rwm'] }, /^invalid device cgroup rule format: 'x 1:2 rwm'$/);
    refused({ env: ['=x'] }, /^invalid environment variable: =x$/);
    refused({ autoRemove: true, restart: { name: 'always', maxRetries: 0 } }, /^can't create 'AutoRemove' container/);
  });

  it('are taken when they make sense', () => {
    check({
      deviceRules: ['c 1:3 mr', 'a *:* rwm'],
      resources: {
        ...none,
        nanoCpus: 2e9,
        memoryBytes: 64 << 20,
        memorySwapBytes: -1,
        cpusetCpus: '0,1',
        cpusetMems: '0',
        blkioWeight: 10,
        ulimits: [{ name: 'core', soft: 0, hard: -1 }],
      },
    });
  });

  it('know lists of numbers as the kernel writes them', () => {
    assert.deepEqual([...(parseSet('0-2,5') ?? [])], [0, 1, 2, 5]);
    for (const bad of ['', '2-1', '1-99999', 'a', '1,,2']) assert.equal(parseSet(bad), undefined, bad);
  });
});
