/**
 * A swarm in memory for tests of the API and its clients: objects with versions, and services whose tasks run at once.
 * It keeps the contract's errors (unknown, ambiguous, out of sequence, no manager) in Docker's words.
 */
import { type Duplex, PassThrough } from 'node:stream';
import { SwarmtsError } from '@swarmts/lib';
import {
  type ClientCertificateRecord,
  Cluster,
  ClusterSpec,
  type Config,
  IpamOptions,
  Meta,
  Network,
  type NetworkSpec,
  Node,
  NodeAvailability,
  NodeRole,
  NodeState,
  Reachability,
  type Secret,
  type Service,
  type ServiceSpec,
  Task,
  TaskState,
  Volume,
  type VolumeSpec,
} from '@swarmts/proto';
import type {
  ClientCertificate,
  ClientCertificateOrder,
  PayloadVersion,
  ServiceLogLine,
  ServiceWithCounts,
  SwarmBackend,
  SwarmEvent,
  SwarmInfo,
  TaskQuery,
  VolumeChange,
} from '../backend.js';

export const NODE_ID = 'node1aaaaaaaaaaaaaaaaaaaa';
export const NOW_MS = Date.UTC(2026, 0, 2, 3, 4, 5);

interface Identified {
  readonly id: string;
  readonly meta: Meta | undefined;
}

