/**
 * HostConfig of a container that is inspected. What the engine was told is told of every container in the same way, whoever has
 * made it; only what can be said in several ways is shown as the client said it.
 */
import { Mount, MountType } from '@swarmts/proto';
import type { ContainerMountWish, ContainerSummary, GivenConfig } from '../backend.js';
import type { ContainerLimits, Throttle } from '../container-limits.js';
import { JsonObject } from '../json/object.js';
import { omitEmpty } from '../json/write.js';
import { networkModeJson, portMapJson } from './container.js';
import { linkJson } from './container-link.js';
import { securityOptions } from './container-security.js';
import { mountJson } from './container-spec.js';

const DEFAULT_SHM_BYTES = 64 << 20;

export function hostConfigJson(c: ContainerSummary): Record<string, unknown> {
  const { settings: s } = c;
  return {
    ...(c.given ? givenForms(c.given) : ownForms(c)),
    LogConfig: { Type: c.logDriver, Config: s.log?.options ?? {} },
    NetworkMode: networkModeJson(c),
    RestartPolicy: { Name: c.restart.name, MaximumRetryCount: c.restart.maxRetries },
    AutoRemove: s.autoRemove ?? false,
    VolumesFrom: orNull(s.volumesFrom),
    ConsoleSize: [s.consoleSize?.rows ?? 0, s.consoleSize?.columns ?? 0],
    ...omitEmpty({ Annotations: s.annotations }),
    CapAdd: orNull(s.capAdd),
    CapDrop: orNull(s.capDrop),
    CgroupnsMode: s.cgroupnsMode || 'private',
    Dns: s.dns?.servers ?? [],
    DnsOptions: s.dns?.options ?? [],
    DnsSearch: s.dns?.search ?? [],
    ExtraHosts: orNull(s.extraHosts?.flatMap(addedHosts)),
    GroupAdd: orNull(s.groups),
    IpcMode: s.ipcMode || 'private',
    Cgroup: '',
    Links: orNull(c.links.map((l) => linkJson(c.name, l))),
    PidMode: s.pidMode ?? '',
    Privileged: s.privileged ?? false,
    ReadonlyRootfs: s.readOnlyRootfs ?? false,
    UTSMode: s.utsMode ?? '',
    UsernsMode: s.usernsMode ?? '',
    ShmSize: s.shmSizeBytes ?? DEFAULT_SHM_BYTES,
    ...omitEmpty({ Sysctls: s.sysctls }),
    Runtime: c.runtime,
    CgroupParent: s.cgroupParent ?? '',
    Devices: (s.devices ?? []).map((d) => ({
      PathOnHost: d.hostPath,
      PathInContainer: d.containerPath,
      CgroupPermissions: d.permissions,
    })),
    DeviceCgroupRules: orNull(s.deviceRules),
    ...limitsJson(s.resources ?? {}),
    MaskedPaths: c.maskedPaths ?? null,
    ReadonlyPaths: c.readonlyPaths ?? null,
    ...(s.init === undefined ? {} : { Init: s.init }),
  };
}

/** What clients can say in several ways, or of what the engine keeps less than they say. */
const FORMS = {
  Binds: null,
  ContainerIDFile: '',
  // What was asked for: whoever makes the container again is not to insist on the ports that were free this time.
  PortBindings: {},
  VolumeDriver: '',
  PublishAllPorts: false,
  SecurityOpt: null,
  Isolation: '',
  DeviceRequests: null,
};
const OPTIONAL_FORMS = ['Mounts', 'Tmpfs', 'StorageOpt'] as const;

function givenForms({ hostConfig }: GivenConfig): Record<string, unknown> {
  const given = new JsonObject(hostConfig);
  const forms = Object.entries(FORMS).map(([name, otherwise]) => [name, nonEmpty(given.raw(name)) ?? otherwise]);
  return {
    ...Object.fromEntries(forms),
    ...omitEmpty(Object.fromEntries(OPTIONAL_FORMS.map((name) => [name, given.raw(name)]))),
  };
}

/** Clients send empty lists for what they do not set. */
function nonEmpty(v: unknown): unknown {
  return Array.isArray(v) && v.length === 0 ? undefined : v;
}

