/**
 * Writes the OCI config.json of a container: Docker's defaults (mounts, masked paths, capabilities, seccomp, devices) changed by
 * what its configuration asks for. Pure: everything it needs from the machine comes in.
 */
import type { ContainerConfig, ContainerResources, Throttle } from '../engine/container-config.js';
import { numbersOf } from './devices.js';
import type {
  LinuxSeccomp,
  OciBlockIo,
  OciDevice,
  OciDeviceRule,
  OciHook,
  OciMount,
  OciProcess,
  OciResources,
  OciSpec,
} from './oci-spec.js';
import { type ContainerUserns, idMappingsOf, pingGroups, usernsNamespace } from './oci-userns.js';
import { defaultSeccomp } from './seccomp-profile.js';
import { type LabelSupport, mountLabel, securityLabels } from './security-labels.js';
import { thermalPaths } from './thermal-paths.js';
import { isPropagation } from './tmpfs-options.js';
import type { ResolvedUser } from './user-lookup.js';

export type NetworkNamespace =
  | { readonly kind: 'host' }
  | { readonly kind: 'private' }
  | { readonly kind: 'path'; readonly path: string };

export interface OciConfigInput {
  readonly config: ContainerConfig;
  readonly rootfs: string;
  /** Entrypoint and command together. */
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: ResolvedUser;
  readonly hostname: string;
  /** User mounts with host paths, and the /etc files. */
  readonly mounts: readonly OciMount[];
  readonly network: NetworkNamespace;
  readonly cgroupsPath: string;
  readonly capabilities: readonly string[];
  /** The oom_score_adj of this process: without CAP_SYS_RESOURCE it cannot be undercut. */
  readonly ownOomScoreAdj: number;
  readonly mayLowerOomScore: boolean;
  /** Whether the kernel accounts swap (v1: memory.memsw.* exists). */
  readonly swapAccounting: boolean;
  /** Devices of the host: all for privileged containers, else those that were asked for. */
  readonly hostDevices: readonly OciDevice[];
  readonly deviceRules?: readonly OciDeviceRule[];
  /** Namespaces to join instead of own ones, by their OCI name; '' is the host's. */
  readonly sharedNamespaces?: Readonly<Record<string, string>>;
  readonly seccomp?: LinuxSeccomp;
  readonly hooks?: Readonly<Record<string, readonly OciHook[]>>;
  /** What the kernel knows of security labels. */
  readonly labels?: LabelSupport;
  readonly userns?: ContainerUserns | undefined;
}

const OCI_VERSION = '1.0.2';
export const DEFAULT_SHM_BYTES = 64 << 20;
/** No kernel has more; the runtimes differ in what stands for no limit. */
const MOST_PROCESSES = 4_194_304;
/** The least that the kernel takes. */
const MIN_QUOTA_US = 1000;
const CPU_PERIOD_US = 100_000;
const NANO_CPUS = 1e9;

const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** Of /proc and /sys: what a container does not see, and what it only reads; absent with all privileges, unless it names some. */
export function systemPaths(config: ContainerConfig): Pick<ContainerConfig, 'maskedPaths' | 'readonlyPaths'> {
  const defaults = config.privileged
    ? {}
    : { maskedPaths: [...MASKED_PATHS, ...thermalPaths()], readonlyPaths: READONLY_PATHS };
  const { maskedPaths = defaults.maskedPaths, readonlyPaths = defaults.readonlyPaths } = config;
  return { ...(maskedPaths ? { maskedPaths } : {}), ...(readonlyPaths ? { readonlyPaths } : {}) };
}

export function ociConfig(input: OciConfigInput): OciSpec {
  const { config } = input;
  const privileged = config.privileged ?? false;
  const shared = input.sharedNamespaces ?? {};
  const confined = !privileged && !(config.seccompUnconfined ?? false);
  return {
    ociVersion: OCI_VERSION,
    process: processOf(input),
    root: { path: input.rootfs, readonly: config.readOnlyRootfs ?? false },
    ...(shared.uts !== undefined ? {} : { hostname: input.hostname }),
    mounts: mountsOf(input),
    ...(config.annotations && Object.keys(config.annotations).length > 0 ? { annotations: config.annotations } : {}),
    ...(input.hooks && Object.keys(input.hooks).length > 0 ? { hooks: input.hooks } : {}),
    linux: {
      namespaces: [...usernsNamespace(input.userns), ...namespacesOf(input.network, shared)],
      ...idMappingsOf(input.userns),
      cgroupsPath: input.cgroupsPath,
      resources: resourcesOf(config.resources, privileged, input.swapAccounting, input.deviceRules),
      ...(input.hostDevices.length > 0 ? { devices: input.hostDevices } : {}),
      sysctl: sysctlsOf(input),
      ...(confined ? { seccomp: input.seccomp ?? defaultSeccomp(input.capabilities) } : {}),
      maskedPaths: [],
      readonlyPaths: [],
      ...systemPaths(config),
      ...propagationOf(config),
      ...mountLabelOf(input),
    },
  };
}

