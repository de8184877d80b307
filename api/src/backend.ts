/**
 * What the HTTP API needs from the daemon. The API validates shapes and converts between Docker's JSON and these types;
 * the backend decides. Every method throws SwarmtsError; its code decides the HTTP status. Methods of `swarm` that change
 * or read cluster state throw 'not-a-manager' on a node that is none.
 */
import type { Duplex } from 'node:stream';
import type {
  ClientRole,
  Cluster,
  Config,
  Driver,
  LogQuery,
  Network,
  NetworkSpec,
  Node,
  NodeAvailability,
  NodeSpec,
  Secret,
  Service,
  ServiceSpec,
  Task,
  Volume,
  VolumeAvailability,
  VolumeSpec,
} from '@swarmts/proto';
import type { ContainerBackend, RestartPolicy, TerminalSize } from './container-backend.js';
import type { ContainerLimits } from './container-limits.js';
import type { ImageBackend } from './image-backend.js';

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
  readonly snapshotInterval?: number;
  /** For tasks whose service names no log driver; without a name, or absent: the node's own. */
  readonly logDriver?: Driver;
  readonly autoLock: boolean;
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
  readonly snapshotInterval?: number;
  /** For tasks whose service names no log driver; without a name: none from now on. */
  readonly logDriver?: Driver;
  readonly labels?: Readonly<Record<string, string>>;
  readonly rotateWorkerToken: boolean;
  readonly rotateManagerToken: boolean;
  readonly rotateUnlockKey: boolean;
  /** A number other than the present one asks for a new root. */
  readonly forceRotate?: number;
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

export interface ServiceLogLine {
  readonly taskId: string;
  readonly nodeId: string;
  readonly serviceId: string;
  readonly stream: 'stdout' | 'stderr';
  readonly timeNs: bigint;
  readonly data: Uint8Array;
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
  readonly type: 'service' | 'node' | 'secret' | 'config' | 'network';
  readonly action: 'create' | 'update' | 'remove';
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeMs: number;
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

  /** `upToDate`: only those that their service would not replace. */
  tasks(options?: { readonly upToDate: boolean }): Promise<readonly Task[]>;
  task(ref: string): Promise<Task>;
  /** Logs of a service or a task (by id, prefix or name), merged over the nodes. */
  logs(
    kind: 'service' | 'task',
    ref: string,
    query: LogQuery,
    signal: AbortSignal,
  ): AsyncIterable<ServiceLogLine | { readonly warning: string }>;

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
}

export interface HealthCheck {
  readonly config: {
    readonly test: readonly string[];
    readonly intervalNs: number;
    readonly timeoutNs: number;
    readonly startPeriodNs: number;
    readonly startIntervalNs: number;
    readonly retries: number;
  };
  readonly failingStreak: number;
  readonly log: readonly {
    readonly startedAtMs: number;
    readonly endedAtMs: number;
    readonly exitCode: number;
    readonly output: string;
  }[];
}

