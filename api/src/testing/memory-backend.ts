/** A node and a daemon in memory, and with the swarm the whole Backend, for tests of the API and its clients. */
import { SwarmtsError } from '@swarmts/lib';
import {
  builtinNetworks,
  Driver,
  findBuiltinNetwork,
  GenericResource,
  Meta,
  Network,
  type NetworkSpec,
} from '@swarmts/proto';
import type {
  Backend,
  BridgeNetwork,
  ContainerCreate,
  ContainerLogLine,
  ContainerSummary,
  HealthCheckResult,
  JoinedNetwork,
  NetworkWish,
  NodeBackend,
  SystemBackend,
  SystemInfo,
  VolumeSummary,
} from '../backend.js';
import { MemoryContainers } from './memory-containers.js';
import { MemoryImages } from './memory-images.js';
import { MemorySwarm, NOW_MS } from './memory-swarm.js';

export const DIGEST = `sha256:${'d'.repeat(64)}`;

const NO_NETWORK = {
  id: '',
  name: 'back',
  endpointId: 'e1',
  address: '10.1.0.5',
  prefixLength: 24,
  gateway: '10.1.0.1',
  ipv6Address: '',
  ipv6PrefixLength: 0,
  ipv6Gateway: '',
  mac: '02:42:0a:01:00:05',
  aliases: [],
};

const ON_BRIDGE = {
  ...NO_NETWORK,
  ...builtinNetworks.bridge,
  endpointId: 'e0',
  address: '10.0.0.2',
  gateway: '10.0.0.1',
  mac: '02:00:00:00:00:01',
};

type NodeEvent = Parameters<Parameters<NodeBackend['onEvent']>[0]>[0];

export class MemoryNode implements NodeBackend {
  readonly containerList: ContainerSummary[] = [container('c'.repeat(64), 'web.1.task')];
  readonly volumeList: VolumeSummary[] = [];
  readonly networkList: Network[] = [];
  readonly logLines: ContainerLogLine[] = [];
  readonly #images: MemoryImages;
  readonly #listeners = new Set<(e: NodeEvent) => void>();

  constructor(images: MemoryImages) {
    this.#images = images;
  }

  async containers(): Promise<readonly ContainerSummary[]> {
    return this.containerList;
  }

  async createContainer(c: ContainerCreate): ReturnType<NodeBackend['createContainer']> {
    const id = `${this.containerList.length}`.padEnd(64, 'e');
    this.containerList.push({ ...container(id, c.name), image: c.image, state: 'created', links: c.links });
    return { id, warnings: [] };
  }

  async container(ref: string): Promise<ContainerSummary> {
    const found = this.containerList.find((c) => c.id.startsWith(ref) || c.name === ref);
    if (found === undefined) throw new SwarmtsError('not-found', `No such container: ${ref}`);
    return found;
  }

  async *containerLogs(): AsyncIterable<ContainerLogLine> {
    yield* this.logLines;
  }

  async startContainer(ref: string): Promise<void> {
    await this.change(ref, { state: 'running', startedAtMs: NOW_MS });
  }

  async killContainer(ref: string): Promise<void> {
    if ((await this.container(ref)).state !== 'running')
      throw new SwarmtsError('conflict', `container ${ref} is not running`);
    await this.change(ref, { state: 'exited', exitCode: 137, finishedAtMs: NOW_MS });
  }

  async removeContainer(ref: string, force: boolean): Promise<void> {
    const found = await this.container(ref);
    if (found.state === 'running' && !force) {
      throw new SwarmtsError('conflict', `cannot remove container "${ref}": container is running`);
    }
    this.containerList.splice(this.containerList.indexOf(found), 1);
  }

  bridge: BridgeNetwork | undefined = { subnet: '172.30.0.0/16', gateway: '172.30.0.1', icc: true, mtu: 1500 };

  async localNetworks(): Promise<readonly Network[]> {
    return this.networkList;
  }

  readonly joined: JoinedNetwork[] = [];
  joinedNetworks(): readonly JoinedNetwork[] {
    return this.joined;
  }

  async createLocalNetwork(spec: NetworkSpec): Promise<string> {
    const id = `${this.networkList.length}`.padEnd(64, 'f');
    const driverState = Driver.create({ name: spec.driver?.name ?? 'bridge', options: spec.driver?.options ?? {} });
    this.networkList.push(
      Network.create({ id, meta: Meta.create({ createdAtMs: NOW_MS }), spec, driverState, ipam: spec.ipam }),
    );
    return id;
  }

  async removeLocalNetwork(id: string): Promise<void> {
    this.networkList.splice(
      this.networkList.findIndex((n) => n.id === id),
      1,
    );
  }

  async connectContainer(ref: string, wish: NetworkWish): Promise<void> {
    const network =
      findBuiltinNetwork(wish.target) ??
      (await this.localNetworks()).find((n) => n.spec?.annotations?.name === wish.target);
    const networks = [
      ...(await this.container(ref)).networks,
      { ...NO_NETWORK, id: network?.id ?? wish.target, name: wish.target, aliases: wish.aliases, links: wish.links },
    ];
    await this.change(ref, { networks });
  }

  async disconnectContainer(ref: string, network: { readonly id: string }): Promise<void> {
    await this.change(ref, { networks: (await this.container(ref)).networks.filter((n) => n.id !== network.id) });
  }

  async volumes(): Promise<readonly VolumeSummary[]> {
    return this.volumeList;
  }

  async volume(name: string): Promise<VolumeSummary> {
    const found = this.volumeList.find((v) => v.name === name);
    if (found === undefined) throw new SwarmtsError('not-found', `get ${name}: no such volume`);
    return found;
  }

