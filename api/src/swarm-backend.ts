/** What the API needs of the swarm: membership, and everything that its managers keep. */
import type { Duplex } from 'node:stream';
import type {
  ClientCertificateRecord,
  ClientRole,
  Cluster,
  Config,
  Driver,
  ExternalCa,
  LogQuery,
  Network,
  NetworkSpec,
  Node,
  NodeAvailability,
  NodeSpec,
  RaftConfig,
  Secret,
  Service,
  ServiceSpec,
  Task,
  Volume,
  VolumeAvailability,
  VolumeSpec,
} from '@swarmts/proto';

export interface InitRequest {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
  readonly dataPathPort: number;
  readonly defaultAddrPools: readonly string[];
  readonly subnetSize: number;
  readonly forceNewCluster: boolean;
  readonly availability: NodeAvailability;
  readonly taskHistoryLimit?: number;
  readonly heartbeatPeriodNs?: number;
  readonly nodeCertExpiryNs?: number;
  readonly externalCas?: readonly ExternalCa[];
  readonly raft?: Partial<RaftConfig>;
  /** For tasks whose service names no log driver; without a name, or absent: the node's own. */
  readonly logDriver?: Driver;
  readonly autoLock: boolean;
  /** What counts the rotations of the CA, which begins with it. */
  readonly forceRotate: number;
  readonly labels: Readonly<Record<string, string>>;
}

export interface JoinRequest {
  readonly listenAddr: string;
  readonly advertiseAddr: string;
  readonly dataPathAddr: string;
  readonly remoteAddrs: readonly string[];
  readonly joinToken: string;
  readonly availability: NodeAvailability;
}

/** What `docker info` shows as its Swarm section. */
export interface SwarmInfo {
  readonly nodeId: string;
  readonly nodeAddr: string;
  readonly localNodeState: 'inactive' | 'pending' | 'active' | 'error' | 'locked';
  readonly controlAvailable: boolean;
  readonly error: string;
  readonly remoteManagers: readonly { readonly nodeId: string; readonly addr: string }[];
  /** Managers only; undefined while there is no leader. */
  readonly cluster?: Cluster;
  readonly nodes: number;
  readonly managers: number;
}

export interface ClusterUpdate {
  readonly version: number;
  readonly taskHistoryLimit?: number;
  readonly heartbeatPeriodNs?: number;
  readonly nodeCertExpiryNs?: number;
  /** All that there are to be. */
  readonly externalCas?: readonly ExternalCa[];
  readonly raft?: Partial<RaftConfig>;
  /** For tasks whose service names no log driver; without a name: none from now on. */
  readonly logDriver?: Driver;
  readonly labels?: Readonly<Record<string, string>>;
  readonly rotateWorkerToken: boolean;
  readonly rotateManagerToken: boolean;
  readonly rotateUnlockKey: boolean;
  /** A number other than the present one asks for a new root. */
  readonly forceRotate?: number;
  /** A root of the user's own; with key '' an external CA has it. */
  readonly signingCa?: { readonly certPem: string; readonly keyPem: string };
  readonly autoLock?: boolean;
}

/** What a swarm object filter may ask; every list is an OR, the lists are ANDed. */
export type Filters = Readonly<Record<string, readonly string[]>>;

export interface ServiceWithCounts {
  readonly service: Service;
  readonly runningTasks: number;
  readonly desiredTasks: number;
  readonly completedTasks: number;
}

export interface TaskQuery {
  /** Only those that their service would not replace. */
  readonly upToDate?: boolean;
  /** Also what stands for containers of no service on networks of the swarm. */
  readonly withAttachments?: boolean;
}