/** Also what a process that is started in the container later gets. */
export function processOf(input: OciConfigInput): OciProcess {
  const { config, capabilities, user } = input;
  // Without a word of it the process would inherit the daemon's, which is to outlive what it runs.
  const score = config.resources.oomScoreAdj ?? 0;
  const scoreAllowed = input.mayLowerOomScore || score >= input.ownOomScoreAdj;
  const rlimits = (config.resources.ulimits ?? []).map((u) => ({
    type: `RLIMIT_${u.name.toUpperCase()}`,
    soft: u.soft,
    hard: u.hard,
  }));
  return {
    terminal: config.tty ?? false,
    ...(config.tty && config.consoleSize
      ? { consoleSize: { height: config.consoleSize.rows, width: config.consoleSize.columns } }
      : {}),
    user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids },
    args: input.args,
    env: withoutEmptyHome(input.env),
    cwd: input.cwd,
    capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
    ...(rlimits.length > 0 ? { rlimits } : {}),
    noNewPrivileges: config.noNewPrivileges ?? false,
    ...(scoreAllowed ? { oomScoreAdj: score } : {}),
    ...(input.labels ? securityLabels(config, input.labels) : {}),
  };
}

/** As runc has it, which puts the user's home in its place; crun does so where there is none. */
export function withoutEmptyHome(env: readonly string[]): readonly string[] {
  return env.filter((e) => e !== 'HOME=');
}

/** A mount of the user replaces a default one at the same place; parents are mounted before what lies in them. */
function mountsOf(input: OciConfigInput): OciMount[] {
  const taken = new Set(input.mounts.map((m) => m.destination));
  if (input.config.ipcMode === 'none') taken.add('/dev/shm');
  const defaults = defaultMounts(input).filter((m) => !taken.has(m.destination));
  const own = input.mounts.toSorted((a, b) => depth(a.destination) - depth(b.destination));
  return [...defaults, ...own];
}

function defaultMounts(input: OciConfigInput): OciMount[] {
  const privileged = input.config.privileged ?? false;
  const kernelFs = ['nosuid', 'noexec', 'nodev'];
  const sysAccess = privileged ? 'rw' : 'ro';
  const shmSize = input.config.shmSizeBytes ?? DEFAULT_SHM_BYTES;
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: kernelFs },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...kernelFs, sysAccess] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [...kernelFs, sysAccess] },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: kernelFs },
    { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: [...kernelFs, 'mode=1777', `size=${shmSize}`] },
  ];
}

function namespacesOf(
  network: NetworkNamespace,
  shared: Readonly<Record<string, string>>,
): { type: string; path?: string }[] {
  const own = ['mount', 'pid', 'ipc', 'uts', 'cgroup'].flatMap((type) => {
    const path = shared[type];
    if (path === undefined) return [{ type }];
    return path === '' ? [] : [{ type, path }];
  });
  if (network.kind === 'host') return own;
  return [...own, network.kind === 'path' ? { type: 'network', path: network.path } : { type: 'network' }];
}

function mountLabelOf({ config, labels }: OciConfigInput): { mountLabel?: string } {
  const label = labels ? mountLabel(config, labels) : '';
  return label === '' ? {} : { mountLabel: label };
}

function sysctlsOf(input: OciConfigInput): Record<string, string> {
  const { config } = input;
  return {
    // What another container shares is as that one has it.
    ...(input.network.kind === 'host' || config.networkContainer !== undefined
      ? {}
      : { 'net.ipv4.ip_unprivileged_port_start': '0', 'net.ipv4.ping_group_range': pingGroups(input.userns) }),
    ...(config.domainname ? { 'kernel.domainname': config.domainname } : {}),
    ...config.sysctls,
  };
}

