/** What a container is to be, in the engine's words. Whoever makes one says it; the engine keeps it and never changes it by itself. */

import type { Ulimit } from '@swarmts/lib';
import type { NetworkAttachment as SwarmAttachment } from '@swarmts/proto';
import type { Platform } from '../images/manifest.js';
import type { TerminalSize } from './session-api.js';

export interface RestartPolicy {
  readonly name: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  /** Of 'on-failure'; 0 = no limit. */
  readonly maxRetries: number;
}

export interface MountConfig {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image';
  /** Host path, volume name ('' = anonymous volume), or reference of an image. Unused for tmpfs. */
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  /** Bind propagation, default 'rprivate'. */
  readonly propagation?: string;
  readonly tmpfsSizeBytes?: number;
  /** Permission bits, e.g. 0o1777. */
  readonly tmpfsMode?: number;
  /** Do not copy the image's content into an empty volume. */
  readonly volumeNoCopy?: boolean;
  /** Options of mount(8) over Docker's own, e.g. "exec", "uid=5". */
  readonly tmpfsOptions?: readonly string[];
  /** With options, and among the mounts all the same: without it they are those of --tmpfs. */
  readonly isListed?: boolean;
  /** Without what is mounted below the source. */
  readonly bindNonRecursive?: boolean;
  /** What is mounted below a read-only source stays writable. */
  readonly bindReadOnlyNonRecursive?: boolean;
  /** Refused where what is mounted below a read-only source cannot be read-only as well. */
  readonly bindReadOnlyForceRecursive?: boolean;
  /** A bind source that is not there is made as a directory. */
  readonly bindCreateSource?: boolean;
  /** A directory within the volume. */
  readonly volumeSubpath?: string;
  /** A directory or file within the image. */
  readonly imageSubpath?: string;
  /** Of a volume that is made for this mount; default 'local'. */
  readonly volumeDriver?: string;
  readonly volumeOptions?: Readonly<Record<string, string>>;
  /** The options as they were given, "ro,z"; absent for a volume: Docker's. */
  readonly mode?: string;
  readonly volumeLabels?: Readonly<Record<string, string>>;
}

export interface PublishedPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly targetPort: number;
  /** 0 lets the engine choose. */
  readonly publishedPort: number;
  /** Any free port from `publishedPort` up to this one. */
  readonly lastPublishedPort?: number;
  readonly hostIp?: string;
}

export interface ExposedPort {
  readonly protocol: PublishedPort['protocol'];
  readonly targetPort: number;
}

/** Another container under a name of one's own. */
export interface ContainerLink {
  /** Name or id. */
  readonly container: string;
  readonly alias: string;
}

/** A network that a container is to be on. */
export interface NetworkWish {
  /** Id or name. */
  readonly target: string;
  readonly aliases: readonly string[];
  /** Fixed addresses, without prefix lengths. */
  readonly addresses: readonly string[];
  readonly mac?: string;
  /** Names that this container alone has for others on the network. */
  readonly links?: readonly ContainerLink[];
  /** Default 0: the default route leads to the network with the highest one. */
  readonly gatewayPriority?: number;
  /** Of its place there; see endpoint-sysctls of proto. */
  readonly driverOptions?: Readonly<Record<string, string>>;
  /** What the managers have given a task already. */
  readonly given?: { readonly endpointId: string; readonly attachment: SwarmAttachment };
}

export interface HealthConfig {
  /** ["CMD", ...], ["CMD-SHELL", line] or ["NONE"]; [] inherits the image's. */
  readonly test: readonly string[];
  readonly intervalNs: number;
  readonly timeoutNs: number;
  readonly startPeriodNs: number;
  readonly startIntervalNs: number;
  readonly retries: number;
}

/** A variable with the content of an injected file, without the line end that the file may end with. */
export interface SecretVariable {
  readonly name: string;
  /** Of the file, in the container. */
  readonly path: string;
}

