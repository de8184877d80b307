/** Takes the CPU quota of a running container away. Past the runtime: crun takes the -1 that stands for none as a number without a sign. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MountInfo } from '../runtime/mountinfo.js';
import { cgroupFinder, unifiedCgroup } from './container-stats.js';

/** The period stays as it is. */
export function liftCpuQuota(mounts: readonly MountInfo[], cgroupsPath: string): void {
  const unified = unifiedCgroup(mounts, cgroupsPath);
  const separate = cgroupFinder(mounts, cgroupsPath)('cpu');
  if (unified !== undefined) writeFileSync(join(unified, 'cpu.max'), 'max');
  else if (separate !== undefined) writeFileSync(join(separate, 'cpu.cfs_quota_us'), '-1');
}