export function resourcesOf(
  r: ContainerResources,
  privileged: boolean,
  swapAccounting: boolean,
  rules: readonly OciDeviceRule[] = [],
): OciResources {
  const quota = r.cpuQuotaUs || quotaOfCpus(r.nanoCpus);
  const cpu = {
    ...(r.cpuShares ? { shares: r.cpuShares } : {}),
    ...(r.nanoCpus > 0 ? { period: CPU_PERIOD_US } : {}),
    ...(r.cpuPeriodUs ? { period: r.cpuPeriodUs } : {}),
    // crun cannot write -1: a group begins without a quota, and `liftCpuQuota` takes one away.
    ...(quota > 0 ? { quota } : {}),
    ...(r.cpusetCpus ? { cpus: r.cpusetCpus } : {}),
    ...(r.cpusetMems ? { mems: r.cpusetMems } : {}),
  };
  const memory = {
    ...(r.memoryBytes > 0 ? { limit: r.memoryBytes } : {}),
    ...(r.memoryReservationBytes > 0 ? { reservation: r.memoryReservationBytes } : {}),
    ...(r.memoryBytes > 0 && swapAccounting ? { swap: swapOf(r) } : {}),
    ...(r.memorySwappiness === undefined ? {} : { swappiness: r.memorySwappiness }),
    ...(r.oomKillDisable ? { disableOOMKiller: true } : {}),
  };
  const blockIO = blockIoOf(r);
  return {
    devices: privileged ? [{ allow: true, access: 'rwm' }] : [...DEVICE_RULES, ...rules],
    ...(Object.keys(cpu).length > 0 ? { cpu } : {}),
    ...(Object.keys(memory).length > 0 ? { memory } : {}),
    ...(r.pidsLimit > 0 ? { pids: { limit: r.pidsLimit } } : {}),
    ...(Object.keys(blockIO).length > 0 ? { blockIO } : {}),
  };
}

/** 0 for no limit. */
function quotaOfCpus(nanoCpus: number): number {
  return nanoCpus > 0 ? Math.max(MIN_QUOTA_US, Math.round((nanoCpus * CPU_PERIOD_US) / NANO_CPUS)) : 0;
}

/** For a container that runs: rules of devices stay as they are, and a limit of processes that was taken away has to be said. */
export function changedLimits(
  before: ContainerResources,
  after: ContainerResources,
  swapAccounting: boolean,
): Omit<OciResources, 'devices'> {
  const { devices: _devices, ...limits } = resourcesOf(after, false, swapAccounting);
  const taken = before.pidsLimit > 0 && after.pidsLimit <= 0;
  return { ...limits, ...(taken ? { pids: { limit: MOST_PROCESSES } } : {}) };
}

function blockIoOf(r: ContainerResources): OciBlockIo {
  const rates = (throttles: readonly Throttle[] | undefined) =>
    numbersOf(throttles).map(({ major, minor, value }) => ({ major, minor, rate: value }));
  const weights = numbersOf(r.blkioWeightDevice).map(({ major, minor, value }) => ({ major, minor, weight: value }));
  const all = {
    throttleReadBpsDevice: rates(r.blkioReadBps),
    throttleWriteBpsDevice: rates(r.blkioWriteBps),
    throttleReadIOPSDevice: rates(r.blkioReadIops),
    throttleWriteIOPSDevice: rates(r.blkioWriteIops),
    weightDevice: weights,
  };
  const named = Object.fromEntries(Object.entries(all).filter(([, v]) => v.length > 0));
  return { ...(r.blkioWeight ? { weight: r.blkioWeight } : {}), ...named };
}

function swapOf(r: ContainerResources): number {
  const swap = r.memorySwapBytes ?? 0;
  return swap === 0 ? r.memoryBytes * 2 : swap;
}

/** Nothing, except making nodes (not using them) and the harmless devices. */
const DEVICE_RULES: readonly OciDeviceRule[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...[
    [1, 3],
    [1, 5],
    [1, 7],
    [1, 8],
    [1, 9],
    [5, 0],
    [5, 2],
  ].map(
    ([major, minor]): OciDeviceRule => ({
      allow: true,
      type: 'c',
      major: major ?? 0,
      minor: minor ?? 0,
      access: 'rwm',
    }),
  ),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
];

/** A shared or slave bind needs a root that passes propagation on. */
function propagationOf(config: ContainerConfig): { rootfsPropagation?: string } {
  const wanted = config.mounts.map((m) => m.propagation ?? '');
  if (wanted.some((p) => p === 'shared' || p === 'rshared')) return { rootfsPropagation: 'shared' };
  // Otherwise crun takes it from every mount in the end.
  const isOnTmpfs = config.mounts.some((m) => m.tmpfsOptions?.some(isPropagation));
  if (isOnTmpfs || wanted.some((p) => p === 'slave' || p === 'rslave')) return { rootfsPropagation: 'slave' };
  return {};
}

function depth(path: string): number {
  return path.split('/').filter((p) => p !== '').length;
}
