/** Containers as they are: what the engine tells of each, and what it can be asked for while it runs. */

import type {
  ContainerConfig,
  ContainerLink,
  ContainerResources,
  ExposedPort,
  HealthConfig,
  MountConfig,
  PublishedPort,
  RestartPolicy,
} from './container-config.js';

export type ContainerState = 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'dead';

/** What to wait for: that it does not run (now, or from the next time on), its next end in any case, its removal. */
export type WaitCondition = 'not-running' | 'next-exit' | 'removed';

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

/** A mount as it is: `source` is the host path for binds, the name for volumes, the reference for images, '' for tmpfs. */
export interface ContainerMount {
  readonly type: MountConfig['type'];
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
  /** It ran out of memory since it was started the last time. */
  readonly oomKilled: boolean;
  /** 'none' when there is no health check, or it has not been started; 'unhealthy' when it has ended. */
  readonly health: 'none' | 'starting' | 'healthy' | 'unhealthy';
  /** The last probes, oldest first; only with a health check. */
  readonly healthLog?: readonly HealthProbe[];
  readonly healthFailingStreak?: number;
  /** The health check that applies. */
  readonly healthConfig?: HealthConfig;
  /** The name of its OCI runtime. */
  readonly runtime: string;
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
  /** Its own or its image's; '' for the usual one. */
  readonly stopSignal?: string;
  readonly user?: string;
  readonly workingDir?: string;
  readonly hostname?: string;
  readonly network?: {
    readonly address: string;
    readonly prefixLength: number;
    readonly gateway: string;
    readonly mac: string;
  };
  /** Its network namespace, while it runs with one of its own. */
  readonly netns?: string;
  /** Those that it is on; while it does not run those that it will be on, without endpoints, and of some the name is their id. */
  readonly networks: readonly ContainerNetworkInfo[];
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

export interface ExecResult {
  readonly code: number;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
}

export interface ContainerUpdate {
  /** Replaces what is named. */
  readonly resources?: Partial<ContainerResources>;
  readonly restart?: RestartPolicy;
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