export interface ServiceLogLine {
  readonly taskId: string;
  readonly nodeId: string;
  readonly serviceId: string;
  readonly stream: 'stdout' | 'stderr';
  readonly timeNs: bigint;
  readonly data: Uint8Array;
  /** What the options of the log driver want to see beside every line. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Why a task of a service can or cannot run on each node. */
export interface PlacementExplanation {
  readonly serviceId: string;
  readonly nodes: readonly {
    readonly nodeId: string;
    readonly hostname: string;
    readonly fits: boolean;
    readonly filters: readonly { readonly name: string; readonly ok: boolean; readonly reason: string }[];
  }[];
}

/** Why a task is, or is not, where it is. */
export interface TaskExplanation {
  readonly taskId: string;
  readonly serviceId: string;
  /** '' while it has none. */
  readonly nodeId: string;
  readonly state: string;
  /** What keeps it from running; '' when nothing does. */
  readonly problem: string;
  readonly nodes: PlacementExplanation['nodes'];
}

/** What storing a spec would do. */
export interface ServicePlan {
  readonly action: 'create' | 'update' | 'none';
  readonly changes: readonly { readonly path: string; readonly from?: string; readonly to?: string }[];
  readonly tasks: readonly {
    readonly name: string;
    readonly action: 'create' | 'replace' | 'remove' | 'keep';
    readonly fromNode: string;
    readonly toNode: string;
    readonly problem: string;
  }[];
}

/** Times are epoch milliseconds. */
export interface ScheduleDescription {
  readonly schedule: { readonly cron: string; readonly timezone: string; readonly concurrency: string };
  readonly nextRunsMs: readonly number[];
  readonly message: string;
  readonly runs: readonly {
    readonly iteration: number;
    readonly startedAtMs: number;
    readonly tasks: number;
    readonly completed: number;
    readonly failed: number;
    readonly running: number;
  }[];
}

/** A new version of a secret or config. */
export interface PayloadVersion {
  readonly id: string;
  readonly version: number;
  /** Names of those that are updated to it. */
  readonly services: readonly string[];
}

/** What of a cluster volume can change. */
export interface VolumeChange {
  readonly availability: VolumeAvailability;
  /** undefined: as they are. */
  readonly labels: Readonly<Record<string, string>> | undefined;
}

export interface SwarmEvent {
  readonly type: string;
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** Only goes forward, and no two events have the same: the same on every manager. */
  readonly timeNs: bigint;
}

export interface ClientCertificateOrder {
  readonly name: string;
  readonly role: ClientRole;
  readonly validForMs: number;
}

/** PEM texts. */
export interface ClientCertificate {
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export interface SwarmBackend {
  init(r: InitRequest): Promise<string>;
  join(r: JoinRequest, signal: AbortSignal): Promise<void>;
  leave(force: boolean): Promise<void>;
  info(): Promise<SwarmInfo>;
  inspect(): Promise<Cluster>;
  update(u: ClusterUpdate): Promise<void>;
  /** '' without autolock. */
  unlockKey(): Promise<string>;
  /** A new certificate for a node whose own has expired; no addresses: the managers that it knows. */
  recover(token: string, remoteAddrs: readonly string[], signal: AbortSignal): Promise<void>;
  /** A certificate of the cluster's CA for a client of the API, with its key. Throws 'invalid-argument'. */
  /** Those that have not ended. */
  clientCertificates(): Promise<readonly ClientCertificateRecord[]>;
  /** By name or serial number: takes them back, and tells which. */
  revokeClientCertificates(ref: string): Promise<readonly ClientCertificateRecord[]>;
  createClientCertificate(order: ClientCertificateOrder): Promise<ClientCertificate>;
  /** Throws 'conflict' when the node is not locked, 'invalid-argument' for a wrong key. */
  unlock(key: string): Promise<void>;

  nodes(): Promise<readonly Node[]>;
  /** By id, unique id prefix, hostname or "self". Docker's words for unknown and ambiguous. */
  node(ref: string): Promise<Node>;
  /** A connection to the API of a node. Throws 'unavailable' while the node is away. */
  openTunnel(ref: string): Promise<Duplex>;
  updateNode(ref: string, version: number, spec: NodeSpec): Promise<void>;
  removeNode(ref: string, force: boolean): Promise<void>;

  /** Counts are 0 where they are not asked for: they cost a look at every task. */
  services(options: { readonly withCounts: boolean }): Promise<readonly ServiceWithCounts[]>;
  service(ref: string): Promise<ServiceWithCounts>;
  createService(spec: ServiceSpec): Promise<{ readonly id: string; readonly warnings: readonly string[] }>;
  /** `rollback` puts the previous spec back. */
  updateService(
    ref: string,
    version: number,
    spec: ServiceSpec,
    options: { readonly rollback: boolean },
  ): Promise<{ readonly warnings: readonly string[] }>;
  removeService(ref: string): Promise<void>;
  explainService(ref: string): Promise<PlacementExplanation>;
  explainTask(ref: string): Promise<TaskExplanation>;
  /** Of the service that is named, or of a new one with ref ''. */
  planService(ref: string, spec: ServiceSpec): Promise<ServicePlan>;
  /** The tasks that are moved so that the service is spread evenly. */
  rebalanceService(ref: string): Promise<{ readonly movingTaskIds: readonly string[] }>;
  describeSchedule(ref: string): Promise<ScheduleDescription>;

  tasks(options?: TaskQuery): Promise<readonly Task[]>;
  task(ref: string): Promise<Task>;
  /**
   * Logs of a service or a task (by id, prefix or name), merged over the nodes. Once it has resolved every task that comes later is one that
   * came later, of which a follower gets every line.
   */
  logs(
    kind: 'service' | 'task',
    ref: string,
    query: LogQuery,
    signal: AbortSignal,
  ): Promise<AsyncIterable<ServiceLogLine | { readonly warning: string }>>;

  secrets(): Promise<readonly Secret[]>;
  secret(ref: string): Promise<Secret>;
  createSecret(secret: Secret['spec']): Promise<string>;
  updateSecret(ref: string, version: number, spec: Secret['spec']): Promise<void>;
  removeSecret(ref: string): Promise<void>;
  configs(): Promise<readonly Config[]>;
  config(ref: string): Promise<Config>;
  createConfig(spec: Config['spec']): Promise<string>;
  updateConfig(ref: string, version: number, spec: Config['spec']): Promise<void>;
  removeConfig(ref: string): Promise<void>;
  /** With `follow` the services that use it are updated to the new version. */
  addPayloadVersion(kind: 'secret' | 'config', ref: string, data: Uint8Array, follow: boolean): Promise<PayloadVersion>;
  networks(): Promise<readonly Network[]>;
  /** By id, name or unique id prefix. */
  network(ref: string): Promise<Network>;
  createNetwork(spec: NetworkSpec): Promise<string>;
  removeNetwork(ref: string): Promise<void>;
  volumes(): Promise<readonly Volume[]>;
  /** By id, name or unique id prefix. */
  volume(ref: string): Promise<Volume>;
  createVolume(spec: VolumeSpec): Promise<Volume>;
  updateVolume(ref: string, version: number, change: VolumeChange): Promise<void>;
  removeVolume(ref: string, force: boolean): Promise<void>;

  onEvent(listener: (e: SwarmEvent) => void): () => void;
  /** Those that the managers still know, the oldest first; none on a node that is no manager. */
  eventsSince(timeNs: bigint): readonly SwarmEvent[];
}
