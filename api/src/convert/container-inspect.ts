/**
 * A container as it is inspected: Docker's defaults, what the client gave when it made the container, and over both what is true now.
 * Containers of tasks were given nothing by a client: theirs is what the engine knows.
 */
import type { ContainerSummary } from '../backend.js';
import type { Throttle } from '../container-limits.js';
import { omitEmpty, timeJson } from '../json/write.js';
import { mountsJson, networkModeJson, networksJson, portMapJson } from './container.js';
import { linkJson } from './container-link.js';
import { containerDirectories } from './graph-driver.js';

export function containerInspectJson(c: ContainerSummary): Record<string, unknown> {
  const running = c.state === 'running' || c.state === 'paused' || c.state === 'restarting';
  return {
    Id: c.id,
    Created: timeJson(c.createdAtMs),
    Path: c.command[0] ?? '',
    Args: c.command.slice(1),
    State: {
      Status: c.state,
      Running: running,
      Paused: c.state === 'paused',
      Restarting: c.state === 'restarting',
      OOMKilled: c.oomKilled,
      Dead: c.state === 'dead',
      Pid: c.pid,
      ExitCode: c.exitCode,
      Error: c.error,
      StartedAt: timeJson(c.startedAtMs),
      FinishedAt: timeJson(c.finishedAtMs),
      ...(c.healthCheck ? { Health: healthJson(c) } : {}),
    },
    Image: c.imageId,
    ResolvConfPath: `${c.directory}/resolv.conf`,
    HostnamePath: `${c.directory}/hostname`,
    HostsPath: `${c.directory}/hosts`,
    LogPath: c.logPath,
    Name: `/${c.name}`,
    RestartCount: c.restartCount,
    Driver: 'overlay2',
    Platform: 'linux',
    MountLabel: c.mountLabel,
    ProcessLabel: c.selinuxLabel,
    AppArmorProfile: c.apparmorProfile,
    ExecIDs: c.execIds.length === 0 ? null : c.execIds,
    HostConfig: hostConfigJson(c),
    GraphDriver: containerDirectories(c.directory, c.layers),
    Mounts: mountsJson(c),
    Config: configJson(c),
    NetworkSettings: {
      Bridge: '',
      SandboxID: '',
      HairpinMode: false,
      LinkLocalIPv6Address: '',
      LinkLocalIPv6PrefixLen: 0,
      Ports: running ? portMapJson(c) : {},
      SandboxKey: '',
      SecondaryIPAddresses: null,
      SecondaryIPv6Addresses: null,
      EndpointID: '',
      Gateway: c.gateway,
      GlobalIPv6Address: '',
      GlobalIPv6PrefixLen: 0,
      IPAddress: c.address,
      IPPrefixLen: c.prefixLength,
      IPv6Gateway: '',
      MacAddress: c.mac,
      Networks: networksJson(c),
    },
  };
}

function healthJson({ health, healthCheck }: ContainerSummary): Record<string, unknown> {
  return {
    Status: health,
    FailingStreak: healthCheck?.failingStreak ?? 0,
    Log: (healthCheck?.log ?? []).map((p) => ({
      Start: timeJson(p.startedAtMs),
      End: timeJson(p.endedAtMs),
      ExitCode: p.exitCode,
      Output: p.output,
    })),
  };
}

function configJson(c: ContainerSummary): Record<string, unknown> {
  const exposed = Object.fromEntries(c.ports.map((p) => [`${p.targetPort}/${p.protocol}`, {}]));
  return {
    Domainname: '',
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    StdinOnce: false,
    Volumes: null,
    OnBuild: null,
    ...c.given?.config,
    Hostname: c.hostname,
    User: c.user,
    ...(Object.keys(exposed).length > 0 ? { ExposedPorts: exposed } : {}),
    Tty: c.tty,
    OpenStdin: c.openStdin,
    Env: c.env,
    Cmd: orNull(c.cmd),
    Image: c.image,
    WorkingDir: c.workingDir === '/' ? '' : c.workingDir,
    Entrypoint: orNull(c.entrypoint),
    Labels: c.labels,
    ...(c.healthCheck ? { Healthcheck: healthcheckJson(c.healthCheck.config) } : {}),
    ...(c.stopSignal === '' ? {} : { StopSignal: c.stopSignal }),
    ...(c.stopTimeoutSeconds === undefined ? {} : { StopTimeout: c.stopTimeoutSeconds }),
  };
}

function healthcheckJson(h: NonNullable<ContainerSummary['healthCheck']>['config']): Record<string, unknown> {
  return {
    Test: h.test,
    ...omitEmpty({
      Interval: h.intervalNs,
      Timeout: h.timeoutNs,
      StartPeriod: h.startPeriodNs,
      StartInterval: h.startIntervalNs,
      Retries: h.retries,
    }),
  };
}

const HOST_DEFAULTS = {
  Binds: null,
  ContainerIDFile: '',
  VolumeDriver: '',
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CgroupnsMode: 'private',
  Dns: [],
  DnsOptions: [],
  DnsSearch: [],
  ExtraHosts: null,
  GroupAdd: null,
  IpcMode: 'private',
  Cgroup: '',
  OomScoreAdj: 0,
  PidMode: '',
  PublishAllPorts: false,
  SecurityOpt: null,
  UTSMode: '',
  UsernsMode: '',
  ShmSize: 67_108_864,
  Isolation: '',
  CgroupParent: '',
  Devices: [],
  DeviceCgroupRules: null,
  DeviceRequests: null,
  Ulimits: null,
};

function hostConfigJson(c: ContainerSummary): Record<string, unknown> {
  const { resources: r, given } = c;
  const memory = r.memoryBytes ?? 0;
  const swap = r.memorySwapBytes ?? 0;
  return {
    ...HOST_DEFAULTS,
    ...withoutEmpty(given?.hostConfig ?? {}),
    LogConfig: { Type: c.logDriver, Config: logOptions(c) },
    NetworkMode: networkModeJson(c),
    // What was asked for: whoever makes the container again is not to insist on the ports that were free this time.
    PortBindings: given ? (given.hostConfig.PortBindings ?? {}) : portMapJson(c),
    Links: orNull(c.links.map((l) => linkJson(c.name, l))),
    RestartPolicy: { Name: c.restart.name, MaximumRetryCount: c.restart.maxRetries },
    AutoRemove: c.autoRemove,
    CapAdd: orNull(c.capAdd),
    CapDrop: orNull(c.capDrop),
    Privileged: c.privileged,
    ReadonlyRootfs: c.readOnlyRootfs,
    Runtime: c.runtime,
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
    PidsLimit: r.pidsLimit ? r.pidsLimit : null,
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

function logOptions(c: ContainerSummary): unknown {
  const given = c.given?.hostConfig.LogConfig;
  const config = typeof given === 'object' && given !== null && 'Config' in given ? given.Config : undefined;
  return config ?? {};
}

/** Clients send zero values for what they do not set; the defaults say what those mean. */
function withoutEmpty(o: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(o).filter(([, v]) => v !== null && v !== '' && v !== 0));
}

function orNull<T>(list: readonly T[]): readonly T[] | null {
  return list.length === 0 ? null : list;
}
