/**
 * A process that is moved into a cgroup waits for an RCU grace period (16-30 ms seen) unless a cgroup hierarchy is mounted
 * with `favordynmods` (Linux 6.0, Documentation/admin-guide/cgroup-v2.rst). Containers are moved once each, so a node that starts
 * containers wants the flag; its price is a slightly dearer fork and exit. The flag counts for the whole machine, whichever
 * hierarchy has it, and the kernel keeps it until the reboot.
 */
import type { MountSpec } from '../helper/helper-api.js';

const FLAG = 'favordynmods';
/** Fields of a mountinfo line before the optional ones (proc_pid_mountinfo(5)). */
const TARGET_FIELD = 4;
const OPTIONS_FIELD = 5;
/** Restrictions of the mount itself: a remount that left them out would take them away. */
const KEPT = new Set(['ro', 'nosuid', 'nodev', 'noexec', 'noatime', 'nodiratime', 'relatime']);

/** The remount that sets the flag; undefined when it is set already or no cgroup v2 hierarchy is mounted. */
export function favorDynmodsMount(mountinfo: string): MountSpec | undefined {
  for (const line of mountinfo.split('\n')) {
    const [mount = '', filesystem = ''] = line.split(' - ');
    const [fstype, source = '', superOptions = ''] = filesystem.split(' ');
    const fields = mount.split(' ');
    const target = fields[TARGET_FIELD];
    if (fstype !== 'cgroup2' || target === undefined) continue;
    const options = superOptions.split(',').filter((o) => o !== 'rw' && o !== 'ro');
    if (options.includes(FLAG)) return undefined;
    const flags = (fields[OPTIONS_FIELD] ?? '').split(',').filter((o) => KEPT.has(o));
    return { source, target, fstype, flags: ['remount', ...flags], data: [...options, FLAG].join(',') };
  }
  return undefined;
}