/** Of a container that no client has made. */
function ownForms(c: ContainerSummary): Record<string, unknown> {
  const { mounts = [], cdiDevices = [] } = c.settings;
  return {
    ...FORMS,
    PortBindings: portMapJson(c.ports),
    SecurityOpt: orNull(securityOptions(c.settings)),
    DeviceRequests: cdiDevices.length === 0 ? null : [cdiRequest(cdiDevices)],
    ...omitEmpty({ Mounts: mounts.flatMap((m) => (m.type === 'image' ? [] : [mountJson(mountOfSpec(m, m.type))])) }),
  };
}

function cdiRequest(names: readonly string[]): Record<string, unknown> {
  return { Driver: 'cdi', Count: 0, DeviceIDs: names, Capabilities: null, Options: null };
}

const MOUNT_TYPES = { bind: MountType.BIND, volume: MountType.VOLUME, tmpfs: MountType.TMPFS };

/** Tasks have no mounts of images. */
function mountOfSpec(m: ContainerMountWish, type: keyof typeof MOUNT_TYPES): Mount {
  return Mount.create({
    type: MOUNT_TYPES[type],
    source: m.source,
    target: m.target,
    readOnly: m.readOnly,
    bindPropagation: m.propagation ?? '',
    bindNonRecursive: m.bindNonRecursive ?? false,
    bindReadOnlyNonRecursive: m.bindReadOnlyNonRecursive ?? false,
    bindReadOnlyForceRecursive: m.bindReadOnlyForceRecursive ?? false,
    bindCreateMountpoint: m.bindCreateSource ?? false,
    volumeNoCopy: m.volumeNoCopy ?? false,
    volumeLabels: m.volumeLabels ?? {},
    volumeSubpath: m.volumeSubpath ?? '',
    volumeDriver: m.volumeDriver ?? '',
    volumeDriverOptions: m.volumeOptions ?? {},
    tmpfsSizeBytes: m.tmpfsSizeBytes ?? 0,
    tmpfsMode: m.tmpfsMode ?? 0,
    tmpfsOptions: m.tmpfsOptions ?? [],
  });
}

/** A line of /etc/hosts, or "name:address" already, in the notation of --add-host: one for each name. */
function addedHosts(line: string): string[] {
  const [address = '', ...names] = line.trim().split(/\s+/);
  return names.length === 0 ? [address] : names.map((name) => `${name}:${address}`);
}

function limitsJson(r: Partial<ContainerLimits>): Record<string, unknown> {
  const memory = r.memoryBytes ?? 0;
  const swap = r.memorySwapBytes ?? 0;
  return {
    NanoCpus: r.nanoCpus ?? 0,
    CpuShares: r.cpuShares ?? 0,
    CpuPeriod: r.cpuPeriodUs ?? 0,
    CpuQuota: r.cpuQuotaUs ?? 0,
    CpuRealtimePeriod: 0,
    CpuRealtimeRuntime: 0,
    CpusetCpus: r.cpusetCpus ?? '',
    CpusetMems: r.cpusetMems ?? '',
    CpuCount: 0,
    CpuPercent: 0,
    IOMaximumIOps: 0,
    IOMaximumBandwidth: 0,
    Memory: memory,
    MemoryReservation: r.memoryReservationBytes ?? 0,
    MemorySwap: swap === 0 ? memory * 2 : swap,
    MemorySwappiness: r.memorySwappiness ?? null,
    OomKillDisable: r.oomKillDisable ?? null,
    OomScoreAdj: r.oomScoreAdj ?? 0,
    PidsLimit: r.pidsLimit ? r.pidsLimit : null,
    Ulimits: orNull((r.ulimits ?? []).map((u) => ({ Name: u.name, Soft: u.soft, Hard: u.hard }))),
    BlkioWeight: r.blkioWeight ?? 0,
    BlkioWeightDevice: throttlesJson(r.blkioWeightDevice, 'Weight'),
    BlkioDeviceReadBps: throttlesJson(r.blkioReadBps, 'Rate'),
    BlkioDeviceWriteBps: throttlesJson(r.blkioWriteBps, 'Rate'),
    BlkioDeviceReadIOps: throttlesJson(r.blkioReadIops, 'Rate'),
    BlkioDeviceWriteIOps: throttlesJson(r.blkioWriteIops, 'Rate'),
  };
}

function throttlesJson(throttles: readonly Throttle[] = [], field: string): Record<string, unknown>[] {
  return throttles.map(({ path, value }) => ({ Path: path, [field]: value }));
}

function orNull<T>(list: readonly T[] = []): readonly T[] | null {
  return list.length === 0 ? null : list;
}
