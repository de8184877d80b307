/** /_ping, /version, /info, /system/df, /auth and swarmts' own /doctor and /metrics. */
import type { SystemInfo } from '../backend.js';
import { swarmInfoJson } from '../convert/cluster.js';
import { genericJson } from '../convert/resources.js';
import type { EventHub } from '../events/event-hub.js';
import { type ApiVersion, MAX_API_VERSION, MIN_API_VERSION, SINCE } from '../http/api-version.js';
import { json, type Reply } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';
import { diskUsage } from './disk-usage.js';

const NO_CACHE = { 'Cache-Control': 'no-cache, no-store, must-revalidate', Pragma: 'no-cache' };
const GO_ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: 'amd64', x64: 'amd64', aarch64: 'arm64' };

export function systemRoutes(c: RouteContext, hub: EventHub): Route[] {
  const ping = async (): Promise<Reply> => {
    const { localNodeState, controlAvailable } = await c.backend.swarm.info();
    const role = localNodeState === 'active' ? `/${controlAvailable ? 'manager' : 'worker'}` : '';
    const headers = {
      ...NO_CACHE,
      Swarm: `${localNodeState}${role}`,
      'Builder-Version': '1',
      'Content-Type': 'text/plain; charset=utf-8',
    };
    return { kind: 'text', status: 200, text: 'OK', contentType: 'text/plain; charset=utf-8', headers };
  };
  return [
    route('GET', '/_ping', ping),
    route('HEAD', '/_ping', ping),
    route('GET', '/version', async () => json(versionJson(c.version, await c.backend.system.info()))),
    route('GET', '/info', async (call) => {
      const [system, swarm] = await Promise.all([c.backend.system.info(), c.backend.swarm.info()]);
      const NEventsListener = hub.listenerCount;
      return json({ ...infoJson(system, c.now(), call.apiVersion), NEventsListener, Swarm: swarmInfoJson(swarm) });
    }),
    route('GET', '/system/df', async (call) => json(await diskUsage(c, call))),
    route('GET', '/swarmts/v1/doctor', async () => json({ Checks: await c.backend.system.doctor() })),
    route('GET', '/swarmts/v1/metrics', async () => ({
      kind: 'text',
      status: 200,
      text: await c.backend.system.metrics(),
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
    })),
  ];
}

function versionJson(version: string, s: SystemInfo): Record<string, unknown> {
  const arch = GO_ARCHITECTURES[s.architecture] ?? s.architecture;
  const shared = { ApiVersion: MAX_API_VERSION.join('.'), MinAPIVersion: MIN_API_VERSION.join('.') };
  return {
    Platform: { Name: 'swarmts' },
    Components: [
      {
        Name: 'Engine',
        Version: version,
        Details: {
          ...shared,
          Arch: arch,
          BuildTime: '',
          Experimental: 'false',
          GitCommit: '',
          GoVersion: '',
          KernelVersion: s.kernelVersion,
          Os: 'linux',
        },
      },
    ],
    Version: version,
    ...shared,
    GitCommit: '',
    GoVersion: '',
    Os: 'linux',
    Arch: arch,
    KernelVersion: s.kernelVersion,
    BuildTime: '',
  };
}

/** Registries there need no TLS. */
/** Registries that may not have what is not to be distributed: there are none, and newer clients do not ask. */
const NO_ARTIFACTS = { AllowNondistributableArtifactsCIDRs: null, AllowNondistributableArtifactsHostnames: null };
const LOOPBACK = '127.0.0.0/8';

const withSlash = (url: string) => (url.endsWith('/') ? url : `${url}/`);

