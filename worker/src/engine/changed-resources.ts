/** What a change of limits makes of those that a container has; what would contradict them is refused in Docker's words. Pure. */
import { SwarmtsError } from '@swarmts/lib';
import type { ContainerResources } from './container-config.js';
import type { ContainerRecord } from './container-record.js';

/** `change` has only what somebody named. Throws 'conflict'. */
export function changedResources(
  { id, config }: Pick<ContainerRecord, 'id'> & { readonly config: Pick<ContainerRecord['config'], 'resources'> },
  change: Partial<ContainerResources>,
): ContainerResources {
  const before = config.resources;
  const conflict = contradiction(before, change);
  if (conflict !== undefined) throw cannotUpdate(id, conflict);
  // A number of CPUs is a quota again, after one that was taken away.
  const counted = (change.nanoCpus ?? 0) > 0 && (before.cpuQuotaUs ?? 0) < 0;
  return { ...before, ...(counted ? { cpuQuotaUs: 0 } : {}), ...keptSwapLimit(before, change), ...change };
}

export function cannotUpdate(id: string, why: string): SwarmtsError {
  return new SwarmtsError('conflict', `Cannot update container ${id}: ${why}`);
}

function contradiction(before: ContainerResources, change: Partial<ContainerResources>): string | undefined {
  const { nanoCpus = 0, cpuPeriodUs = 0, cpuQuotaUs = 0, memoryBytes = 0, memorySwapBytes = 0 } = change;
  const [period, quota] = [before.cpuPeriodUs ?? 0, before.cpuQuotaUs ?? 0];
  if (nanoCpus > 0 && period > 0) return alreadySet('Nano CPUs', 'CPU Period');
  if (nanoCpus > 0 && quota > 0) return alreadySet('Nano CPUs', 'CPU Quota');
  if (cpuPeriodUs > 0 && before.nanoCpus > 0) return alreadySet('CPU Period', 'NanoCPUs');
  if (cpuQuotaUs > 0 && before.nanoCpus > 0) return alreadySet('CPU Quota', 'NanoCPUs');
  if (memorySwapBytes !== 0 || memoryBytes <= swapLimit(before)) return undefined;
  return 'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time';
}

/** The default follows the memory that the container was made with, not the one that it gets later. */
function keptSwapLimit(before: ContainerResources, change: Partial<ContainerResources>): Partial<ContainerResources> {
  const isDefault = before.memoryBytes > 0 && (before.memorySwapBytes ?? 0) === 0;
  return isDefault && (change.memoryBytes ?? 0) > 0 ? { memorySwapBytes: swapLimit(before) } : {};
}

/** Of memory and swap together. */
function swapLimit({ memoryBytes, memorySwapBytes = 0 }: ContainerResources): number {
  const limit = memorySwapBytes === 0 ? memoryBytes * 2 : memorySwapBytes;
  return limit > 0 ? limit : Number.POSITIVE_INFINITY;
}

function alreadySet(what: string, before: string): string {
  return `Conflicting options: ${what} cannot be updated as ${before} has already been set`;
}
