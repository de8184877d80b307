/**
 * A process that is moved into a cgroup waits for an RCU grace period (16-30 ms seen) unless a cgroup hierarchy is mounted
 * with `favordynmods` (Linux 6.0, Documentation/admin-guide/cgroup-v2.rst). Containers are moved once each, so a node that starts
 * containers wants the flag; its price is a slightly dearer fork and exit. The flag counts for the whole machine, whichever
 * hierarchy has it, and the kernel keeps it until the reboot.
 */
import type { MountSpec } from '../helper/helper-api.js';
import type { MountInfo } from './mountinfo.js';

const FLAG = 'favordynmods';
/** Restrictions of the mount itself: a remount that left them out would take them away. */
const KEPT = new Set(['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'relatime']);

/** The remount that sets the flag; undefined when it is set already or no cgroup v2 hierarchy is mounted. */
export function favorDynmodsMount(mounts: readonly MountInfo[]): MountSpec | undefined {
  const found = mounts.find((m) => m.fstype === 'cgroup2');
  if (!found || found.superOptions.includes(FLAG)) return undefined;
  const { target, source, fstype } = found;
  const options = found.superOptions.filter((o) => o !== 'rw' && o !== 'ro');
  const flags = found.options.filter((o) => KEPT.has(o));
  return { source, target, fstype, flags: ['remount', ...flags], data: [...options, FLAG].join(',') };
}
