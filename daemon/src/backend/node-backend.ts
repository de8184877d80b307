/** The node part of the API's backend: the container engine in the API's words. */
import type {
  BridgeNetwork,
  ContainerCreate,
  ContainerLogLine,
  ContainerSummary,
  GivenConfig,
  JoinedNetwork,
  NetworkWish,
  NodeBackend,
  VolumeSummary,
} from '@swarmts/api';
import { isSwarmtsError, SwarmtsError, unusedName } from '@swarmts/lib';
import type { RoutedNetworks } from '@swarmts/netplugins';
import { builtinNetworks, type LogQuery, type Network, type NetworkSpec } from '@swarmts/proto';
import {
  type ContainerEngine,
  type ContainerInfo,
  distinctPorts,
  type ExposedPort,
  exposedByImage,
  type LocalNetworks,
  type PublishedPort,
} from '@swarmts/worker';
import { credentialsOf, withPlatform } from './image-backend.js';
import { joinedNetwork } from './joined-network.js';

/** In the place of what is secret. */
const MASK = '******';

export class EngineNodeBackend implements NodeBackend {
  readonly #engine: ContainerEngine;
  readonly #networks: LocalNetworks;
  readonly #routed: Pick<RoutedNetworks, 'views'>;
  readonly bridge: BridgeNetwork | undefined;

  constructor(
    engine: ContainerEngine,
    networks: {
      readonly own: LocalNetworks;
      readonly routed: Pick<RoutedNetworks, 'views'>;
      readonly bridge: BridgeNetwork | undefined;
    },
  ) {
    this.#engine = engine;
    this.#networks = networks.own;
    this.#routed = networks.routed;
    this.bridge = networks.bridge;
  }

  async containers(): Promise<readonly ContainerSummary[]> {
    return this.#engine.list().map((c) => summaryOf(c, this.#engine, this.#networks));
  }

