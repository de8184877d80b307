/** What the API needs of the daemon and its machine. */
import type { GenericResource } from '@swarmts/proto';
import type { NodeBackend } from './node-backend.js';

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
  /** What the layers are kept on, in Docker's words: "extfs", "xfs". */
  readonly backingFilesystem: string;
  readonly cgroupDriver: string;
  readonly cgroupVersion: string;
  readonly defaultRuntime: string;
  readonly runtimes: readonly string[];
  /** Where devices are described, and the names of those that are, "vendor.com/class=name". */
  readonly cdiDirectories: readonly string[];
  readonly cdiDevices: readonly string[];
  readonly labels: readonly string[];
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  readonly containers: number;
  readonly running: number;
  readonly paused: number;
  readonly stopped: number;
  readonly images: number;
  readonly debug: boolean;
  /** File descriptors that the daemon has open. */
  readonly openFiles: number;
  readonly warnings: readonly string[];
  readonly limits: LimitSupport;
  /** What the kernel labels processes with: "apparmor", "selinux". */
  readonly securityModules: readonly string[];
  /** Whether containers are in user namespaces. */
  readonly mapsIds: boolean;
  /** Whether containers see no groups but their own, unless they say otherwise. */
  readonly isolatesCgroups: boolean;
  /** Of containers that name none. */
  readonly logDriver: string;
  readonly genericResources: readonly GenericResource[];
  /** "builtin", "unconfined", or "custom" for a file. */
  readonly seccompProfile: string;
  readonly noNewPrivileges: boolean;
  /** That registries are reached by, without passwords; '' for none. */
  readonly proxies: { readonly http: string; readonly https: string; readonly none: string };
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
  /** What happens to the daemon itself. */
  onEvent: NodeBackend['onEvent'];
}