/** A file put into the container on a tmpfs (secrets, configs). */
export interface InjectedFile {
  readonly path: string;
  readonly content: Uint8Array;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

/** A number for a block device. */
export interface Throttle {
  readonly path: string;
  readonly value: number;
}

export interface DeviceMapping {
  /** A device, or a directory of devices. */
  readonly hostPath: string;
  readonly containerPath: string;
  /** Of "rwm". */
  readonly permissions: string;
}

/** 0 and '' are no limit. */
export interface ContainerResources {
  readonly nanoCpus: number;
  readonly cpuShares?: number;
  readonly cpuPeriodUs?: number;
  readonly cpuQuotaUs?: number;
  /** "0-2,4" */
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly memoryBytes: number;
  readonly memoryReservationBytes: number;
  /** Memory plus swap; 0 = twice the memory limit as Docker, -1 = unlimited. */
  readonly memorySwapBytes?: number;
  /** 0-100 */
  readonly memorySwappiness?: number;
  readonly oomKillDisable?: boolean;
  /** 10-1000 */
  readonly blkioWeight?: number;
  readonly blkioWeightDevice?: readonly Throttle[];
  /** Bytes and operations per second. */
  readonly blkioReadBps?: readonly Throttle[];
  readonly blkioWriteBps?: readonly Throttle[];
  readonly blkioReadIops?: readonly Throttle[];
  readonly blkioWriteIops?: readonly Throttle[];
  /** 0 or less = no limit. */
  readonly pidsLimit: number;
  readonly ulimits?: readonly Ulimit[];
  readonly oomScoreAdj?: number;
}

/** A log driver with its options; '' is the engine's default driver. */
export interface LogChoice {
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
}

export interface ContainerConfig {
  /** Without the leading slash; unique on the node. */
  readonly name: string;
  /** Image reference or id. It must be in the local store. */
  readonly image: string;
  /** What the image has to be for; default: anything. */
  readonly platform?: Platform;
  readonly labels: Readonly<Record<string, string>>;
  /** Undefined takes the image's. */
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  /** "KEY=value", added to the image's. */
  readonly env: readonly string[];
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly workingDir?: string;
  /** Default: the first 12 characters of the id. */
  readonly hostname?: string;
  readonly domainname?: string;
  readonly tty?: boolean;
  readonly openStdin?: boolean;
  /** The input ends when the first one who was attached to it leaves. */
  readonly stdinOnce?: boolean;
  /** Of the terminal when it starts. */
  readonly consoleSize?: TerminalSize;
  readonly readOnlyRootfs?: boolean;
  readonly init?: boolean;
  readonly stopSignal?: string;
  /** Seconds between stop signal and SIGKILL; default 10. */
  readonly stopTimeoutSeconds?: number;
  readonly mounts: readonly MountConfig[];
  readonly files?: readonly InjectedFile[];
  /** Variables that hold what one of `files` does; it is told to nobody who asks for the container's configuration. */
  readonly secretEnv?: readonly SecretVariable[];
  readonly networkMode: 'local' | 'host' | 'none';
  /** Path of an existing network namespace to run in; replaces `networkMode`, and the engine neither makes nor removes it. */
  readonly networkNamespace?: string;
  /** With mode 'local': the networks to be on; absent: the node's local one, which is called bridge, alone. */
  readonly networks?: readonly NetworkWish[];
  readonly ports: readonly PublishedPort[];
  /** What it listens at, beside what its image says. */
  readonly exposedPorts?: readonly ExposedPort[];
  /** Containers of the node's local network that it knows by name and environment; they must run when it starts. */
  readonly links?: readonly ContainerLink[];
  /** "IP name" lines for /etc/hosts. */
  readonly extraHosts?: readonly string[];
  readonly dns?: {
    readonly servers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
  readonly resources: ContainerResources;
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly privileged?: boolean;
  readonly noNewPrivileges?: boolean;
  readonly seccompUnconfined?: boolean;
  /** JSON in Docker's format, instead of the default profile; '' is the one that is built in. */
  readonly seccompProfile?: string;
  /** Where the kernel has AppArmor. */
  readonly apparmorProfile?: string;
  /** Where the kernel has SELinux: the label of the processes. */
  readonly selinuxLabel?: string;
  /** Instead of the default ones. */
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly devices?: readonly DeviceMapping[];
  /** "c 1:3 mr" */
  readonly deviceRules?: readonly string[];
  /** Names of CDI devices, "vendor.com/class=name". */
  readonly cdiDevices?: readonly string[];
  /** Namespaces: '' private, 'host', or 'container:<id>'; ipc 'none' has no /dev/shm, 'shareable' is private. */
  readonly pidMode?: string;
  readonly ipcMode?: string;
  readonly utsMode?: string;
  readonly cgroupnsMode?: string;
  /** 'host' keeps the host's ids where the engine maps them. */
  readonly usernsMode?: string;
  /** Shares the network of this container, with network mode 'local'. */
  readonly networkContainer?: string;
  readonly cgroupParent?: string;
  /** Name of the OCI runtime; default: the engine's. */
  readonly runtime?: string;
  /** "<container>[:ro|rw]" */
  readonly volumesFrom?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
  /** What a client gave, kept for those who ask for it; the engine does not look into it. */
  readonly given?: unknown;
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly shmSizeBytes?: number;
  readonly health?: HealthConfig;
  /** Default: no. */
  readonly restart?: RestartPolicy;
  /** Removed with its anonymous volumes as soon as it has ended. */
  readonly autoRemove?: boolean;
  readonly log?: LogChoice;
}
