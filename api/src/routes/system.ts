/** /_ping, /version, /info, /system/df, /auth and swarmts' own /doctor and /metrics. */
import type { SystemInfo } from '../backend.js';
import { swarmInfoJson } from '../convert/cluster.js';
import { containerListJson } from '../convert/container.js';
import { imageListJson } from '../convert/image.js';
import { genericJson } from '../convert/resources.js';
import { volumeJson } from '../convert/volume.js';
import { MAX_API_VERSION, MIN_API_VERSION } from '../http/api-version.js';
import { type Call, json, type Reply } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import { sizesJson } from './containers.js';
import type { RouteContext } from './context.js';

const NO_CACHE = { 'Cache-Control': 'no-cache, no-store, must-revalidate', Pragma: 'no-cache' };
const GO_ARCHITECTURES: Readonly<Record<string, string>> = { x86_64: 'amd64', x64: 'amd64', aarch64: 'arm64' };

export function systemRoutes(c: RouteContext): Route[] {
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
    route('GET', '/info', async () => {
      const [system, swarm] = await Promise.all([c.backend.system.info(), c.backend.swarm.info()]);
      return json({ ...infoJson(system, c.now()), Swarm: swarmInfoJson(swarm) });
    }),
    route('GET', '/system/df', async (call) => json(await diskUsage(c, call.apiVersion))),
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

function infoJson(s: SystemInfo, nowMs: number): Record<string, unknown> {
  const registries = s.insecureRegistries.map((name) => [
    name,
    { Name: name, Mirrors: [], Secure: false, Official: false },
  ]);
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
    BridgeNfIptables: true,
    BridgeNfIp6tables: true,
    Debug: s.debug,
    NFd: 0,
    OomKillDisable: s.limits.oomKillDisable,
    NGoroutines: 0,
    SystemTime: new Date(nowMs).toISOString(),
    LoggingDriver: s.logDriver,
    CgroupDriver: s.cgroupDriver,
    CgroupVersion: s.cgroupVersion,
    NEventsListener: 0,
    KernelVersion: s.kernelVersion,
    OperatingSystem: s.operatingSystem,
    OSVersion: '',
    OSType: 'linux',
    Architecture: s.architecture,
    IndexServerAddress: 'https://index.docker.io/v1/',
    RegistryConfig: {
      InsecureRegistryCIDRs: [],
      IndexConfigs: Object.fromEntries(registries),
      Mirrors: s.registryMirrors,
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
    Runtimes: Object.fromEntries(s.runtimes.map((name) => [name, { path: name }])),
    DefaultRuntime: s.defaultRuntime,
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: 'docker-init',
    ContainerdCommit: { ID: '', Expected: '' },
    RuncCommit: { ID: '', Expected: '' },
    InitCommit: { ID: '', Expected: '' },
    SecurityOptions: [
      ...s.securityModules.map((name) => `name=${name}`),
      `name=seccomp,profile=${s.seccompProfile}`,
      ...(s.mapsIds ? ['name=userns'] : []),
      'name=cgroupns',
      ...(s.noNewPrivileges ? ['name=no-new-privileges'] : []),
    ],
    Warnings: s.warnings,
  };
}

async function diskUsage(c: RouteContext, version: Call['apiVersion']): Promise<Record<string, unknown>> {
  const { node } = c.backend;
  const [images, usage, containers, volumes] = await Promise.all([
    c.backend.images.list(),
    c.backend.images.diskUsage(),
    node.containers(),
    node.volumes(),
  ]);
  const users = (id: string) => containers.filter((x) => x.imageId === id).length;
  return {
    LayersSize: usage.layersBytes,
    Images: images
      .filter((i) => i.repoTags.length + i.repoDigests.length > 0 || !i.hasChildren)
      .map((i) => ({
        ...imageListJson(i, users(i.id), version),
        SharedSize: usage.sharedBytes.get(i.id) ?? 0,
      })),
    Containers: await Promise.all(
      containers.map(async (x) => ({ ...containerListJson(x, c.now()), ...(await sizesJson(c, x.id)) })),
    ),
    Volumes: await Promise.all(
      volumes.map(async (v) => {
        const RefCount = containers.filter((x) => x.mounts.some((m) => m.name === v.name)).length;
        return { ...volumeJson(v), UsageData: { RefCount, Size: await c.backend.containers.volumeBytes(v.name) } };
      }),
    ),
    BuildCache: [],
  };
}