  async createVolume(v: Parameters<NodeBackend['createVolume']>[0]): Promise<VolumeSummary> {
    const volume = { ...v, driver: 'local', mountpoint: `/volumes/${v.name}`, createdAtMs: NOW_MS };
    this.volumeList.push(volume);
    return volume;
  }

  async removeVolume(name: string, force: boolean): Promise<void> {
    if (force && !this.volumeList.some((v) => v.name === name)) return;
    this.volumeList.splice(this.volumeList.indexOf(await this.volume(name)), 1);
  }

  async imageDigest(ref: string, auth: unknown): ReturnType<NodeBackend['imageDigest']> {
    this.#images.lastAuth = auth;
    if (!this.#images.registry.has(ref.replace(/^docker\.io\/(library\/)?/, ''))) return undefined;
    const platforms = [{ architecture: 'arm64', os: 'linux', variant: 'v8' }];
    return { digest: DIGEST, mediaType: 'application/vnd.oci.image.index.v1+json', sizeBytes: 7, platforms };
  }

  onEvent(listener: (e: NodeEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  emit(e: NodeEvent): void {
    for (const listener of this.#listeners) listener(e);
  }

  async change(ref: string, change: Partial<ContainerSummary>): Promise<void> {
    const found = await this.container(ref);
    this.containerList[this.containerList.indexOf(found)] = { ...found, ...change };
  }
}

export class MemorySystem implements SystemBackend {
  readonly listeners = new Set<Parameters<SystemBackend['onEvent']>[0]>();

  onEvent(listener: Parameters<SystemBackend['onEvent']>[0]): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  async info(): Promise<SystemInfo> {
    return {
      id: 'engine-1',
      name: 'one',
      version: '0.1.0',
      kernelVersion: '6.1.0',
      operatingSystem: 'Debian GNU/Linux 12',
      architecture: 'x86_64',
      cpus: 2,
      memoryBytes: 1 << 30,
      dataRoot: '/var/lib/swarmts',
      backingFilesystem: 'extfs',
      cgroupDriver: 'cgroupfs',
      cgroupVersion: '2',
      defaultRuntime: 'runc',
      runtimes: ['runc'],
      cdiDirectories: ['/etc/cdi'],
      cdiDevices: ['example.com/gpu=0'],
      labels: [],
      insecureRegistries: ['registry.test:5000'],
      registryMirrors: [],
      containers: 1,
      running: 1,
      paused: 0,
      stopped: 0,
      images: 1,
      debug: false,
      openFiles: 21,
      warnings: [],
      limits: {
        memory: true,
        swap: true,
        cpuShares: true,
        cpuQuota: true,
        cpuset: true,
        pids: true,
        oomKillDisable: false,
      },
      securityModules: ['apparmor'],
      mapsIds: true,
      isolatesCgroups: true,
      logDriver: 'json-file',
      genericResources: [GenericResource.create({ kind: 'ssd', count: 3 })],
      seccompProfile: 'builtin',
      noNewPrivileges: false,
      proxies: { http: '', https: '', none: '' },
    };
  }

  async doctor(): ReturnType<SystemBackend['doctor']> {
    return [{ name: 'runtime', ok: true, detail: 'runc', fix: '' }];
  }

  readonly failedChecks: HealthCheckResult[] = [];

  async readiness(): Promise<readonly HealthCheckResult[]> {
    return [{ name: 'member', ok: true, detail: '' }, ...this.failedChecks];
  }

  async metrics(): Promise<string> {
    return '# TYPE swarm_manager_leader gauge\nswarm_manager_leader 1\n';
  }
}

export interface MemoryBackend extends Backend {
  readonly node: MemoryNode;
  readonly containers: MemoryContainers;
  readonly swarm: MemorySwarm;
  readonly images: MemoryImages;
  readonly system: MemorySystem;
}

export function memoryBackend(): MemoryBackend {
  const images = new MemoryImages();
  const node = new MemoryNode(images);
  return {
    system: new MemorySystem(),
    node,
    containers: new MemoryContainers(node),
    swarm: new MemorySwarm(),
    images,
  };
}

export function container(id: string, name: string): ContainerSummary {
  return {
    id,
    name,
    image: 'alpine:3',
    imageId: `sha256:${'a'.repeat(64)}`,
    command: ['sleep', '60'],
    createdAtMs: NOW_MS,
    startedAtMs: NOW_MS,
    finishedAtMs: 0,
    state: 'running',
    health: 'healthy',
    exitCode: 0,
    oomKilled: false,
    error: '',
    pid: 42,
    labels: { 'com.docker.swarm.task.id': 'task1' },
    ports: [{ protocol: 'tcp', targetPort: 80, publishedPort: 8080, hostIp: '' }],
    exposedPorts: [{ protocol: 'tcp', targetPort: 80 }],
    mounts: [
      {
        type: 'volume',
        source: '/volumes/data',
        target: '/data',
        readOnly: true,
        name: 'data',
        mode: '',
        propagation: '',
      },
    ],
    networkMode: 'bridge',
    netns: '/run/netns/c',
    networks: [ON_BRIDGE],
    links: [],
    hostname: name,
    user: '',
    workingDir: '/',
    env: ['A=b'],
    tty: false,
    openStdin: false,
    entrypoint: [],
    cmd: ['sleep', '60'],
    restartCount: 0,
    restart: { name: 'no', maxRetries: 0 },
    logPath: '',
    logDriver: 'json-file',
    logAttributes: {},
    runtime: 'runc',
    settings: {},
    execIds: [],
    directory: '/containers/c',
    layers: ['/overlay/b/diff', '/overlay/a/diff'],
    apparmorProfile: '',
    selinuxLabel: '',
    mountLabel: '',
    stopSignal: 'SIGTERM',
  };
}