  async container(ref: string): Promise<ContainerSummary> {
    return summaryOf(this.#find(ref), this.#engine, this.#networks);
  }

  async createContainer(c: ContainerCreate): ReturnType<NodeBackend['createContainer']> {
    const { publishAllPorts: _all, name, ports, platform, ...rest } = c;
    const allPorts = [...ports, ...(await this.#exposed(c))];
    // The engine takes the name before anything else happens: nobody else can choose it in between.
    const config = { ...rest, ...withPlatform(platform), ports: allPorts, name: name || freshName(this.#engine) };
    const warnings: string[] = [];
    const id = await this.#engine.create(config, (w) => warnings.push(w));
    return { id, warnings };
  }

  /** With --publish-all: what is exposed and not published anyway. */
  async #exposed(c: ContainerCreate): Promise<readonly PublishedPort[]> {
    if (!c.publishAllPorts) return [];
    const image = await this.#engine.images.find(c.image);
    const isPublished = (e: ExposedPort) =>
      c.ports.some((p) => p.targetPort === e.targetPort && p.protocol === e.protocol);
    const all = distinctPorts([...exposedByImage(image?.config), ...c.exposedPorts]);
    return all.filter((p) => !isPublished(p)).map((p) => ({ ...p, publishedPort: 0 }));
  }

  #find(ref: string): ContainerInfo {
    const found = this.#engine.find(ref);
    if (!found) throw new SwarmtsError('not-found', `No such container: ${ref}`);
    return found;
  }

  async *containerLogs(ref: string, q: LogQuery, signal: AbortSignal): AsyncGenerator<ContainerLogLine> {
    const options = {
      stdout: q.stdout,
      stderr: q.stderr,
      follow: q.follow,
      tail: q.tail,
      ...(q.sinceNs === '' ? {} : { sinceNs: BigInt(q.sinceNs) }),
      ...(q.untilNs === '' ? {} : { untilNs: BigInt(q.untilNs) }),
    };
    for await (const e of this.#engine.logs(this.#find(ref).id, options, signal)) {
      yield { stream: e.stream, timeNs: e.timeNs, data: e.line };
    }
  }

  async startContainer(ref: string): Promise<void> {
    const c = this.#find(ref);
    if (c.state === 'running') throw new SwarmtsError('not-modified', `Container ${ref} is already started`);
    await this.#engine.start(c.id);
  }

  async killContainer(ref: string, signal: string): Promise<void> {
    await this.#engine.kill(this.#find(ref).id, signal || 'SIGKILL');
  }

  async removeContainer(ref: string, force: boolean, volumes: boolean): Promise<void> {
    await this.#engine.remove(this.#find(ref).id, { force, volumes });
  }

  async volumes(): Promise<readonly VolumeSummary[]> {
    return this.#engine.volumes.list();
  }

  async volume(name: string): Promise<VolumeSummary> {
    const found = await this.#engine.volumes.find(name);
    if (!found) throw new SwarmtsError('not-found', `get ${name}: no such volume`);
    return found;
  }

  async createVolume(v: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly options: Readonly<Record<string, string>>;
  }): Promise<VolumeSummary> {
    return this.#engine.volumes.create(v);
  }

  async removeVolume(name: string, force: boolean): Promise<void> {
    await this.#engine.volumes.remove(name, force);
  }

  async localNetworks(): Promise<readonly Network[]> {
    return this.#networks.list();
  }

  joinedNetworks(): readonly JoinedNetwork[] {
    const own = new Set(this.#networks.list().map((n) => n.id));
    return this.#routed
      .views()
      .filter((v) => !own.has(v.id))
      .map(joinedNetwork);
  }

  async createLocalNetwork(spec: NetworkSpec): Promise<string> {
    return this.#networks.create(spec);
  }

  async removeLocalNetwork(id: string): Promise<void> {
    await this.#networks.remove(id);
  }

  async connectContainer(container: string, wish: NetworkWish): Promise<void> {
    await this.#engine.connect(this.#find(container).id, wish);
  }

  async disconnectContainer(container: string, network: { readonly id: string; readonly name: string }): Promise<void> {
    await this.#engine.disconnect(this.#find(container).id, network);
  }

  async imageDigest(ref: string, auth: unknown) {
    const credentials = credentialsOf(auth);
    try {
      return await this.#engine.images.resolve(ref, { ...(credentials ? { auth: credentials } : {}) });
    } catch (e) {
      if (isSwarmtsError(e, 'unavailable', 'timeout')) return undefined;
      throw e;
    }
  }

  onEvent(listener: Parameters<NodeBackend['onEvent']>[0]): () => void {
    const ends = [this.#engine.onEvent(listener), this.#networks.onEvent(listener)];
    return () => {
      for (const end of ends) end();
    };
  }
}

function freshName(engine: ContainerEngine): string {
  return unusedName(Math.random, (name) => engine.isNameTaken(name));
}

function summaryOf(c: ContainerInfo, engine: ContainerEngine, own: LocalNetworks): ContainerSummary {
  const { config } = c;
  const { healthConfig, healthLog = [], healthFailingStreak = 0 } = c;
  return {
    id: c.id,
    name: config.name,
    image: config.image,
    imageId: c.imageId,
    command: [...c.entrypoint, ...c.cmd],
    createdAtMs: c.createdAtMs,
    startedAtMs: c.startedAtMs,
    finishedAtMs: c.exit?.finishedAtMs ?? 0,
    state: c.state,
    health: c.health,
    ...(healthConfig
      ? { healthCheck: { config: healthConfig, failingStreak: healthFailingStreak, log: healthLog } }
      : {}),
    exitCode: c.exit?.exitCode ?? 0,
    oomKilled: c.oomKilled,
    error: c.exit?.error ?? '',
    pid: c.state === 'running' || c.state === 'paused' ? c.pid : 0,
    labels: config.labels,
    ports: c.ports.map((p) => ({
      protocol: p.protocol,
      targetPort: p.targetPort,
      publishedPort: p.publishedPort,
      hostIp: p.hostIp ?? '',
    })),
    exposedPorts: c.exposedPorts,
    mounts: (c.mounts ?? []).map((m) => ({
      type: m.type,
      source: m.type === 'volume' ? engine.volumes.pathOf(m.source) : m.source,
      target: m.target,
      readOnly: m.readOnly,
      name: m.type === 'volume' || m.type === 'image' ? m.source : '',
      mode: m.mode ?? '',
      propagation: m.type === 'bind' ? m.propagation || 'rprivate' : '',
    })),
    networkMode: modeOf(config),
    netns: c.netns ?? '',
    networks: networksOf(c, own),
    links: c.links,
    hostname: c.hostname ?? config.hostname ?? c.id.slice(0, 12),
    user: c.user ?? '',
    workingDir: c.workingDir ?? '',
    env: [...configuredEnv(c), ...(c.config.secretEnv ?? []).map((v) => `${v.name}=${MASK}`)],
    entrypoint: c.entrypoint,
    cmd: c.cmd,
    tty: config.tty ?? false,
    openStdin: config.openStdin ?? false,
    restartCount: c.restartCount,
    restart: config.restart ?? { name: 'no', maxRetries: 0 },
    logPath: c.logPath,
    logDriver: config.log?.driver ?? 'json-file',
    logAttributes: c.logAttributes ?? {},
    stopSignal: c.stopSignal ?? '',
    settings: config,
    ...(c.maskedPaths ? { maskedPaths: c.maskedPaths } : {}),
    ...(c.readonlyPaths ? { readonlyPaths: c.readonlyPaths } : {}),
    runtime: c.runtime,
    execIds: engine.execsOf(c.id),
    directory: c.directory ?? '',
    layers: c.layers ?? [],
    apparmorProfile: c.apparmorProfile ?? '',
    selinuxLabel: c.selinuxLabel ?? '',
    mountLabel: c.mountLabel ?? '',
    // `createContainer` put it there.
    ...(config.given === undefined ? {} : { given: config.given as GivenConfig }),
  };
}

/** Set by the engine for every container, not by anybody's configuration. */
const OWN_VARIABLE = /^HOSTNAME=/;

/** What its user has set comes first, then what its image has. */
function configuredEnv(c: ContainerInfo): string[] {
  const nameOf = (variable: string) => variable.split('=', 1)[0];
  const own = new Set(c.config.env.map(nameOf));
  return [...c.config.env, ...c.env.filter((v) => !own.has(nameOf(v)) && !OWN_VARIABLE.test(v))];
}

function networksOf({ networks, config }: ContainerInfo, own: LocalNetworks): ContainerSummary['networks'] {
  return networks.map((n) => {
    const wish = config.networks?.find((w) => w.target === n.id || w.target === n.name);
    const known = n.id === '' ? own.find(n.name) : undefined;
    const named = known ? { id: known.id, name: known.spec?.annotations?.name ?? '' } : {};
    const { driverOptions, gatewayPriority } = wish ?? {};
    const options = { ...(driverOptions ? { driverOptions } : {}), ...(gatewayPriority ? { gatewayPriority } : {}) };
    const told = wish && !wish.given ? wished(wish, n, config.name) : {};
    return { ...n, ...named, ...options, ...told };
  });
}

/** What was asked for of it, and the names that it has there now. */
function wished(
  wish: Pick<NetworkWish, 'addresses' | 'aliases'>,
  n: ContainerSummary['networks'][number],
  name: string,
) {
  const isNamed = n.id !== '' && n.id !== builtinNetworks.bridge.id;
  const names = isNamed ? { dnsNames: [name, ...n.aliases] } : {};
  return { fixedAddresses: wish.addresses, aliases: wish.aliases, ...names };
}

/** The name of the network that the container was made for. */
function modeOf(config: ContainerInfo['config']): string {
  if (config.networkContainer) return `container:${config.networkContainer}`;
  const [first] = config.networks ?? [];
  return config.networkMode !== 'local' || !first || first.given ? config.networkMode : first.target;
}
