/** What the API needs of a node's engine: containers, images and volumes as they are listed and shown. */
import type { LogQuery, Network, NetworkSpec } from '@swarmts/proto';
import type { RestartPolicy } from './container-backend.js';
import type { ContainerLimits } from './container-limits.js';
import type { ContainerMountWish, ContainerSettings } from './container-settings.js';

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

/** A network of the swarm, with the nodes that carry it and the services whose tasks are on it. */
export interface JoinedNetwork {
  readonly network: Network;
  readonly peers: readonly { readonly name: string; readonly address: string }[];
  readonly services: readonly {
    readonly name: string;
    /** '' for none. */
    readonly virtualIp: string;
    readonly ports: readonly { readonly targetPort: number; readonly publishedPort: number }[];
    readonly tasks: readonly {
      readonly name: string;
      readonly endpointId: string;
      readonly address: string;
      /** Of its node. */
      readonly hostAddress: string;
    }[];
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
  /** What it listens at, as its image, its maker and its published ports say. */
  readonly exposedPorts: readonly { readonly protocol: string; readonly targetPort: number }[];
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
  /** File of its network namespace, '' where it has none of its own now. */
  readonly netns: string;
  /** While it does not run, those that it will be on, without endpoints. */
  readonly networks: readonly ContainerNetwork[];
  /** On the node's local network. */
  readonly links: readonly ContainerLink[];
  readonly hostname: string;
  readonly user: string;
  readonly workingDir: string;
  /** As configured: by whoever made it, then by the image. */
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
  readonly stopSignal: string;
  readonly runtime: string;
  /** What it was made with. */
  readonly settings: ContainerSettings;
  /** Those that apply to it, absent with all privileges. */
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
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
  /** Of its files. */
  readonly mountLabel: string;
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
  /** Those that were asked for. */
  readonly fixedAddresses?: readonly string[];
  readonly driverOptions?: Readonly<Record<string, string>>;
  readonly gatewayPriority?: number;
  /** All that others on the network find it by. */
  readonly dnsNames?: readonly string[];
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
  /** Default 0: the default route leads to the network with the highest one. */
  readonly gatewayPriority?: number;
  /** Of its place there: settings of the interface. */
  readonly driverOptions?: Readonly<Record<string, string>>;
}

/** What a client gave, kept for those who inspect the container. */
export interface GivenConfig {
  readonly config: Readonly<Record<string, unknown>>;
  readonly hostConfig: Readonly<Record<string, unknown>>;
}

/** A container to be made, without any swarm. */
export interface ContainerCreate extends ContainerSettings {
  /** '' lets the backend choose one. */
  readonly name: string;
  readonly image: string;
  /** What the image has to be for, '' for anything. */
  readonly platform: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Absent: the image's. */
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env: readonly string[];
  readonly user?: string;
  readonly workingDir?: string;
  readonly hostname?: string;
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly restart?: RestartPolicy;
  readonly stopSignal?: string;
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
  /** Containers of the node's local network that it knows by name. */
  readonly links: readonly ContainerLink[];
  readonly resources: ContainerLimits;
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

/** The network that containers are on when nobody says which. */
export interface BridgeNetwork {
  /** "172.30.0.0/16" */
  readonly subnet: string;
  readonly gateway: string;
  /** Whether its containers reach each other. */
  readonly icc: boolean;
  readonly mtu: number;
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
  /** Undefined where nobody is on the node's own network. */
  readonly bridge: BridgeNetwork | undefined;
  /** The networks of this node alone that users have made. */
  localNetworks(): Promise<readonly Network[]>;
  createLocalNetwork(spec: NetworkSpec): Promise<string>;
  /** The networks of the swarm that this node takes part in, as its managers have told it. */
  joinedNetworks(): readonly JoinedNetwork[];
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
