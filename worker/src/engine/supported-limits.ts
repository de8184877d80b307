/**
 * Limits that this machine's kernel cannot keep. As Docker does, they are taken away with a warning instead of being refused (a number of
 * CPUs is refused: it is what placement counts on). Pure.
 */
import { SwarmtsError } from '@swarmts/lib';
import type { LimitSupport } from '../runtime/limit-support.js';
import type { ContainerResources } from './container-config.js';

export interface SupportedLimits {
  readonly resources: ContainerResources;
  readonly warnings: readonly string[];
}

interface Limit {
  /** Whether the resources ask for it. */
  readonly asked: (r: ContainerResources) => boolean;
  readonly supported: (s: LimitSupport) => boolean;
  readonly warning: string;
  readonly without: Partial<ContainerResources>;
}

const NOT_MOUNTED = 'or the cgroup is not mounted.';
const given = (list: readonly unknown[] | undefined) => (list ?? []).length > 0;

/** In Docker's order: a memory limit that is taken away takes the one of swap with it. */
const LIMITS: readonly Limit[] = [
  {
    asked: (r) => r.memoryBytes > 0,
    supported: (s) => s.memory,
    warning: `Your kernel does not support memory limit capabilities ${NOT_MOUNTED} Limitation discarded.`,
    without: { memoryBytes: 0, memorySwapBytes: -1 },
  },
  {
    asked: (r) => r.memoryBytes > 0 && r.memorySwapBytes !== -1,
    supported: (s) => s.swap,
    warning: `Your kernel does not support swap limit capabilities ${NOT_MOUNTED} Memory limited without swap.`,
    without: { memorySwapBytes: -1 },
  },
  {
    asked: (r) => r.memorySwappiness !== undefined,
    supported: (s) => s.swappiness,
    warning: `Your kernel does not support memory swappiness capabilities ${NOT_MOUNTED} Memory swappiness discarded.`,
    without: { memorySwappiness: undefined },
  },
  {
    asked: (r) => r.memoryReservationBytes > 0,
    supported: (s) => s.memoryReservation,
    warning: `Your kernel does not support memory soft limit capabilities ${NOT_MOUNTED} Limitation discarded.`,
    without: { memoryReservationBytes: 0 },
  },
  {
    asked: (r) => r.oomKillDisable === true,
    supported: (s) => s.oomKillDisable,
    warning: 'Your kernel does not support OomKillDisable. OomKillDisable discarded.',
    without: { oomKillDisable: undefined },
  },
  {
    asked: (r) => r.pidsLimit > 0,
    supported: (s) => s.pids,
    warning: `Your kernel does not support PIDs limit capabilities ${NOT_MOUNTED} PIDs limit discarded.`,
    without: { pidsLimit: 0 },
  },
  {
    asked: (r) => (r.cpuShares ?? 0) > 0,
    supported: (s) => s.cpuShares,
    warning: `Your kernel does not support CPU shares ${NOT_MOUNTED} Shares discarded.`,
    without: { cpuShares: 0 },
  },
  {
    asked: (r) => (r.cpuPeriodUs ?? 0) !== 0 || (r.cpuQuotaUs ?? 0) !== 0,
    supported: (s) => s.cpuQuota,
    warning: 'Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.',
    without: { cpuPeriodUs: 0, cpuQuotaUs: 0 },
  },
  {
    asked: (r) => (r.cpusetCpus ?? '') !== '' || (r.cpusetMems ?? '') !== '',
    supported: (s) => s.cpuset,
    warning: `Your kernel does not support cpuset ${NOT_MOUNTED} Cpuset discarded.`,
    without: { cpusetCpus: '', cpusetMems: '' },
  },
  {
    asked: (r) => (r.blkioWeight ?? 0) > 0,
    supported: (s) => s.blockWeight,
    warning: `Your kernel does not support Block I/O weight ${NOT_MOUNTED} Weight discarded.`,
    without: { blkioWeight: 0 },
  },
  {
    asked: (r) => given(r.blkioWeightDevice),
    supported: (s) => s.blockWeightDevice,
    warning: `Your kernel does not support Block I/O weight_device ${NOT_MOUNTED} Weight-device discarded.`,
    without: { blkioWeightDevice: [] },
  },
  {
    asked: (r) => given(r.blkioReadBps),
    supported: (s) => s.blockRates,
    warning: `Your kernel does not support BPS Block I/O read limit ${NOT_MOUNTED} Block I/O BPS read limit discarded.`,
    without: { blkioReadBps: [] },
  },
  {
    asked: (r) => given(r.blkioWriteBps),
    supported: (s) => s.blockRates,
    warning: `Your kernel does not support BPS Block I/O write limit ${NOT_MOUNTED} Block I/O BPS write limit discarded.`,
    without: { blkioWriteBps: [] },
  },
  {
    asked: (r) => given(r.blkioReadIops),
    supported: (s) => s.blockRates,
    warning: `Your kernel does not support IOPS Block read limit ${NOT_MOUNTED} Block I/O IOPS read limit discarded.`,
    without: { blkioReadIops: [] },
  },
  {
    asked: (r) => given(r.blkioWriteIops),
    supported: (s) => s.blockRates,
    warning: `Your kernel does not support IOPS Block write limit ${NOT_MOUNTED} Block I/O IOPS write limit discarded.`,
    without: { blkioWriteIops: [] },
  },
];

const UNLIMITED_OOM =
  'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.';

export function supportedLimits(asked: ContainerResources, support: LimitSupport): SupportedLimits {
  if (asked.nanoCpus > 0 && !support.cpuQuota) {
    const why = 'as your kernel does not support CPU CFS scheduler or the cgroup is not mounted';
    throw new SwarmtsError('invalid-argument', `NanoCPUs can not be set, ${why}`);
  }
  let resources = asked;
  const warnings: string[] = [];
  for (const limit of LIMITS) {
    if (!limit.asked(resources) || limit.supported(support)) continue;
    resources = defined({ ...resources, ...limit.without });
    warnings.push(limit.warning);
  }
  if (resources.oomKillDisable && resources.memoryBytes === 0) warnings.push(UNLIMITED_OOM);
  return { resources, warnings };
}

/** An undefined value takes the field away. */
function defined(r: Partial<ContainerResources> & ContainerResources): ContainerResources {
  const { memorySwappiness, oomKillDisable, ...rest } = r;
  return {
    ...rest,
    ...(memorySwappiness === undefined ? {} : { memorySwappiness }),
    ...(oomKillDisable === undefined ? {} : { oomKillDisable }),
  };
}
