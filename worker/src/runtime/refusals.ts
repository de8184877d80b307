/** What runc refuses to start, as Docker's users know it, and crun starts all the same. */
import { byteString, bytesOf, resolveScoped } from '../snapshots/scoped-path.js';
import type { OciMount, OciSpec } from './oci-spec.js';
import { startFailure } from './runtime-errors.js';

/** What programs like lxcfs give containers a view of their own of. */
const REPLACEABLE = new Set(
  [
    ...['cpuinfo', 'diskstats', 'meminfo', 'stat', 'swaps', 'uptime', 'loadavg', 'slabinfo'],
    ...['net/dev', 'sys/kernel/ns_last_pid'],
  ].map((name) => `/proc/${name}`),
);
/** Of the kernel's cpu.shares. */
const [MIN_SHARES, MAX_SHARES] = [2, 262_144];

/** `mounts` are the container's own; `hasShares`: the kernel has cgroups of version 1. */
export function refuseAsRunc(spec: OciSpec, mounts: readonly OciMount[], hasShares: boolean): void {
  for (const m of mounts) refuseInProc(spec.root.path, m);
  const shares = spec.linux.resources.cpu?.shares;
  if (!hasShares || shares === undefined) return;
  if (shares < 0) refuse(`failed to write ${shares} to cpu.shares: invalid argument`);
  if (shares < MIN_SHARES) refuse(`the minimum allowed cpu-shares is ${MIN_SHARES}`);
  if (shares > MAX_SHARES) refuse(`the maximum allowed cpu-shares is ${MAX_SHARES}`);
}

function refuseInProc(rootfs: string, { source = '', destination }: OciMount): void {
  const inside = resolveScoped(byteString(rootfs), byteString(destination), { followLast: true });
  const target = `/${bytesOf(inside).toString('utf8')}`;
  if (!target.startsWith('/proc/') || REPLACEABLE.has(target)) return;
  const why = `${JSON.stringify(target)} cannot be mounted because it is inside /proc`;
  refuse(`error mounting ${JSON.stringify(source)} to rootfs at ${JSON.stringify(destination)}: ${why}`);
}

function refuse(why: string): never {
  throw startFailure(`unable to start container process: error during container init: ${why}`).error;
}
