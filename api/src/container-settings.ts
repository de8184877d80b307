/**
 * How a container is set up, in the names of the engine: what a client asks for when it makes one, and what is told of every
 * container afterwards, whoever has made it. What is absent is as the node has it by default.
 */
import type { TerminalSize } from './container-backend.js';
import type { ContainerLimits } from './container-limits.js';

export interface ContainerMountWish {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image';
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly propagation?: string;
  readonly bindNonRecursive?: boolean;
  /** What is mounted below a read-only source stays writable. */
  readonly bindReadOnlyNonRecursive?: boolean;
  /** Refused where what is mounted below a read-only source cannot be read-only as well. */
  readonly bindReadOnlyForceRecursive?: boolean;
  readonly bindCreateSource?: boolean;
  readonly tmpfsSizeBytes?: number;
  readonly tmpfsMode?: number;
  readonly tmpfsOptions?: readonly string[];
  /** With options, and among the mounts all the same: without it they are those of --tmpfs. */
  readonly isListed?: boolean;
  readonly volumeNoCopy?: boolean;
  readonly volumeLabels?: Readonly<Record<string, string>>;
  readonly volumeSubpath?: string;
  readonly imageSubpath?: string;
  readonly volumeDriver?: string;
  readonly volumeOptions?: Readonly<Record<string, string>>;
  /** As it was given, "ro,z". */
  readonly mode?: string;
}

export interface ContainerSettings {
  readonly groups?: readonly string[];
  readonly domainname?: string;
  /** The input ends when the first one who is attached to it leaves. */
  readonly stdinOnce?: boolean;
  readonly consoleSize?: TerminalSize;
  readonly autoRemove?: boolean;
  readonly stopTimeoutSeconds?: number;
  readonly mounts?: readonly ContainerMountWish[];
  readonly volumesFrom?: readonly string[];
  /** Lines of /etc/hosts. */
  readonly extraHosts?: readonly string[];
  readonly dns?: {
    readonly servers: readonly string[];
    readonly search: readonly string[];
    readonly options: readonly string[];
  };
  readonly resources?: Partial<ContainerLimits>;
  readonly devices?: readonly {
    readonly hostPath: string;
    readonly containerPath: string;
    readonly permissions: string;
  }[];
  readonly deviceRules?: readonly string[];
  readonly cdiDevices?: readonly string[];
  readonly capAdd?: readonly string[];
  readonly capDrop?: readonly string[];
  readonly privileged?: boolean;
  readonly readOnlyRootfs?: boolean;
  readonly init?: boolean;
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly shmSizeBytes?: number;
  readonly noNewPrivileges?: boolean;
  readonly seccompUnconfined?: boolean;
  readonly seccompProfile?: string;
  readonly apparmorProfile?: string;
  readonly selinuxLabel?: string;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly pidMode?: string;
  readonly ipcMode?: string;
  readonly utsMode?: string;
  readonly cgroupnsMode?: string;
  readonly usernsMode?: string;
  readonly cgroupParent?: string;
  readonly runtime?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Driver '': the node's default. */
  readonly log?: { readonly driver: string; readonly options: Readonly<Record<string, string>> };
}
