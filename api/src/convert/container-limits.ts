/** Docker's Resources, as HostConfig and the body of an update carry them. */

import { SwarmtsError } from '@swarmts/lib';
import type { RestartPolicy } from '../container-backend.js';
import type { ContainerLimits, Throttle } from '../container-limits.js';
import { type ApiVersion, SINCE } from '../http/api-version.js';
import type { JsonObject } from '../json/object.js';

export function readLimits(o: JsonObject): ContainerLimits {
  // Kernels with control groups of version 2 have none, and elsewhere whole branches would have to be set first.
  if (o.integer('CpuRealtimePeriod') !== 0 || o.integer('CpuRealtimeRuntime') !== 0)
    throw new SwarmtsError('unsupported', 'Your kernel does not support CPU real-time scheduler');
  return {
    nanoCpus: o.integer('NanoCpus'),
    cpuShares: o.integer('CpuShares'),
    cpuPeriodUs: o.integer('CpuPeriod'),
    cpuQuotaUs: o.integer('CpuQuota'),
    cpusetCpus: o.string('CpusetCpus'),
    cpusetMems: o.string('CpusetMems'),
    memoryBytes: o.integer('Memory'),
    memoryReservationBytes: o.integer('MemoryReservation'),
    memorySwapBytes: o.integer('MemorySwap'),
    // -1 is what old clients say for "not said".
    ...(o.has('MemorySwappiness') && o.integer('MemorySwappiness') !== -1
      ? { memorySwappiness: o.integer('MemorySwappiness') }
      : {}),
    ...(o.has('OomKillDisable') ? { oomKillDisable: o.boolean('OomKillDisable') } : {}),
    oomScoreAdj: o.integer('OomScoreAdj'),
    pidsLimit: o.integer('PidsLimit'),
    blkioWeight: o.integer('BlkioWeight'),
    blkioWeightDevice: throttles(o, DEVICE_LIMITS.blkioWeightDevice, 'Weight'),
    blkioReadBps: throttles(o, DEVICE_LIMITS.blkioReadBps, 'Rate'),
    blkioWriteBps: throttles(o, DEVICE_LIMITS.blkioWriteBps, 'Rate'),
    blkioReadIops: throttles(o, DEVICE_LIMITS.blkioReadIops, 'Rate'),
    blkioWriteIops: throttles(o, DEVICE_LIMITS.blkioWriteIops, 'Rate'),
    ulimits: o.objects('Ulimits').map((u) => ({
      name: u.string('Name'),
      soft: u.integer('Soft'),
      hard: u.integer('Hard'),
    })),
  };
}

const DEVICE_LIMITS = {
  blkioWeightDevice: 'BlkioWeightDevice',
  blkioReadBps: 'BlkioDeviceReadBps',
  blkioWriteBps: 'BlkioDeviceWriteBps',
  blkioReadIops: 'BlkioDeviceReadIOps',
  blkioWriteIops: 'BlkioDeviceWriteIOps',
} as const;

/** Only what the body names and is no zero: an update leaves the rest as it is. */
export function readLimitChanges(o: JsonObject, [, minor]: ApiVersion): Partial<ContainerLimits> {
  const limits = readLimits(o);
  const changes = Object.entries(limits).filter(
    ([k, v]) =>
      v !== 0 && v !== '' && k !== 'pidsLimit' && !(k in DEVICE_LIMITS) && !(Array.isArray(v) && v.length === 0),
  );
  // No limit is a change as well. Clients of before were not listened to.
  if (o.has('PidsLimit') && minor >= SINCE.pidsChanges)
    changes.push(['pidsLimit', Math.max(0, o.integer('PidsLimit'))]);
  // Entries of a ContainerLimits are one again, with fewer fields.
  return { ...(Object.fromEntries(changes) as Partial<ContainerLimits>), ...deviceChanges(o, limits, minor) };
}

/** An empty list takes the limits of all devices away. Clients of before were not listened to. */
function deviceChanges(o: JsonObject, limits: ContainerLimits, minor: number): Partial<ContainerLimits> {
  if (minor < SINCE.throttleChanges) return {};
  const named = (Object.keys(DEVICE_LIMITS) as (keyof typeof DEVICE_LIMITS)[]).filter((k) => o.has(DEVICE_LIMITS[k]));
  return Object.fromEntries(named.map((k) => [k, limits[k]]));
}

function throttles(o: JsonObject, name: string, field: string): Throttle[] {
  return o.objects(name).map((d) => ({ path: d.string('Path'), value: d.unsigned(field) }));
}

const POLICIES = {
  no: 'no',
  always: 'always',
  'unless-stopped': 'unless-stopped',
  'on-failure': 'on-failure',
} as const;

export function readRestartPolicy(o: JsonObject | undefined): RestartPolicy | undefined {
  const text = o?.string('Name') ?? '';
  const maxRetries = o?.integer('MaximumRetryCount') ?? 0;
  if (text === '' && maxRetries === 0) return undefined;
  const name = text === '' ? 'no' : Object.values(POLICIES).find((p) => p === text);
  const wrong = (why: string) => new SwarmtsError('invalid-argument', `invalid restart policy: ${why}`);
  if (!name) {
    throw wrong(`unknown policy '${text}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`);
  }
  if (name !== 'on-failure' && maxRetries !== 0) {
    throw wrong("maximum retry count can only be used with 'on-failure'");
  }
  if (maxRetries < 0) throw wrong('maximum retry count cannot be negative');
  return { name, maxRetries };
}
