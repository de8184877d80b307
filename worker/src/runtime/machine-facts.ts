/** What the container configuration needs to know about this machine; read from /proc, /sys and /dev. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { findProgram, isExecutable, SwarmtsError } from '@swarmts/lib';
import type { MachineLimits } from '../engine/check-settings.js';
import { availableCapabilities } from './capabilities.js';
import { type CgroupVersion, cgroupVersion, type LimitSupport, limitSupport } from './limit-support.js';
import { readMounts } from './mountinfo.js';
import type { OciDevice } from './oci-spec.js';
import { type LabelSupport, labelSupport } from './security-labels.js';
import { textOf } from './text-of.js';

export interface MachineFacts {
  readonly capabilities: readonly string[];
  readonly ownOomScoreAdj: number;
  readonly mayLowerOomScore: boolean;
  readonly cgroupVersion: CgroupVersion;
  readonly support: LimitSupport;
  /** What the kernel knows of security labels. */
  readonly labels: LabelSupport;
  readonly limits: MachineLimits;
}

/** Where distributions put a static init for containers. */
const INIT_CANDIDATES = [
  '/usr/bin/docker-init',
  '/usr/libexec/docker/docker-init',
  '/usr/bin/tini-static',
  '/usr/bin/catatonit',
  '/usr/libexec/podman/catatonit',
];
const SKIPPED_DEVICE_DIRS = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.udev']);
const MAX_DEVICE_DEPTH = 3;

export function machineFacts(): MachineFacts {
  const capabilities = availableCapabilities();
  const mounts = readMounts();
  return {
    capabilities,
    ownOomScoreAdj: Number(readFileSync('/proc/self/oom_score_adj', 'utf8')),
    mayLowerOomScore: capabilities.includes('CAP_SYS_RESOURCE'),
    cgroupVersion: cgroupVersion(mounts),
    support: limitSupport(mounts),
    labels: labelSupport(),
    limits: {
      cpus: availableParallelism(),
      cpuList: textOf('/sys/devices/system/cpu/online') || '0',
      memoryNodes: textOf('/sys/devices/system/node/online') || '0',
    },
  };
}

/** The path of a program that has to be there. Throws 'failed-precondition' with how to install it. */
export function requireProgram(name: string, debianPackage: string): string {
  const program = findProgram(name);
  if (program) return program;
  throw new SwarmtsError('failed-precondition', `${name} was not found; install it with: apt install ${debianPackage}`);
}

/** The init that `init: true` puts in front of the command. */
export function findInit(configured: string | undefined): string {
  const found = (configured ? [configured] : INIT_CANDIDATES).find(isExecutable);
  if (found) return found;
  const tried = configured ?? INIT_CANDIDATES.join(', ');
  throw new SwarmtsError(
    'failed-precondition',
    `no init for containers (tried ${tried}); install it with: apt install tini`,
  );
}

/** Every device node of the host, for privileged containers. */
export function hostDevices(directory = '/dev', depth = 0): OciDevice[] {
  if (depth > MAX_DEVICE_DEPTH) return [];
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    const s = lstatSync(path, { throwIfNoEntry: false });
    if (!s || SKIPPED_DEVICE_DIRS.has(name) || path === '/dev/console') return [];
    if (s.isDirectory()) return hostDevices(path, depth + 1);
    if (!s.isCharacterDevice() && !s.isBlockDevice()) return [];
    const { major, minor } = deviceNumbers(s.rdev);
    const type = s.isBlockDevice() ? 'b' : 'c';
    return [{ path, type, major, minor, fileMode: s.mode & 0o777, uid: s.uid, gid: s.gid }];
  });
}

/** glibc's encoding, as long as it fits into a JavaScript number. */
export function deviceNumbers(rdev: number): { major: number; minor: number } {
  const d = BigInt(rdev);
  const major = Number(((d >> 8n) & 0xfffn) | ((d >> 32n) & ~0xfffn));
  const minor = Number((d & 0xffn) | ((d >> 12n) & ~0xffn & 0xffffffffn));
  return { major, minor };
}