function infoJson(s: SystemInfo, nowMs: number, [, minor]: ApiVersion): Record<string, unknown> {
  const index = (Name: string, official: boolean) => [
    Name,
    { Name, Mirrors: official ? s.registryMirrors.map(withSlash) : [], Secure: official, Official: official },
  ];
  const commit = minor >= SINCE.firewallBackend ? { ID: '' } : { ID: '', Expected: '' };
  const isSubnet = (r: string) => /\/\d+$/.test(r);
  return {
    ID: s.id,
    Containers: s.containers,
    ContainersRunning: s.running,
    ContainersPaused: s.paused,
    ContainersStopped: s.stopped,
    Images: s.images,
    Driver: 'overlay2',
    DriverStatus: [['Backing Filesystem', s.backingFilesystem]],
    Plugins: {
      Volume: ['local'],
      Network: ['bridge', 'host', 'macvlan', 'null', 'overlay'],
      Authorization: null,
      Log: ['journald', 'json-file', 'local', 'syslog'],
    },
    MemoryLimit: s.limits.memory,
    SwapLimit: s.limits.swap,
    CpuCfsPeriod: s.limits.cpuQuota,
    CpuCfsQuota: s.limits.cpuQuota,
    CPUShares: s.limits.cpuShares,
    CPUSet: s.limits.cpuset,
    PidsLimit: s.limits.pids,
    IPv4Forwarding: true,
    ...(minor < SINCE.imageConfigsOnly ? { BridgeNfIptables: true, BridgeNfIp6tables: true } : {}),
    Debug: s.debug,
    NFd: s.openFiles,
    OomKillDisable: s.limits.oomKillDisable,
    // There are none.
    NGoroutines: 0,
    SystemTime: new Date(nowMs).toISOString(),
    LoggingDriver: s.logDriver,
    CgroupDriver: s.cgroupDriver,
    CgroupVersion: s.cgroupVersion,
    KernelVersion: s.kernelVersion,
    OperatingSystem: s.operatingSystem,
    OSVersion: '',
    OSType: 'linux',
    Architecture: s.architecture,
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: {
      InsecureRegistryCIDRs: [...s.insecureRegistries.filter(isSubnet), LOOPBACK],
      IndexConfigs: Object.fromEntries([
        index('docker.io', true),
        ...s.insecureRegistries.filter((r) => !isSubnet(r)).map((r) => index(r, false)),
      ]),
      Mirrors: s.registryMirrors.map(withSlash),
      ...(minor < SINCE.firewallBackend ? NO_ARTIFACTS : {}),
    },
    NCPU: s.cpus,
    MemTotal: s.memoryBytes,
    GenericResources: s.genericResources.length > 0 ? genericJson(s.genericResources) : null,
    DockerRootDir: s.dataRoot,
    HttpProxy: s.proxies.http,
    HttpsProxy: s.proxies.https,
    NoProxy: s.proxies.none,
    Name: s.name,
    Labels: s.labels,
    ExperimentalBuild: false,
    ServerVersion: s.version,
    Runtimes: Object.fromEntries(
      s.runtimes.map((name) => [name, { path: name, ...(minor >= SINCE.severalNetworks ? { status: {} } : {}) }]),
    ),
    DefaultRuntime: s.defaultRuntime,
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: 'docker-init',
    ContainerdCommit: commit,
    RuncCommit: commit,
    InitCommit: commit,
    SecurityOptions: [
      ...s.securityModules.map((name) => `name=${name}`),
      `name=seccomp,profile=${s.seccompProfile}`,
      ...(s.mapsIds ? ['name=userns'] : []),
      ...(s.isolatesCgroups ? ['name=cgroupns'] : []),
      ...(s.noNewPrivileges ? ['name=no-new-privileges'] : []),
    ],
    ...(minor >= SINCE.severalNetworks ? { CDISpecDirs: s.cdiDirectories } : {}),
    ...(minor >= SINCE.firewallBackend ? { FirewallBackend: { Driver: 'nftables' } } : {}),
    ...(minor >= SINCE.imageConfigsOnly
      ? { DiscoveredDevices: s.cdiDevices.map((ID) => ({ Source: 'cdi', ID })) }
      : {}),
    Warnings: s.warnings,
  };
}
