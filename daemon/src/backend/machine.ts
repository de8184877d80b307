/** Facts about the machine: kernel, operating system, cgroups, and what is missing to run containers. */
import { existsSync } from 'node:fs';
import { arch, availableParallelism, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { DoctorCheck } from '@swarmts/api';
import { findProgram } from '@swarmts/lib';
import type { HiddenListener } from '@swarmts/netplugins';
import { type LabelSupport, type RuntimeVersion, textOf } from '@swarmts/worker';

export interface MachineFacts {
  readonly kernelVersion: string;
  readonly operatingSystem: string;
  /** As `uname -m` says. */
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly cgroupVersion: '1' | '2';
}

const MACHINE_NAMES: Readonly<Record<string, string>> = { x64: 'x86_64', arm64: 'aarch64' };

export function machineFacts(): MachineFacts {
  return {
    kernelVersion: release(),
    operatingSystem: osName(),
    architecture: MACHINE_NAMES[arch()] ?? arch(),
    cpus: availableParallelism(),
    memoryBytes: totalmem(),
    cgroupVersion: existsSync('/sys/fs/cgroup/cgroup.controllers') ? '2' : '1',
  };
}

function osName(): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(textOf('/etc/os-release'))?.[1] ?? 'Linux';
}

/** By the number that statfs(2) gives (linux/magic.h), under the names that Docker has for them. */
const FILESYSTEMS: ReadonlyMap<number, string> = new Map([
  [0xef53, 'extfs'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0xf2f52010, 'f2fs'],
  [0x01021994, 'tmpfs'],
  [0x2fc12fc1, 'zfs'],
  [0x6969, 'nfs'],
  [0x794c7630, 'overlayfs'],
]);

export function filesystemName(type: number): string {
  return FILESYSTEMS.get(type) ?? '<unknown>';
}

/** What a node needs, one line each, with the way to get it. */
export function diagnose(
  runtime: string,
  version: RuntimeVersion | undefined,
  labels: LabelSupport,
): readonly DoctorCheck[] {
  return [
    check('root', process.getuid?.() === 0, 'the daemon runs as root', 'start swarmtsd as root'),
    kernelCheck(),
    cgroupCheck(),
    programCheck('OCI runtime', runtime, 'apt-get install crun'),
    ...(version ? [escapeCheck(version)] : []),
    programCheck('conmon', 'conmon', 'apt-get install conmon'),
    libraryCheck('libnftables.so.1', 'apt-get install libnftables1'),
    overlayCheck(),
    ...appArmorCheck(labels),
  ];
}

/** What a program of the node listens to, and does not get because a service publishes the port. */
export function publishedPortsCheck(hidden: readonly HiddenListener[]): DoctorCheck {
  const each = hidden.map(
    ({ port, protocol, service, program }) =>
      `${port}/${protocol} goes to service ${service}, not to ${program || 'the program of this node'} that listens to it`,
  );
  const detail = each.join('; ') || 'none hides a port that a program of this node listens to';
  return check('published ports', hidden.length === 0, detail, 'let the program or the service have another port');
}

/** A build of a distribution is judged by its changelog, not by its number. */
function escapeCheck({ version, escapes, distribution }: RuntimeVersion): DoctorCheck {
  const open = escapes.length > 0;
  const names = escapes.join(', ');
  const detail = !open
    ? `${version}, no escape is known`
    : distribution
      ? `${version}, a build of the distribution; the plain version is open to ${names}`
      : `${version} is open to ${names}`;
  return check('OCI runtime version', !open || distribution, detail, 'upgrade the OCI runtime');
}

/** For `info`: what an operator should know before trusting the isolation of containers. */
export function escapeWarnings(version: RuntimeVersion | undefined): readonly string[] {
  if (!version || version.escapes.length === 0 || version.distribution) return [];
  return [`The OCI runtime ${version.version} lets containers escape: ${version.escapes.join(', ')}`];
}

/** A kernel without AppArmor lacks nothing. */
function appArmorCheck({ apparmor, defaultProfile }: LabelSupport): readonly DoctorCheck[] {
  if (!apparmor) return [];
  const isThere = defaultProfile !== undefined;
  const detail = isThere ? `containers are confined by ${defaultProfile}` : NO_PARSER;
  return [check('AppArmor', isThere, detail, 'apt-get install apparmor, and start swarmtsd again')];
}

const NO_PARSER = 'AppArmor is enabled, but apparmor_parser was not found: containers are not confined by it';

/** For `info`, in the same cases. */
export function appArmorWarnings({ apparmor, defaultProfile }: LabelSupport): readonly string[] {
  return apparmor && defaultProfile === undefined ? [NO_PARSER] : [];
}

function check(name: string, ok: boolean, detail: string, fix: string): DoctorCheck {
  return { name, ok, detail, fix: ok ? '' : fix };
}

function kernelCheck(): DoctorCheck {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const ok = major > 5 || (major === 5 && minor >= 10);
  return check('kernel', ok, `Linux ${release()}`, 'swarmts needs Linux 5.10 or newer: upgrade the kernel');
}

function cgroupCheck(): DoctorCheck {
  const v2 = existsSync('/sys/fs/cgroup/cgroup.controllers');
  const v1 = existsSync('/sys/fs/cgroup/memory') && existsSync('/sys/fs/cgroup/cpu');
  const detail = v2 ? 'cgroup v2' : v1 ? 'cgroup v1' : 'no cgroup controllers for memory and cpu';
  return check(
    'cgroups',
    v2 || v1,
    detail,
    'mount the cgroup file systems: apt-get install cgroupfs-mount, or boot with systemd',
  );
}

function programCheck(name: string, program: string, fix: string): DoctorCheck {
  const path = findProgram(program);
  return check(name, path !== undefined, path ?? `${program} was not found`, fix);
}

function libraryCheck(name: string, fix: string): DoctorCheck {
  const folders = [
    '/lib/x86_64-linux-gnu',
    '/usr/lib/x86_64-linux-gnu',
    '/lib/aarch64-linux-gnu',
    '/usr/lib/aarch64-linux-gnu',
    '/usr/lib64',
    '/lib64',
    '/usr/lib',
  ];
  const found = folders.map((f) => join(f, name)).find((p) => existsSync(p));
  return check('nftables', found !== undefined, found ?? `${name} was not found`, fix);
}

export interface KernelFiles {
  readonly proc: string;
  readonly sys: string;
  /** Where the modules of the running kernel are. */
  readonly modules: string;
}

const KERNEL_FILES: KernelFiles = { proc: '/proc', sys: '/sys', modules: join('/lib/modules', release()) };

/** The kernel loads the module by itself when the first container mounts its root: it need not be there before. */
export function overlayCheck({ proc, sys, modules }: KernelFiles = KERNEL_FILES): DoctorCheck {
  const lists = (file: string, line: RegExp) => line.test(textOf(file));
  const isThere = lists(join(proc, 'filesystems'), /\boverlay$/m) || existsSync(join(sys, 'module/overlay'));
  const comes =
    lists(join(modules, 'modules.dep'), /\/overlay\.ko\S*:/m) ||
    lists(join(modules, 'modules.builtin'), /\/overlay\.ko$/m);
  const detail = isThere ? 'available' : comes ? 'available, a module that is not loaded yet' : 'the kernel has none';
  return check('overlayfs', isThere || comes, detail, 'install a kernel that has overlayfs (CONFIG_OVERLAY_FS)');
}
