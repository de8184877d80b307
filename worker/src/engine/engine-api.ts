/**
 * The node's container engine as the agent and the API see it. Everything here works without any swarm. The engine
 * owns its state on disk, re-adopts its containers when it is opened, and never loses one: a container is in exactly one
 * of the states below, and only the engine moves it.
 */

import type { Ulimit } from '@swarmts/lib';
import type { NetworkAttachment as SwarmAttachment } from '@swarmts/proto';
import type { BuildOptions } from '../build/build-api.js';
import type { PathStat } from '../files/files-request.js';
import type { FileChange } from '../files/upper-changes.js';
import type { CommitOptions, ImageEngine } from '../images/image-api.js';
import type { Platform } from '../images/manifest.js';
import type { RuntimeVersion } from '../runtime/known-escapes.js';
import type { LimitSupport } from '../runtime/limit-support.js';
import type { LabelSupport } from '../runtime/security-labels.js';
import type { AttachOptions, ExecConfig, ExecInfo, Session, TerminalSize } from './session-api.js';

export type ContainerState = 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'dead';

export interface RestartPolicy {
  readonly name: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  /** Of 'on-failure'; 0 = no limit. */
  readonly maxRetries: number;
}

/** What to wait for: that it does not run (now, or from the next time on), its next end in any case, its removal. */
export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

export interface MountConfig {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  /** Host path, or volume name ('' = anonymous volume). Unused for tmpfs. */
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
  /** Without what is mounted below the source. */
  readonly bindNonRecursive?: boolean;
  /** A bind source that is not there is made as a directory. */
  readonly bindCreateSource?: boolean;
  /** A directory within the volume. */
  readonly volumeSubpath?: string;
  /** Of a volume that is made for this mount; default 'local'. */
  readonly volumeDriver?: string;
  readonly volumeOptions?: Readonly<Record<string, string>>;
  /** The options as they were given, "ro,z". */
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
  /** What the managers have given a task already. */
  readonly given?: { readonly endpointId: string; readonly attachment: SwarmAttachment };
}

