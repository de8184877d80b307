/** A compose project in its canonical form: every short form written out, every path absolute. Keys are the file's own. */

export type Dictionary = Readonly<Record<string, string | null>>;

export interface Port {
  readonly target: number;
  /** A port, a range, or '' where the cluster chooses. */
  readonly published: string;
  readonly protocol: string;
  readonly mode: string;
  readonly host_ip?: string;
}

export interface VolumeMount {
  readonly type: string;
  readonly source?: string;
  readonly target: string;
  readonly read_only?: boolean;
  readonly consistency?: string;
  readonly bind?: { readonly propagation?: string; readonly create_host_path?: boolean; readonly recursive?: string };
  readonly volume?: { readonly nocopy?: boolean; readonly subpath?: string; readonly labels?: Dictionary };
  readonly tmpfs?: { readonly size?: string | number; readonly mode?: string | number };
}

export interface FileUse {
  readonly source: string;
  readonly target?: string;
  readonly uid?: string;
  readonly gid?: string;
  readonly mode?: string | number;
}

export type DependencyCondition = 'service_started' | 'service_healthy' | 'service_completed_successfully';

export interface Dependency {
  readonly condition: DependencyCondition;
  readonly required: boolean;
}

export interface NetworkUse {
  readonly aliases?: readonly string[];
  readonly ipv4_address?: string;
  readonly ipv6_address?: string;
  readonly driver_opts?: Readonly<Record<string, unknown>>;
}

export interface Healthcheck {
  readonly disable?: boolean;
  readonly test?: readonly string[];
  readonly interval?: string;
  readonly timeout?: string;
  readonly retries?: number;
  readonly start_period?: string;
  readonly start_interval?: string;
}

export interface UpdateSettings {
  readonly parallelism?: number;
  readonly delay?: string;
  readonly failure_action?: string;
  readonly monitor?: string;
  readonly max_failure_ratio?: number;
  readonly order?: string;
}

export interface ResourceAmounts {
  readonly cpus?: string | number;
  readonly memory?: string | number;
  readonly pids?: number;
  readonly generic_resources?: readonly {
    readonly discrete_resource_spec?: { readonly kind: string; readonly value: number };
  }[];
}

export interface Deploy {
  readonly mode?: string;
  readonly replicas?: number;
  readonly endpoint_mode?: string;
  readonly labels?: Dictionary;
  readonly update_config?: UpdateSettings;
  readonly rollback_config?: UpdateSettings;
  readonly resources?: { readonly limits?: ResourceAmounts; readonly reservations?: ResourceAmounts };
  readonly restart_policy?: {
    readonly condition?: string;
    readonly delay?: string;
    readonly max_attempts?: number;
    readonly window?: string;
  };
  readonly placement?: {
    readonly constraints?: readonly string[];
    readonly preferences?: readonly { readonly spread?: string }[];
    readonly max_replicas_per_node?: number;
  };
}

export interface ComposeService {
  readonly image?: string;
  readonly build?: unknown;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Dictionary;
  readonly env_file?: readonly { readonly path: string; readonly required: boolean; readonly format?: string }[];
  readonly labels?: Dictionary;
  readonly label_file?: readonly string[];
  readonly hostname?: string;
  readonly user?: string;
  readonly working_dir?: string;
  readonly tty?: boolean;
  readonly stdin_open?: boolean;
  readonly read_only?: boolean;
  readonly init?: boolean;
  readonly stop_signal?: string;
  readonly stop_grace_period?: string;
  readonly healthcheck?: Healthcheck;
  readonly extra_hosts?: readonly string[];
  readonly dns?: readonly string[];
  readonly dns_search?: readonly string[];
  readonly dns_opt?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly group_add?: readonly (string | number)[];
  readonly ulimits?: Readonly<Record<string, { readonly soft: number; readonly hard: number }>>;
  readonly sysctls?: Dictionary;
  readonly oom_score_adj?: number;
  readonly ports?: readonly Port[];
  readonly volumes?: readonly VolumeMount[];
  readonly tmpfs?: readonly string[];
  readonly secrets?: readonly FileUse[];
  readonly configs?: readonly FileUse[];
  readonly networks?: Readonly<Record<string, NetworkUse | null>>;
  readonly network_mode?: string;
  readonly depends_on?: Readonly<Record<string, Dependency>>;
  readonly logging?: { readonly driver?: string; readonly options?: Dictionary };
  readonly deploy?: Deploy;
  readonly restart?: string;
  readonly scale?: number;
  readonly cpus?: string | number;
  readonly mem_limit?: string | number;
  readonly mem_reservation?: string | number;
  readonly mem_swappiness?: string | number;
  readonly memswap_limit?: string | number;
  readonly pids_limit?: string | number;
  readonly isolation?: string;
  readonly profiles?: readonly string[];
  readonly extends?: { readonly service: string; readonly file?: string };
  readonly [key: string]: unknown;
}

export interface ComposeNetwork {
  readonly name?: string;
  readonly driver?: string;
  readonly driver_opts?: Dictionary;
  readonly ipam?: {
    readonly driver?: string;
    readonly config?: readonly {
      readonly subnet?: string;
      readonly gateway?: string;
      readonly ip_range?: string;
      readonly aux_addresses?: Readonly<Record<string, string>>;
    }[];
    readonly options?: Dictionary;
  };
  readonly external?: boolean;
  readonly internal?: boolean;
  readonly attachable?: boolean;
  readonly enable_ipv6?: boolean;
  readonly labels?: Dictionary;
}

export interface ComposeVolume {
  readonly name?: string;
  readonly driver?: string;
  readonly driver_opts?: Dictionary;
  readonly external?: boolean;
  readonly labels?: Dictionary;
  readonly 'x-cluster-spec'?: ComposeClusterVolume;
}

interface Topology {
  readonly segments?: Dictionary;
}

/** What makes a volume one of the cluster. */
export interface ComposeClusterVolume {
  readonly group?: string;
  readonly access_mode?: {
    readonly scope?: string;
    readonly sharing?: string;
    readonly mount_volume?: { readonly fs_type?: string; readonly mount_flags?: readonly string[] } | null;
    readonly block_volume?: object | null;
  };
  readonly accessibility_requirements?: {
    readonly requisite?: readonly Topology[];
    readonly preferred?: readonly Topology[];
  };
  readonly capacity_range?: { readonly required_bytes?: string | number; readonly limit_bytes?: string | number };
  readonly secrets?: readonly { readonly key: string; readonly secret: string }[];
  readonly availability?: string;
}

/** A secret or config. */
export interface ComposePayload {
  readonly name?: string;
  readonly file?: string;
  readonly content?: string;
  readonly environment?: string;
  readonly external?: boolean;
  readonly labels?: Dictionary;
  readonly template_driver?: string;
}

export interface ComposeProject {
  readonly name?: string;
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly networks: Readonly<Record<string, ComposeNetwork>>;
  readonly volumes: Readonly<Record<string, ComposeVolume>>;
  readonly secrets: Readonly<Record<string, ComposePayload>>;
  readonly configs: Readonly<Record<string, ComposePayload>>;
}
