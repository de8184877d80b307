/** How the options type, device and o of a local volume become a mount. Names of servers are looked up here, as the kernel knows none. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Clock, isSwarmtsError, messageOf, SwarmtsError } from '@swarmts/lib';
import type { HelperApi, MountSpec } from '../helper/helper-api.js';
import { untilAborted } from '../images/shared-jobs.js';
import { isPropagation, oppositeOf } from '../runtime/tmpfs-options.js';
import { runChild } from '../snapshots/child-report.js';

export type VolumeOptions = Readonly<Record<string, string>>;
interface Mounter {
  readonly helper: HelperApi;
  readonly clock: Clock;
}

/** The address of a name. */
type Resolve = (name: string) => Promise<string>;

const MOUNT_MAIN = fileURLToPath(new URL('./mount-main.js', import.meta.url));
/** A server that does not answer; mount(8) gives up on NFS after as long. */
const MOUNT_TIMEOUT_MS = 2 * 60_000;
/** Nobody is waited for to mount these: the helper does it itself. */
const LOCAL_TYPES = ['none', 'bind', 'tmpfs'];

/** Mount options that are flags of mount(2), beside propagation; everything else is the file system's. */
const FLAGS = 'bind dirsync noatime nodev nodiratime noexec nosuid relatime ro strictatime sync'.split(' ');

export function needsMount(options: VolumeOptions): boolean {
  return options.device !== undefined || options.type !== undefined;
}

/** Throws SwarmtsError with what the kernel, or the look-up of a name, has said. */
export async function mountVolume({ helper, clock }: Mounter, options: VolumeOptions, target: string): Promise<void> {
  try {
    const spec = mountSpec(await withAddresses(options, resolveName), target);
    if (LOCAL_TYPES.includes(spec.fstype)) await helper.mount(spec);
    else await mountAside(helper, clock, spec);
  } catch (e) {
    const code = isSwarmtsError(e) ? e.code : 'internal';
    throw new SwarmtsError(code, `error while mounting volume '${target}': ${messageOf(e)}`, { cause: e });
  }
}

/** In a process of its own, which nobody but the volume waits for. */
async function mountAside(helper: HelperApi, clock: Clock, spec: MountSpec): Promise<void> {
  const late = new AbortController();
  const what = `${spec.source} was not mounted in ${MOUNT_TIMEOUT_MS / 1000} s`;
  const timer = clock.after(MOUNT_TIMEOUT_MS, () => late.abort(new SwarmtsError('timeout', what)));
  try {
    const done = runChild<null>(helper, MOUNT_MAIN, spec, 'failed to mount local volume', late.signal);
    // The kernel may keep the process for longer.
    await untilAborted(done, late.signal);
  } finally {
    timer.cancel();
  }
}

/** `type`, `device` and `o` as one mount. */
export function mountSpec(options: VolumeOptions, target: string): MountSpec {
  const flags = new Set<string>();
  const data: string[] = [];
  for (const part of (options.o ?? '').split(',').map((p) => p.trim())) {
    const opposite = oppositeOf(part) ?? '';
    if (part === 'rbind') for (const flag of ['bind', 'rec']) flags.add(flag);
    else if (FLAGS.includes(part) || isPropagation(part)) flags.add(part);
    else if (FLAGS.includes(opposite)) flags.delete(opposite);
    else if (part !== '' && part !== 'defaults') data.push(part);
  }
  const fstype = options.type ?? 'none';
  const source = options.device ?? fstype;
  return { source, target, fstype, flags: [...flags], ...(data.length > 0 ? { data: data.join(',') } : {}) };
}

/** With the addresses of servers in the place of their names, as Docker does it for NFS (option addr) and CIFS (device as well). */
export async function withAddresses(options: VolumeOptions, resolve: Resolve): Promise<VolumeOptions> {
  const { type = '', device = '', o = '' } = options;
  if (type !== 'nfs' && type !== 'cifs') return options;
  const name = /(?:^|,)\s*addr=([^,\s]+)/.exec(o)?.[1];
  if (name !== undefined && isIP(name) === 0)
    return { ...options, o: o.replace(`addr=${name}`, `addr=${await resolve(name)}`) };
  const [, slashes = '', host = '', path = ''] = /^((?:cifs:|smb:)?\/\/)([^/]+)(.*)$/.exec(device) ?? [];
  if (name !== undefined || type !== 'cifs' || host === '' || isIP(host) !== 0) return options;
  return { ...options, device: `${slashes}${await resolve(host)}${path}` };
}

async function resolveName(name: string): Promise<string> {
  try {
    return (await lookup(name, { verbatim: false })).address;
  } catch (e) {
    const what = `error resolving passed in network volume address: ${messageOf(e)}`;
    throw new SwarmtsError('unavailable', what, { cause: e });
  }
}
