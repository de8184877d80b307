/**
 * Gives a running container the limits of its block devices anew. Past the runtime: runc changes none of them, and neither runtime takes
 * one away.
 */
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import { numbersOf } from '../runtime/devices.js';
import type { MountInfo } from '../runtime/mountinfo.js';
import type { ContainerResources, Throttle } from './container-config.js';
import { cgroupFinder, unifiedCgroup } from './container-stats.js';

const RATE = { unified: 'io.max', none: 'max' } as const;

/** Files of both kinds of hierarchy, and what stands for no limit in the unified one: in separate ones it is 0. */
const KINDS = [
  { limit: 'blkioReadBps', separate: 'blkio.throttle.read_bps_device', key: 'rbps=', ...RATE },
  { limit: 'blkioWriteBps', separate: 'blkio.throttle.write_bps_device', key: 'wbps=', ...RATE },
  { limit: 'blkioReadIops', separate: 'blkio.throttle.read_iops_device', key: 'riops=', ...RATE },
  { limit: 'blkioWriteIops', separate: 'blkio.throttle.write_iops_device', key: 'wiops=', ...RATE },
  {
    limit: 'blkioWeightDevice',
    separate: 'blkio.weight_device',
    unified: 'io.bfq.weight',
    key: '',
    none: 'default',
  },
] as const;

/** Throws 'invalid-argument' for what is no block device: the kernel would not say which one it is. */
export function checkBlockDevices(change: Partial<ContainerResources>): void {
  const paths = KINDS.flatMap(({ limit }) => change[limit] ?? []).map((t) => t.path);
  const wrong = paths.find((path) => statSync(path, { throwIfNoEntry: false })?.isBlockDevice() === false);
  if (wrong !== undefined) throw new SwarmtsError('invalid-argument', `${wrong} is not a block device`);
}

export function changeBlockLimits(
  mounts: readonly MountInfo[],
  cgroupsPath: string,
  before: ContainerResources,
  after: ContainerResources,
): void {
  const unified = unifiedCgroup(mounts, cgroupsPath);
  const directory = unified ?? cgroupFinder(mounts, cgroupsPath)('blkio');
  if (directory === undefined) return;
  for (const { limit, separate, key, none, unified: file } of KINDS) {
    const path = join(directory, unified === undefined ? separate : file);
    // Kernels differ in whether they have weights.
    if (!existsSync(path)) continue;
    // The kernel takes one device a write.
    for (const [device, value] of changes(before[limit], after[limit])) {
      const text = unified === undefined ? `${value ?? 0}` : `${key}${value ?? none}`;
      writeFileSync(path, `${device} ${text}`);
    }
  }
}

/** By the numbers of devices; undefined for those that have no limit any more. */
function changes(before: readonly Throttle[] = [], after: readonly Throttle[] = []): Map<string, number | undefined> {
  const wanted = byNumber(after);
  const gone = [...before.flatMap((t) => [...presentByNumber(t).keys()])].filter((device) => !wanted.has(device));
  return new Map<string, number | undefined>([...gone.map((device) => [device, undefined] as const), ...wanted]);
}

function byNumber(throttles: readonly Throttle[]): Map<string, number> {
  return new Map(numbersOf(throttles).map(({ major, minor, value }) => [`${major}:${minor}`, value]));
}

/** A device that was taken out of the machine has no limit to be taken away. */
function presentByNumber(throttle: Throttle): Map<string, number> {
  try {
    return byNumber([throttle]);
  } catch (e) {
    if (isSwarmtsError(e, 'invalid-argument')) return new Map();
    throw e;
  }
}