/** A network that a container is on. */
export interface ContainerNetworkInfo {
  readonly id: string;
  readonly name: string;
  /** Absent in what earlier releases have written. */
  readonly driver?: string;
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

/** A log driver with its options; '' is the engine's default driver. */
export interface LogChoice {
  readonly driver: string;
  readonly options: Readonly<Record<string, string>>;
}

export interface ExitInfo {
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Non-empty when the container could not be started or its monitor died. */
  readonly error: string;
  readonly finishedAtMs: number;
}

export interface HealthProbe {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** -1 when the probe timed out or could not be run. */
  readonly exitCode: number;
  readonly output: string;
}

/** A mount as it is: `source` is the host path for binds, the volume's name for volumes, '' for tmpfs. */
export interface ContainerMount {
  readonly type: 'bind' | 'volume' | 'tmpfs';
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly mode?: string;
  readonly propagation?: string;
}

export interface ContainerInfo {
  readonly id: string;
  readonly config: ContainerConfig;
  readonly imageId: string;
  readonly state: ContainerState;
  readonly pid: number;
  readonly createdAtMs: number;
  readonly startedAtMs: number;
  readonly exit?: ExitInfo;
  /** 'none' when there is no health check. */
  readonly health: 'none' | 'starting' | 'healthy' | 'unhealthy';
  /** The last probes, oldest first; only with a health check. */
  readonly healthLog?: readonly HealthProbe[];
  readonly healthFailingStreak?: number;
  /** The health check that applies. */
  readonly healthConfig?: HealthConfig;
  /** Where hosts, hostname and resolv.conf of the container are. */
  readonly directory?: string;
  /** The directories of its image's layers, topmost first. */
  readonly layers?: readonly string[];
  /** What its log driver shows beside every line, for drivers whose logs can be read. */
  readonly logAttributes?: Readonly<Record<string, string>>;
  /** Of its processes, where the kernel has them. */
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
  /** SELinux's, of its files; '' for none. */
  readonly mountLabel?: string;
  readonly mounts?: readonly ContainerMount[];
  readonly user?: string;
  readonly workingDir?: string;
  readonly hostname?: string;
  readonly network?: {
    readonly address: string;
    readonly prefixLength: number;
    readonly gateway: string;
    readonly mac: string;
  };
  /** While it runs: the networks that it is on. */
  readonly networks?: readonly ContainerNetworkInfo[];
  /** With the ports that were chosen. */
  readonly ports: readonly PublishedPort[];
  /** What it listens at, as its image, its configuration and its published ports say. */
  readonly exposedPorts: readonly ExposedPort[];
  /** Those that apply to it, absent with all privileges. */
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  /** Containers that it is linked to, by the names that they have now. */
  readonly links: readonly ContainerLink[];
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  /** '' when nothing is logged. */
  readonly logPath: string;
  /** How often its restart policy has started it again since somebody did. */
  readonly restartCount: number;
}

export interface ImageInfo {
  /** "sha256:<hex>" of the image config. */
  readonly id: string;
  /** "name:tag" references. */
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly createdAtMs: number;
  /** As the image's config has it. */
  readonly created: string;
  /** Bytes of the unpacked layers. */
  readonly sizeBytes: number;
  readonly architecture: string;
  readonly variant?: string;
  readonly os: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The raw OCI image config. */
  readonly config: ImageConfig;
  readonly layers: readonly string[];
  /** Id of the image that it was made from on this node, or ''. */
  readonly parent: string;
  readonly hasChildren: boolean;
  readonly author: string;
  readonly comment: string;
  /** 0 when it was never tagged here. */
  readonly taggedAtMs: number;
  /** Of the unpacked layers, topmost first. */
  readonly directories: readonly string[];
}

export interface ImageConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, unknown>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: Readonly<Record<string, unknown>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly Shell?: readonly string[];
  readonly OnBuild?: readonly string[];
  readonly Healthcheck?: {
    readonly Test?: readonly string[];
    readonly Interval?: number;
    readonly Timeout?: number;
    readonly StartPeriod?: number;
    readonly StartInterval?: number;
    readonly Retries?: number;
  };
}

export interface RegistryAuth {
  readonly username: string;
  readonly password: string;
  readonly identityToken?: string;
  readonly serverAddress?: string;
}

/** What a registry says that a reference stands for. */
export interface ImageResolution {
  readonly digest: string;
  /** Of the manifest or index that the digest is of. */
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly platforms: readonly { readonly architecture: string; readonly os: string; readonly variant?: string }[];
}

/** One record of Docker's progress stream. */
export interface PullProgress {
  readonly id?: string;
  readonly status?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  /** What programs read, such as the digest that was pushed. */
  readonly aux?: Readonly<Record<string, unknown>>;
}

export interface LogEntry {
  readonly stream: 'stdout' | 'stderr';
  /** Nanoseconds since the epoch. */
  readonly timeNs: bigint;
  /** With its trailing newline; without one it is a part of a line, and the next entry of the stream goes on with it. */
  readonly line: Uint8Array;
}

/** A place in a log: everything before it is left out. */
export interface LogPosition {
  readonly inode: number;
  readonly offset: number;
}

export interface LogOptions {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  /** Number of last lines, -1 = all. */
  readonly tail: number;
  readonly sinceNs?: bigint;
  readonly untilNs?: bigint;
  /** Where to begin instead of `tail`. */
  readonly from?: LogPosition;
}

export interface VolumeInfo {
  readonly name: string;
  readonly driver: 'local';
  readonly mountpoint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly createdAtMs: number;
}

export interface EngineEvent {
  readonly type: 'container' | 'image' | 'volume' | 'network';
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeMs: number;
}

