/** Mounting: the MS_* flags by name, mount(2) and lazy unmount. */
import { SystemCallError } from './errors.js';
import { MNT_DETACH, mount as mountCall, umount2 } from './ffi.js';

export const MS_BIND = 0x1000;
const MS_REC = 0x4000;
const MS_UNBINDABLE = 1 << 17;
const MS_PRIVATE = 1 << 18;
const MS_SLAVE = 1 << 19;
const MS_SHARED = 1 << 20;

/** mount(2) flags by the names that mount(8) uses. */
export const mountFlags: Readonly<Record<string, number>> = {
  ro: 0x1,
  nosuid: 0x2,
  nodev: 0x4,
  noexec: 0x8,
  sync: 0x10,
  remount: 0x20,
  dirsync: 0x80,
  noatime: 0x400,
  nodiratime: 0x800,
  bind: MS_BIND,
  move: 0x2000,
  rec: MS_REC,
  silent: 0x8000,
  unbindable: MS_UNBINDABLE,
  runbindable: MS_UNBINDABLE | MS_REC,
  private: MS_PRIVATE,
  rprivate: MS_PRIVATE | MS_REC,
  slave: MS_SLAVE,
  rslave: MS_SLAVE | MS_REC,
  shared: MS_SHARED,
  rshared: MS_SHARED | MS_REC,
  relatime: 1 << 21,
  strictatime: 1 << 24,
};

const PROPAGATION = MS_UNBINDABLE | MS_PRIVATE | MS_SLAVE | MS_SHARED;
const RESTRICTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x400 | 0x800;

export interface Mount {
  readonly source: string;
  readonly target: string;
  readonly fstype: string;
  readonly flags?: readonly string[];
  readonly data?: string;
}

export interface MountStep {
  readonly source: string;
  readonly fstype: string | null;
  readonly flags: number;
  readonly data: string | null;
}

/**
 * The mount(2) calls that a mount takes: the kernel ignores restrictions on the call that binds, and wants propagation in
 * a call of its own, so a read-only private bind is three calls.
 */
export function planMount(mount: Mount): MountStep[] {
  let flags = 0;
  for (const name of mount.flags ?? []) {
    const flag = mountFlags[name];
    if (flag === undefined) throw new TypeError(`unknown mount flag ${JSON.stringify(name)}`);
    flags |= flag;
  }
  const { source } = mount;
  const propagation = flags & PROPAGATION;
  const rest = flags & ~PROPAGATION;
  const steps: MountStep[] = [];
  const bind = (rest & MS_BIND) !== 0;
  const remount = (rest & 0x20) !== 0;
  if (bind && !remount) {
    steps.push({ source, fstype: null, flags: rest & (MS_BIND | MS_REC), data: null });
    if ((rest & RESTRICTIONS) !== 0) {
      steps.push({ source, fstype: null, flags: (rest & RESTRICTIONS) | MS_BIND | 0x20, data: null });
    }
  } else if (propagation === 0 || (rest & ~MS_REC) !== 0 || mount.fstype !== '') {
    const own = propagation === 0 ? rest : rest & ~MS_REC;
    steps.push({ source, fstype: mount.fstype === '' ? null : mount.fstype, flags: own, data: mount.data ?? null });
  }
  if (propagation !== 0) {
    steps.push({ source: 'none', fstype: null, flags: propagation | (flags & MS_REC), data: null });
  }
  return steps;
}

/** Mounts, in as many calls as it takes. When a later call fails, the mount of the first one is taken away again. */
export function mount(spec: Mount): void {
  const steps = planMount(spec);
  let mounted = false;
  try {
    for (const step of steps) {
      mountCall(step.source, spec.target, step.fstype, step.flags, step.data);
      if ((step.flags & (0x20 | PROPAGATION)) === 0) mounted = true;
    }
  } catch (e) {
    if (mounted) umount2(spec.target, MNT_DETACH);
    throw e;
  }
}

/** Lazy unmount. Returns false when nothing was mounted there or there is no such path. */
export function unmount(target: string): boolean {
  try {
    umount2(target, MNT_DETACH);
    return true;
  } catch (e) {
    if (e instanceof SystemCallError && (e.code === 'EINVAL' || e.code === 'ENOENT')) return false;
    throw e;
  }
}