/** The node's own containers, images and volumes, whatever its role. */
export interface ContainerSummary {
  readonly id: string;
  readonly name: string;
  readonly image: string;
  readonly imageId: string;
  readonly command: readonly string[];
  readonly createdAtMs: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly state: 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'dead';
  readonly health: 'none' | 'starting' | 'healthy' | 'unhealthy';
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string;
  readonly pid: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly {
    readonly protocol: string;
    readonly targetPort: number;
    readonly publishedPort: number;
    readonly hostIp: string;
  }[];
  readonly mounts: readonly {
    readonly type: string;
    readonly source: string;
    readonly target: string;
    readonly readOnly: boolean;
    readonly name: string;
    readonly mode: string;
    readonly propagation: string;
  }[];
  readonly networkMode: string;
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly mac: string;
  /** Beside the node's local network, while it runs. */
  readonly networks: readonly ContainerNetwork[];
  /** On the node's local network. */
  readonly links: readonly ContainerLink[];
  readonly hostname: string;
  readonly user: string;
  readonly workingDir: string;
  /** What the process gets. */
  readonly env: readonly string[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly restartCount: number;
  readonly restart: RestartPolicy;
  readonly logPath: string;
  readonly logDriver: string;
  /** What is shown beside every line of its log with `details`. */
  readonly logAttributes: Readonly<Record<string, string>>;
  readonly resources: Partial<ContainerLimits>;
  readonly stopSignal: string;
  readonly stopTimeoutSeconds?: number;
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly readOnlyRootfs: boolean;
  readonly privileged: boolean;
  readonly autoRemove: boolean;
  readonly runtime: string;
  /** With a health check: what it is and what it said, oldest first. */
  readonly healthCheck?: HealthCheck;
  /** Of execs that have not ended. */
  readonly execIds: readonly string[];
  /** Where hosts, hostname and resolv.conf of the container are. */
  readonly directory: string;
  /** Those of its image's layers, topmost first. */
  readonly layers: readonly string[];
  /** Of its processes, '' where there are none. */
  readonly apparmorProfile: string;
  readonly selinuxLabel: string;
  /** Of containers that were made through the API. */
  readonly given?: GivenConfig;
}

/** A container's place on one network. */
export interface ContainerNetwork {
  readonly id: string;
  readonly name: string;
  readonly endpointId: string;
  readonly address: string;
  readonly prefixLength: number;
  readonly gateway: string;
  readonly ipv6Address: string;
  readonly ipv6PrefixLength: number;
  readonly ipv6Gateway: string;
  readonly mac: string;
  readonly aliases: readonly string[];
  readonly links?: readonly ContainerLink[];
}

/** Another container, by its name, under a name of one's own. */
export interface ContainerLink {
  readonly container: string;
  readonly alias: string;
}

/** A network that a container is to be on. */
export interface NetworkWish {
  /** Id or name. */
  readonly target: string;
  readonly aliases: readonly string[];
  /** Fixed addresses. */
  readonly addresses: readonly string[];
  readonly mac?: string;
  /** Names that this container alone has for others on the network. */
  readonly links: readonly ContainerLink[];
}

export interface ContainerMountWish {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly propagation?: string;
  readonly bindNonRecursive?: boolean;
  readonly bindCreateSource?: boolean;
  readonly tmpfsSizeBytes?: number;
  readonly tmpfsMode?: number;
  readonly tmpfsOptions?: readonly string[];
  readonly volumeNoCopy?: boolean;
  readonly volumeLabels?: Readonly<Record<string, string>>;
  readonly volumeSubpath?: string;
  readonly volumeDriver?: string;
  readonly volumeOptions?: Readonly<Record<string, string>>;
  /** As it was given, "ro,z". */
  readonly mode?: string;
}

/** What a client gave, kept for those who inspect the container. */
export interface GivenConfig {
  readonly config: Readonly<Record<string, unknown>>;
  readonly hostConfig: Readonly<Record<string, unknown>>;
}

/** A container to be made, without any swarm. The names are the engine's. */
export interface ContainerCreate {
  /** '' lets the backend choose one. */
  readonly name: string;
  readonly image: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent: the image's. */
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env: readonly string[];
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly workingDir?: string;
  readonly hostname?: string;
  readonly domainname?: string;
  readonly tty: boolean;
  readonly openStdin: boolean;
  /** The input ends when the first one who is attached to it leaves. */
  readonly stdinOnce: boolean;
  readonly consoleSize?: TerminalSize;
  readonly restart?: RestartPolicy;
  readonly autoRemove: boolean;
  readonly stopSignal?: string;
  readonly stopTimeoutSeconds?: number;
  readonly health?: {
    readonly test: readonly string[];
    readonly intervalNs: number;
    readonly timeoutNs: number;
    readonly startPeriodNs: number;
    readonly startIntervalNs: number;
    readonly retries: number;
  };
  readonly networkMode: 'local' | 'host' | 'none';
  /** Shares the network of this container. */
  readonly networkContainer?: string;
  /** With 'local': the networks to be on instead of the node's local one. */
  readonly networks?: readonly NetworkWish[];
  readonly ports: readonly {
    readonly protocol: 'tcp' | 'udp' | 'sctp';
    readonly targetPort: number;
    readonly publishedPort: number;
    /** Any free port from `publishedPort` up to this one. */
    readonly lastPublishedPort?: number;
    readonly hostIp?: string;
  }[];
  /** Ports that the image or the container exposes are published too, where the node chooses. */
  readonly publishAllPorts: boolean;
  readonly exposedPorts: readonly { readonly protocol: 'tcp' | 'udp' | 'sctp'; readonly targetPort: number }[];
  readonly mounts: readonly ContainerMountWish[];
  readonly volumesFrom: readonly string[];
  /** Containers of the node's local network that it knows by name. */
  readonly links: readonly ContainerLink[];
  /** Lines of /etc/hosts. */
  readonly extraHosts: readonly string[];
  readonly dns?: {
    readonly servers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
  readonly resources: ContainerLimits;
  readonly devices: readonly {
    readonly hostPath: string;
    readonly containerPath: string;
    readonly permissions: string;
  }[];
  readonly deviceRules: readonly string[];
  readonly cdiDevices: readonly string[];
  readonly capAdd: readonly string[];
  readonly capDrop: readonly string[];
  readonly privileged: boolean;
  readonly readOnlyRootfs: boolean;
  readonly init: boolean;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly shmSizeBytes?: number;
  readonly noNewPrivileges: boolean;
  readonly seccompUnconfined: boolean;
  readonly seccompProfile?: string;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly pidMode: string;
  readonly ipcMode: string;
  readonly utsMode: string;
  readonly cgroupnsMode: string;
  readonly cgroupParent?: string;
  readonly runtime?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly log?: {
    readonly driver: 'json-file' | 'local' | 'none' | 'syslog' | 'journald';
    readonly options: Readonly<Record<string, string>>;
    readonly maxSizeBytes: number;
    readonly maxFiles: number;
  };
  readonly given: GivenConfig;
}

export interface ImageSummary {
  readonly id: string;
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly createdAtMs: number;
  /** RFC 3339 as the image has it, '' when it does not say. */
  readonly created: string;
  readonly sizeBytes: number;
  readonly architecture: string;
  readonly variant?: string;
  readonly os: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The OCI image config's `config` object. */
  readonly config: object;
  readonly layers: readonly string[];
  /** Id of the image that it was made from on this node, or ''. */
  readonly parent: string;
  /** Others were made from it. */
  readonly hasChildren: boolean;
  readonly author: string;
  readonly comment: string;
  /** 0 when it was never tagged on this node. */
  readonly taggedAtMs: number;
  /** Of the unpacked layers, topmost first. */
  readonly directories: readonly string[];
}

export interface VolumeSummary {
  readonly name: string;
  readonly driver: string;
  readonly mountpoint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
}

export interface ContainerLogLine {
  readonly stream: 'stdout' | 'stderr';
  readonly timeNs: bigint;
  readonly data: Uint8Array;
}

export interface NodeBackend {
  containers(): Promise<readonly ContainerSummary[]>;
  /** Resolves to the id. */
  /** `warnings` say what the container is made without. */
  createContainer(c: ContainerCreate): Promise<{ readonly id: string; readonly warnings: readonly string[] }>;
  /** By id, unique prefix or name; 'not-found' "No such container: X". */
  container(ref: string): Promise<ContainerSummary>;
  containerLogs(ref: string, query: LogQuery, signal: AbortSignal): AsyncIterable<ContainerLogLine>;
  startContainer(ref: string): Promise<void>;
  killContainer(ref: string, signal: string): Promise<void>;
  removeContainer(ref: string, force: boolean, volumes: boolean): Promise<void>;
  volumes(): Promise<readonly VolumeSummary[]>;
  volume(name: string): Promise<VolumeSummary>;
  createVolume(v: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly options: Readonly<Record<string, string>>;
  }): Promise<VolumeSummary>;
  removeVolume(name: string, force: boolean): Promise<void>;
  /** The networks of this node alone that users have made. */
  localNetworks(): Promise<readonly Network[]>;
  createLocalNetwork(spec: NetworkSpec): Promise<string>;
  /** 'permission-denied' while containers are on it. */
  removeLocalNetwork(id: string): Promise<void>;
  /** Joins a container to a network, at once when it runs. */
  connectContainer(container: string, wish: NetworkWish): Promise<void>;
  disconnectContainer(container: string, network: { readonly id: string; readonly name: string }): Promise<void>;
  /** Asks the registry for the digest of a reference; undefined when no registry answers (service create pins images). */
  imageDigest(
    ref: string,
    auth: unknown,
  ): Promise<
    | {
        readonly digest: string;
        readonly mediaType: string;
        readonly sizeBytes: number;
        readonly platforms: readonly {
          readonly architecture: string;
          readonly os: string;
          readonly variant?: string;
        }[];
      }
    | undefined
  >;
  onEvent(
    listener: (e: {
      readonly type: string;
      readonly action: string;
      readonly id: string;
      readonly attributes: Readonly<Record<string, string>>;
      readonly timeMs: number;
    }) => void,
  ): () => void;
}

/** Facts about the machine and the daemon. */
export interface SystemInfo {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly kernelVersion: string;
  readonly operatingSystem: string;
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly dataRoot: string;
  readonly cgroupDriver: string;
  readonly cgroupVersion: string;
  readonly defaultRuntime: string;
  readonly runtimes: readonly string[];
  readonly labels: readonly string[];
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  readonly containers: number;
  readonly running: number;
  readonly paused: number;
  readonly stopped: number;
  readonly images: number;
  readonly debug: boolean;
  readonly warnings: readonly string[];
  readonly limits: LimitSupport;
  /** What the kernel labels processes with: "apparmor", "selinux". */
  readonly securityModules: readonly string[];
}

/** Which limits of containers the machine's kernel can keep. */
export interface LimitSupport {
  readonly memory: boolean;
  readonly swap: boolean;
  readonly cpuShares: boolean;
  readonly cpuQuota: boolean;
  readonly cpuset: boolean;
  readonly pids: boolean;
  readonly oomKillDisable: boolean;
}

/** One line of `swarmts doctor`. */
export interface DoctorCheck {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  /** How to mend it, '' when ok. */
  readonly fix: string;
}

export interface HealthCheckResult {
  readonly name: string;
  readonly ok: boolean;
  /** Why not, '' when ok. */
  readonly detail: string;
}

export interface SystemBackend {
  info(): Promise<SystemInfo>;
  doctor(): Promise<readonly DoctorCheck[]>;
  /** Prometheus text. */
  metrics(): Promise<string>;
  /** What this node needs to do its work, and whether it is there. */
  readiness(): Promise<readonly HealthCheckResult[]>;
}

export interface Backend {
  readonly system: SystemBackend;
  readonly node: NodeBackend;
  readonly images: ImageBackend;
  readonly containers: ContainerBackend;
  readonly swarm: SwarmBackend;
}