export interface ExecResult {
  readonly code: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

export interface BlockTransfer {
  readonly major: number;
  readonly minor: number;
  /** "read", "write", ... */
  readonly op: string;
  readonly bytes: number;
}

export interface NetworkTransfer {
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

/** What a container uses; 0 where the kernel does not say. */
export interface ContainerStats {
  readonly readAtMs: number;
  readonly cpu: {
    readonly totalNs: number;
    /** Only with cgroup v1. */
    readonly perCpuNs: readonly number[];
    readonly userNs: number;
    readonly kernelNs: number;
    /** Of the whole machine. */
    readonly systemNs: number;
    readonly onlineCpus: number;
    readonly periods: number;
    readonly throttledPeriods: number;
    readonly throttledNs: number;
  };
  readonly memory: {
    readonly usage: number;
    readonly maxUsage: number;
    /** The machine's memory when there is none. */
    readonly limit: number;
    readonly failures: number;
    /** memory.stat, as the kernel names its lines. */
    readonly details: Readonly<Record<string, number>>;
  };
  readonly pids: { readonly current: number; readonly limit: number };
  readonly blocks: readonly BlockTransfer[];
  /** By the name of the interface. */
  readonly networks: Readonly<Record<string, NetworkTransfer>>;
}

export interface ContainerUpdate {
  /** Replaces what is named. */
  readonly resources?: Partial<ContainerResources>;
  readonly restart?: RestartPolicy;
}

export interface ContainerEngine {
  readonly images: ImageEngine;
  readonly volumes: {
    create(v: {
      name: string;
      labels?: Readonly<Record<string, string>>;
      options?: Readonly<Record<string, string>>;
    }): Promise<VolumeInfo>;
    list(): Promise<readonly VolumeInfo[]>;
    find(name: string): Promise<VolumeInfo | undefined>;
    /** Where a volume's content is. */
    pathOf(name: string): string;
    remove(name: string, force: boolean): Promise<void>;
  };
  /** Returns the id; `warn` hears what the container is made without. Name taken: SwarmtsError 'conflict' as Docker words it. Nothing is left behind on failure. */
  create(config: ContainerConfig, warn?: (text: string) => void): Promise<string>;
  /**
   * Resolves when the process runs; running already is no error. When it cannot be started, the container keeps the state
   * it had and `exit` of its info says why (exit code 127: command not found, 126: not executable, 128: anything else).
   */
  start(id: string): Promise<void>;
  /**
   * Stop signal, grace, SIGKILL; resolves when it has exited. Not running: no error. Without a timeout or signal the container's own;
   * a negative timeout waits for ever.
   */
  stop(id: string, timeoutSeconds?: number, signal?: string): Promise<void>;
  kill(id: string, signal: string): Promise<void>;
  pause(id: string): Promise<void>;
  unpause(id: string): Promise<void>;
  remove(id: string, options: { force: boolean; volumes: boolean }): Promise<void>;
  /** Joins a container to a network, at once when it runs. On it already: 'conflict'. */
  connect(id: string, wish: NetworkWish): Promise<void>;
  /** Takes a container off a network, at once when it runs. Not on it: 'not-found'. */
  disconnect(id: string, network: { readonly id: string; readonly name: string }): Promise<void>;
  /** Resolves when the condition is met; default: not-running, at once for one that does not run. */
  wait(id: string, signal?: AbortSignal, condition?: WaitCondition): Promise<ExitInfo>;
  /** Stops it, where it runs, and starts it. */
  restart(id: string, timeoutSeconds?: number, signal?: string): Promise<void>;
  /** The new name is unique: 'conflict'. */
  rename(id: string, name: string): Promise<void>;
  /** Changes limits, also of one that runs, and the restart policy. Returns warnings about limits that this machine cannot keep. */
  update(id: string, change: ContainerUpdate): Promise<readonly string[]>;
  /** Undefined when it does not run. */
  stats(id: string): ContainerStats | undefined;
  /** The processes of a running container, as ps(1) of the host prints them with these arguments; default -ef. */
  top(id: string, psArgs: string): Promise<{ readonly titles: readonly string[]; readonly rows: readonly string[][] }>;
  /** Bytes of a volume's content. Walks the files. */
  volumeBytes(name: string): Promise<number>;
  /** What is at a path in a container. Not there: 'not-found'. */
  statPath(id: string, path: string): Promise<PathStat>;
  /** The tar archive of a path in a container, running or not. */
  readArchive(id: string, path: string, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /**
   * Unpacks a tar archive into a directory of a container. `keepKinds`: a directory is not replaced by something else, nor the other
   * way round; `ownIds`: everything belongs to the container's user.
   */
  writeArchive(
    id: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: { readonly keepKinds: boolean; readonly ownIds: boolean },
    signal?: AbortSignal,
  ): Promise<void>;
  /** The tar archive of a container's own files, without volumes. */
  export(id: string, signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** What a container has changed of its image, sorted by path. */
  changes(id: string): Promise<readonly FileChange[]>;
  /** Bytes of the container's own layer, and with its image's. Walks the files. */
  sizes(id: string): Promise<{ readonly ownBytes: number; readonly totalBytes: number }>;
  /** By id, unique id prefix or name. */
  find(nameOrId: string): ContainerInfo | undefined;
  /** Also by a container that is still being made. */
  isNameTaken(name: string): boolean;
  list(): readonly ContainerInfo[];
  logs(id: string, options: LogOptions, signal?: AbortSignal): AsyncIterable<LogEntry>;
  /** Runs a command inside a running container to its end (health checks, simple exec). Throws 'timeout' when it takes too long. */
  exec(
    id: string,
    argv: readonly string[],
    options: { env?: readonly string[]; user?: string; timeoutMs?: number },
  ): Promise<ExecResult>;
  /** Makes an image of a container's file system; resolves to the id. */
  commit(id: string, options: CommitOptions): Promise<string>;
  /** Prepares a command in a running container. Not running: 'conflict'. */
  createExec(id: string, config: ExecConfig): Promise<string>;
  /** Runs it; with `detach` nobody is at its streams. Throws Docker's message when it cannot be started. */
  startExec(execId: string, options: { readonly detach: boolean; readonly size?: TerminalSize }): Promise<Session>;
  resizeExec(execId: string, size: TerminalSize): Promise<void>;
  /** 'not-found' when there is no such exec, or its container is gone. */
  findExec(execId: string): ExecInfo;
  /** Ids of a container's execs that have not ended. */
  execsOf(id: string): readonly string[];
  /** At the streams of a container's own process, from before it starts if need be. */
  attach(id: string, options: AttachOptions): Promise<Session>;
  /** Of the terminal of a running container. */
  resize(id: string, size: TerminalSize): Promise<void>;
  /** Builds an image from a Dockerfile; resolves to the id. Bad input and failed commands throw 'invalid-argument'. */
  build(options: BuildOptions): Promise<string>;
  /** Synchronous notification; returns the unsubscribe function. */
  onEvent(listener: (e: EngineEvent) => void): () => void;
  info(): {
    readonly containers: number;
    readonly running: number;
    readonly paused: number;
    readonly stopped: number;
    readonly images: number;
    /** Path of the OCI runtime that new containers get. */
    readonly runtime: string;
    /** Names of those that a container may ask for. */
    readonly runtimes: readonly string[];
    readonly limits: LimitSupport;
    readonly labels: LabelSupport;
    /** Whether containers are in user namespaces. */
    readonly mapsIds: boolean;
  };
  /** What the OCI runtime of new containers says of itself; undefined for one that is not known. */
  runtimeVersion(): Promise<RuntimeVersion | undefined>;
  /** Lets go of everything in memory; containers go on running. */
  close(): Promise<void>;
}