export class MemorySwarm implements SwarmBackend {
  active = true;
  readonly logLines: (ServiceLogLine | { readonly warning: string })[] = [];
  /** After the lines the log stays open until the reader goes away. */
  logsFollow = false;
  #version = 10;
  #nextId = 0;
  #cluster = Cluster.create({
    id: 'cluster1aaaaaaaaaaaaaaaaa',
    meta: this.#meta(),
    defaultAddressPools: ['10.0.0.0/8'],
    subnetSize: 24,
    dataPathPort: 4789,
    rootCa: {
      certPem: new Uint8Array(),
      keyPem: new Uint8Array(),
      certDigest: '',
      joinTokens: { worker: 'SWMTKN-1-w', manager: 'SWMTKN-1-m' },
      lastForcedRotation: 0,
      rotation: undefined,
    },
  });
  readonly #nodes = new Map<string, Node>([[NODE_ID, this.#firstNode()]]);
  readonly #services = new Map<string, Service>();
  readonly #tasks = new Map<string, Task>();
  readonly #secrets = new Map<string, Secret>();
  readonly #configs = new Map<string, Config>();
  readonly #volumes = new Map<string, Volume>();
  readonly #networks = new Map<string, Network>([
    ['ingress1aaaaaaaaaaaaaaaaa', Network.create({ id: 'ingress1aaaaaaaaaaaaaaaaa', meta: this.#meta() })],
  ]);
  readonly #listeners = new Set<(e: SwarmEvent) => void>();
  readonly #events: SwarmEvent[] = [];
  readonly #clients: { -readonly [K in keyof ClientCertificateRecord]: ClientCertificateRecord[K] }[] = [];

  async init(): Promise<string> {
    if (this.active) {
      throw new SwarmtsError(
        'already-in-swarm',
        'This node is already part of a swarm. Use "docker swarm leave" first.',
      );
    }
    this.active = true;
    return NODE_ID;
  }

  async join(): Promise<void> {
    this.active = true;
  }

  async leave(): Promise<void> {
    this.#requireManager();
    this.active = false;
  }

  async info(): Promise<SwarmInfo> {
    if (!this.active) {
      return {
        nodeId: '',
        nodeAddr: '',
        localNodeState: 'inactive',
        controlAvailable: false,
        error: '',
        remoteManagers: [],
        nodes: 0,
        managers: 0,
      };
    }
    return {
      nodeId: NODE_ID,
      nodeAddr: '10.1.1.1',
      localNodeState: 'active',
      controlAvailable: true,
      error: '',
      remoteManagers: [{ nodeId: NODE_ID, addr: '10.1.1.1:2377' }],
      cluster: this.#cluster,
      nodes: this.#nodes.size,
      managers: 1,
    };
  }

  async inspect(): Promise<Cluster> {
    this.#requireManager();
    return this.#cluster;
  }

  async update(u: Parameters<SwarmBackend['update']>[0]): Promise<void> {
    this.#requireManager();
    checkVersion(this.#cluster, u.version);
    const tokens = this.#cluster.rootCa?.joinTokens;
    const joinTokens = {
      worker: u.rotateWorkerToken ? 'SWMTKN-1-w2' : (tokens?.worker ?? ''),
      manager: u.rotateManagerToken ? 'SWMTKN-1-m2' : (tokens?.manager ?? ''),
    };
    const rootCa = this.#cluster.rootCa === undefined ? undefined : { ...this.#cluster.rootCa, joinTokens };
    const before = ClusterSpec.create({ ...this.#cluster.spec });
    const ca = u.externalCas
      ? { nodeCertExpiryNs: 0, forceRotate: 0, ...before.ca, externalCas: [...u.externalCas] }
      : before.ca;
    this.#cluster = { ...this.#cluster, meta: this.#meta(), rootCa, spec: { ...before, ca } };
  }

  async recover(token: string): Promise<void> {
    if (token === '') throw new SwarmtsError('invalid-argument', 'invalid join token');
  }

  async createClientCertificate(order: ClientCertificateOrder): Promise<ClientCertificate> {
    const { name, role, validForMs } = order;
    const serial = `0A${this.#clients.length}`;
    const times = { issuedAtMs: NOW_MS, expiresAtMs: NOW_MS + validForMs, revokedAtMs: 0 };
    this.#clients.push({ serial, name, role, ...times });
    return { ca: 'ca', certificate: `${name} ${role} ${validForMs}`, key: 'key' };
  }

  async clientCertificates(): Promise<readonly ClientCertificateRecord[]> {
    return this.#clients;
  }

  async revokeClientCertificates(ref: string): Promise<readonly ClientCertificateRecord[]> {
    const found = this.#clients.filter((c) => c.name === ref || c.serial === ref);
    if (found.length === 0) throw new SwarmtsError('not-found', `no client certificate ${ref}`);
    for (const c of found) c.revokedAtMs = NOW_MS;
    return found;
  }

  async unlock(key: string): Promise<void> {
    if (this.active) throw new SwarmtsError('conflict', 'swarm is not locked');
    if (key !== 'SWMKEY-1-right')
      throw new SwarmtsError('invalid-argument', 'swarm could not be unlocked: invalid key provided');
    this.active = true;
  }

  async unlockKey(): Promise<string> {
    this.#requireManager();
    return '';
  }

  async nodes(): Promise<readonly Node[]> {
    this.#requireManager();
    return [...this.#nodes.values()];
  }

  async node(ref: string): Promise<Node> {
    this.#requireManager();
    return find('node', this.#nodes, ref === 'self' ? NODE_ID : ref, (n) => n.description?.hostname ?? '');
  }

  async openTunnel(ref: string): Promise<Duplex> {
    await this.node(ref);
    return new PassThrough();
  }

  async updateNode(ref: string, version: number, spec: NonNullable<Node['spec']>): Promise<void> {
    const node = await this.node(ref);
    checkVersion(node, version);
    this.#nodes.set(node.id, { ...node, meta: this.#meta(), spec });
  }

  async removeNode(ref: string, force: boolean): Promise<void> {
    const node = await this.node(ref);
    if (!force) {
      throw new SwarmtsError('failed-precondition', `node ${node.id} is not down and can't be removed`);
    }
    this.#nodes.delete(node.id);
  }

  async services(): Promise<readonly ServiceWithCounts[]> {
    this.#requireManager();
    return [...this.#services.values()].map((s) => this.#counted(s));
  }

  async service(ref: string): Promise<ServiceWithCounts> {
    this.#requireManager();
    return this.#counted(find('service', this.#services, ref, (s) => s.spec?.annotations?.name ?? ''));
  }

  async createService(spec: ServiceSpec): Promise<{ id: string; warnings: readonly string[] }> {
    this.#requireManager();
    const name = spec.annotations?.name ?? '';
    for (const s of this.#services.values()) {
      if (s.spec?.annotations?.name === name) {
        throw new SwarmtsError(
          'already-exists',
          `name conflicts with an existing object: service ${name} already exists`,
        );
      }
    }
    const id = this.#id('svc');
    this.#put(id, spec, undefined);
    this.#emit({ type: 'service', action: 'create', id, attributes: { name } });
    return { id, warnings: [] };
  }

  async updateService(
    ref: string,
    version: number,
    spec: ServiceSpec,
    options: { readonly rollback: boolean },
  ): Promise<{ warnings: readonly string[] }> {
    const { service } = await this.service(ref);
    checkVersion(service, version);
    if (options.rollback && service.previousSpec === undefined) {
      throw new SwarmtsError('failed-precondition', `service ${ref} does not have a previous spec`);
    }
    this.#put(service.id, options.rollback ? (service.previousSpec ?? spec) : spec, service.spec);
    return { warnings: [] };
  }

  async removeService(ref: string): Promise<void> {
    const { service } = await this.service(ref);
    this.#services.delete(service.id);
    for (const t of this.#tasks.values()) if (t.serviceId === service.id) this.#tasks.delete(t.id);
  }

  async explainTask(ref: string) {
    const t = await this.task(ref);
    return { taskId: t.id, serviceId: t.serviceId, nodeId: t.nodeId, state: 'running', problem: '', nodes: [] };
  }

  async planService(ref: string, spec: ServiceSpec) {
    const name = `${spec.annotations?.name}.1`;
    const action = ref === '' ? ('create' as const) : ('update' as const);
    return {
      action,
      changes: [],
      tasks: [{ name, action: 'create' as const, fromNode: '', toNode: 'm1', problem: '' }],
    };
  }

  async rebalanceService(ref: string) {
    await this.service(ref);
    return { movingTaskIds: [] };
  }

  async describeSchedule(ref: string) {
    await this.service(ref);
    const schedule = { cron: '0 3 * * *', timezone: 'UTC', concurrency: 'forbid' };
    return { schedule, nextRunsMs: [NOW_MS], message: '', runs: [] };
  }

  async explainService(ref: string): ReturnType<SwarmBackend['explainService']> {
    const { service } = await this.service(ref);
    const filters = [{ name: 'constraint', ok: false, reason: 'node.labels.zone is "" and not "a"' }];
    return { serviceId: service.id, nodes: [{ nodeId: NODE_ID, hostname: 'one', fits: false, filters }] };
  }

  async tasks(options: TaskQuery = {}): Promise<readonly Task[]> {
    this.#requireManager();
    const isCurrent = (t: Task) => this.#services.get(t.serviceId)?.specVersion?.index === t.specVersion?.index;
    return [...this.#tasks.values()].filter((t) => !options.upToDate || isCurrent(t));
  }

  async task(ref: string): Promise<Task> {
    this.#requireManager();
    return find('task', this.#tasks, ref, () => '');
  }

  async logs(...[, , , signal]: Parameters<SwarmBackend['logs']>): ReturnType<SwarmBackend['logs']> {
    return this.#lines(signal);
  }

  async *#lines(signal: AbortSignal): AsyncGenerator<ServiceLogLine | { readonly warning: string }> {
    yield* this.logLines;
    if (this.logsFollow && !signal.aborted) {
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  async secrets(): Promise<readonly Secret[]> {
    this.#requireManager();
    return [...this.#secrets.values()];
  }

  async secret(ref: string): Promise<Secret> {
    return find('secret', this.#secrets, ref, (s) => s.spec?.annotations?.name ?? '');
  }

  async createSecret(spec: Secret['spec']): Promise<string> {
    const id = this.#id('sec');
    this.#secrets.set(id, { id, meta: this.#meta(), spec });
    return id;
  }

  async updateSecret(ref: string, version: number, spec: Secret['spec']): Promise<void> {
    const secret = await this.secret(ref);
    checkVersion(secret, version);
    this.#secrets.set(secret.id, { ...secret, meta: this.#meta(), spec });
  }

  async removeSecret(ref: string): Promise<void> {
    this.#secrets.delete((await this.secret(ref)).id);
  }

  async configs(): Promise<readonly Config[]> {
    this.#requireManager();
    return [...this.#configs.values()];
  }

  async config(ref: string): Promise<Config> {
    return find('config', this.#configs, ref, (s) => s.spec?.annotations?.name ?? '');
  }

  async createConfig(spec: Config['spec']): Promise<string> {
    const id = this.#id('cfg');
    this.#configs.set(id, { id, meta: this.#meta(), spec });
    return id;
  }

  async updateConfig(ref: string, version: number, spec: Config['spec']): Promise<void> {
    const config = await this.config(ref);
    checkVersion(config, version);
    this.#configs.set(config.id, { ...config, meta: this.#meta(), spec });
  }

  async removeConfig(ref: string): Promise<void> {
    this.#configs.delete((await this.config(ref)).id);
  }

  async addPayloadVersion(kind: 'secret' | 'config', ref: string): Promise<PayloadVersion> {
    const old = kind === 'secret' ? await this.secret(ref) : await this.config(ref);
    return { id: `${old.id.slice(0, -1)}2`, version: 2, services: [] };
  }

  async networks(): Promise<readonly Network[]> {
    this.#requireManager();
    return [...this.#networks.values()];
  }

  async network(ref: string): Promise<Network> {
    const found = (await this.networks()).find((n) => n.id === ref || n.spec?.annotations?.name === ref);
    if (found === undefined) throw new SwarmtsError('not-found', `network ${ref} not found`);
    return found;
  }

  async createNetwork(spec: NetworkSpec): Promise<string> {
    this.#requireManager();
    const id = `network${++this.#nextId}`.padEnd(25, 'a');
    const { configs = [], driver } = spec.ipam ?? {};
    const ipam = IpamOptions.create({ configs, driver });
    this.#networks.set(id, Network.create({ id, meta: this.#meta(), spec, ipam }));
    return id;
  }

  async removeNetwork(ref: string): Promise<void> {
    this.#networks.delete((await this.network(ref)).id);
  }

  async volumes(): Promise<readonly Volume[]> {
    this.#requireManager();
    return [...this.#volumes.values()];
  }

  async volume(ref: string): Promise<Volume> {
    const found = (await this.volumes()).find((v) => v.id === ref || v.spec?.annotations?.name === ref);
    if (found === undefined) throw new SwarmtsError('not-found', `volume ${ref} not found`);
    return found;
  }

  async createVolume(spec: VolumeSpec): Promise<Volume> {
    this.#requireManager();
    const volume = Volume.create({ id: this.#id('volume'), meta: this.#meta(), spec });
    this.#volumes.set(volume.id, volume);
    return volume;
  }

  async updateVolume(ref: string, version: number, change: VolumeChange): Promise<void> {
    const volume = await this.volume(ref);
    if (volume.meta?.version?.index !== version) throw new SwarmtsError('out-of-sequence', 'update out of sequence');
    const spec = volume.spec && { ...volume.spec, availability: change.availability };
    this.#volumes.set(volume.id, { ...volume, spec });
  }

  async removeVolume(ref: string): Promise<void> {
    this.#volumes.delete((await this.volume(ref)).id);
  }

  onEvent(listener: (e: SwarmEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  eventsSince(timeNs: bigint): readonly SwarmEvent[] {
    return this.#events.filter((e) => e.timeNs >= timeNs);
  }

  #emit(what: Omit<SwarmEvent, 'timeNs'>): void {
    const e = { ...what, timeNs: BigInt(NOW_MS) * 1_000_000n + BigInt(this.#events.length) };
    this.#events.push(e);
    for (const listener of this.#listeners) listener(e);
  }

  #put(id: string, spec: ServiceSpec, previousSpec: ServiceSpec | undefined): void {
    const meta = this.#meta();
    this.#services.set(id, {
      id,
      meta,
      spec,
      specVersion: meta.version,
      previousSpec,
      previousSpecVersion: undefined,
      endpoint: undefined,
      updateStatus: undefined,
      jobStatus: undefined,
      autoscaleStatus: undefined,
      movingTaskIds: [],
      volumePins: {},
    });
    for (const t of this.#tasks.values()) if (t.serviceId === id) this.#tasks.delete(t.id);
    const replicas = spec.mode?.replicated?.replicas ?? 1;
    for (let slot = 1; slot <= replicas; slot++) this.#run(id, spec, slot, meta.version);
  }

  #run(serviceId: string, spec: ServiceSpec, slot: number, specVersion: Task['specVersion']): void {
    const id = this.#id('task');
    const task = Task.create({
      id,
      meta: this.#meta(),
      spec: spec.task,
      specVersion,
      serviceId,
      slot,
      nodeId: NODE_ID,
      serviceAnnotations: spec.annotations,
      desiredState: TaskState.RUNNING,
      status: {
        state: TaskState.RUNNING,
        timestampMs: NOW_MS,
        message: 'started',
        err: '',
        container: { containerId: `container${id}`, pid: 42, exitCode: 0, oomKilled: false },
        portStatus: undefined,
        appliedAtMs: NOW_MS,
        appliedBy: NODE_ID,
        runningSinceMs: NOW_MS,
      },
    });
    this.#tasks.set(id, task);
  }

  #counted(service: Service): ServiceWithCounts {
    const running = [...this.#tasks.values()].filter((t) => t.serviceId === service.id).length;
    return { service, runningTasks: running, desiredTasks: running, completedTasks: 0 };
  }

  #requireManager(): void {
    if (this.active) return;
    throw new SwarmtsError(
      'not-a-manager',
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    );
  }

  #meta(): Meta {
    return Meta.create({ version: { index: this.#version++ }, createdAtMs: NOW_MS, updatedAtMs: NOW_MS });
  }

  #id(kind: string): string {
    return `${kind}${this.#nextId++}`.padEnd(25, 'x');
  }

  #firstNode(): Node {
    return Node.create({
      id: NODE_ID,
      meta: this.#meta(),
      spec: {
        annotations: { name: '', labels: { zone: 'a' } },
        role: NodeRole.MANAGER,
        availability: NodeAvailability.ACTIVE,
      },
      description: {
        hostname: 'one',
        platform: { architecture: 'x86_64', os: 'linux' },
        resources: { nanoCpus: 2e9, memoryBytes: 1 << 30, pids: 0, generic: [] },
        engine: { engineVersion: '0.1.0', labels: { disk: 'ssd' }, plugins: [{ type: 'Volume', name: 'local' }] },
        tlsInfo: undefined,
        featureLevel: 1,
        dataPathEncryption: '',
        dataPathKeys: [],
        dataPathKeysUnknown: false,
        csi: [],
      },
      status: {
        state: NodeState.NODE_READY,
        message: '',
        addr: '10.1.1.1',
        leaseUntilMs: 0,
        downSinceMs: 0,
        leaseMs: 0,
      },
      managerStatus: { raftId: 1, addr: '10.1.1.1:2377', leader: true, reachability: Reachability.REACHABLE },
    });
  }
}

function find<T extends Identified>(
  kind: string,
  objects: ReadonlyMap<string, T>,
  ref: string,
  nameOf: (o: T) => string,
): T {
  const all = [...objects.values()];
  const exact = objects.get(ref) ?? all.find((o) => nameOf(o) === ref);
  const [first, second] = all.filter((o) => o.id.startsWith(ref));
  if (exact !== undefined) return exact;
  if (first === undefined) throw new SwarmtsError('not-found', `${kind} ${ref} not found`);
  if (second !== undefined) throw new SwarmtsError('invalid-argument', `${kind} ${ref} is ambiguous`);
  return first;
}

function checkVersion(o: Identified, version: number): void {
  if (o.meta?.version?.index !== version) throw new SwarmtsError('out-of-sequence', 'update out of sequence');
}
