/** Changes of limits and what contradicts them. */
import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { changedResources } from './changed-resources.js';
import type { ContainerResources } from './container-config.js';

const MIB = 1 << 20;
const NONE: ContainerResources = { nanoCpus: 0, memoryBytes: 0, memoryReservationBytes: 0, pidsLimit: 0 };

describe('a change of limits', () => {
  const changed = (before: Partial<ContainerResources>, change: Partial<ContainerResources>) =>
    changedResources({ id: 'abc', config: { resources: { ...NONE, ...before } } }, change);

  it('leaves what it does not name', () => {
    assert.deepEqual(changed({ pidsLimit: 5, cpuShares: 7 }, { pidsLimit: 9 }), {
      ...NONE,
      pidsLimit: 9,
      cpuShares: 7,
    });
  });

  it('makes a number of CPUs count again after a quota that was taken away', () => {
    const lifted = changed({ nanoCpus: 1e9 }, { cpuQuotaUs: -1 });
    assert.equal(lifted.cpuQuotaUs, -1);
    assert.deepEqual(changed(lifted, { nanoCpus: 2e9 }), { ...NONE, nanoCpus: 2e9, cpuQuotaUs: 0 });
  });

  it('is refused where it contradicts what is there, in the words of Docker', () => {
    const conflicts: [Partial<ContainerResources>, Partial<ContainerResources>, string][] = [
      [{ cpuPeriodUs: 50_000 }, { nanoCpus: 1e9 }, 'Nano CPUs cannot be updated as CPU Period has'],
      [{ cpuQuotaUs: 50_000 }, { nanoCpus: 1e9 }, 'Nano CPUs cannot be updated as CPU Quota has'],
      [{ nanoCpus: 1e9 }, { cpuPeriodUs: 50_000 }, 'CPU Period cannot be updated as NanoCPUs has'],
      [{ nanoCpus: 1e9 }, { cpuQuotaUs: 50_000 }, 'CPU Quota cannot be updated as NanoCPUs has'],
      [
        { memoryBytes: 64 * MIB },
        { memoryBytes: 129 * MIB },
        'Memory limit should be smaller than already set memoryswap',
      ],
    ];
    for (const [before, change, message] of conflicts) {
      assert.throws(
        () => changed(before, change),
        (e) =>
          isSwarmtsError(e, 'conflict') &&
          e.message.startsWith('Cannot update container abc: ') &&
          e.message.includes(message),
        message,
      );
    }
  });

  it('of memory alone leaves the limit of memory and swap together as it is', () => {
    const both = (before: Partial<ContainerResources>, change: Partial<ContainerResources>) => {
      const { memoryBytes, memorySwapBytes } = changed(before, change);
      return [memoryBytes / MIB, memorySwapBytes && memorySwapBytes / MIB];
    };
    const before = { memoryBytes: 64 * MIB };
    assert.deepEqual(both(before, { memoryBytes: 96 * MIB }), [96, 128]);
    assert.deepEqual(both(before, { memoryBytes: 32 * MIB }), [32, 128]);
    assert.deepEqual(both({ ...before, memorySwapBytes: 80 * MIB }, { memoryBytes: 70 * MIB }), [70, 80]);
    assert.deepEqual(both(before, { memorySwapBytes: 90 * MIB }), [64, 90]);
    assert.deepEqual(both({}, { memoryBytes: 32 * MIB }), [32, undefined], 'twice the memory where there was none');
    assert.deepEqual(both(before, { pidsLimit: 5 }), [64, undefined]);
  });

  it('of memory may be anything where swap has no limit, or gets one with it', () => {
    for (const before of [{}, { memoryBytes: 64 * MIB, memorySwapBytes: -1 }])
      assert.equal(changed(before, { memoryBytes: 512 * MIB }).memoryBytes, 512 * MIB);
    assert.equal(
      changed({ memoryBytes: 64 * MIB }, { memoryBytes: 129 * MIB, memorySwapBytes: 200 * MIB }).memoryBytes,
      129 * MIB,
    );
  });
});
