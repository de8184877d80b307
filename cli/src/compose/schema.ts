/**
 * What a compose file may contain, as a JSON Schema in our own words. Source of the facts: the Compose Specification. Numbers and
 * booleans may be written as strings, because interpolation makes strings; keys that begin with x- are allowed everywhere.
 */
type Schema = Readonly<Record<string, unknown>>;

const string: Schema = { type: 'string' };
const integer: Schema = { type: 'integer' };
const boolean: Schema = { type: 'boolean' };
const scalar: Schema = { type: ['string', 'number', 'boolean', 'null'] };
const count: Schema = { type: 'integer', minimum: 0 };
const duration: Schema = { type: 'string', format: 'duration' };
const size: Schema = { type: ['string', 'number'], minimum: 0, format: 'size' };
/** Of swap, where -1 is without limit. */
const swap: Schema = { type: ['string', 'number'], minimum: -1, format: 'swap' };
const cpus: Schema = { type: ['string', 'number'], minimum: 0, format: 'cpus' };
const number: Schema = { type: ['string', 'number'] };
const strings: Schema = { type: 'array', items: string };
const stringOrStrings: Schema = { anyOf: [strings, string] };
const dictionary: Schema = { anyOf: [{ type: 'object', additionalProperties: scalar }, strings] };
const choice = (...values: readonly string[]): Schema => ({ type: 'string', enum: values });
const listOf = (items: Schema): Schema => ({ type: 'array', items });
const mapOf = (value: Schema): Schema => ({
  type: 'object',
  patternProperties: { '^[a-zA-Z0-9._-]+$': value },
  additionalProperties: false,
});
const orNull = (s: Schema): Schema => ({ anyOf: [s, { type: 'null' }] });

function object(properties: Readonly<Record<string, Schema>>, required: readonly string[] = []): Schema {
  return { type: 'object', properties, required, additionalProperties: false, patternProperties: { '^x-': {} } };
}

const healthcheck = object({
  disable: boolean,
  test: stringOrStrings,
  interval: duration,
  timeout: duration,
  retries: count,
  start_period: duration,
  start_interval: duration,
});

const genericResources = listOf(object({ discrete_resource_spec: object({ kind: string, value: integer }) }));
const deviceRequests = listOf(
  object({
    capabilities: strings,
    count: { type: ['string', 'integer'] },
    device_ids: strings,
    driver: string,
    options: dictionary,
  }),
);

const update = object({
  parallelism: count,
  delay: duration,
  failure_action: string,
  monitor: duration,
  max_failure_ratio: { type: 'number' },
  order: choice('start-first', 'stop-first'),
});

const deploy = orNull(
  object({
    mode: choice('replicated', 'global', 'replicated-job', 'global-job'),
    replicas: count,
    endpoint_mode: choice('vip', 'dnsrr'),
    labels: dictionary,
    update_config: update,
    rollback_config: update,
    resources: object({
      limits: object({ cpus, memory: size, pids: integer }),
      reservations: object({
        cpus,
        memory: size,
        generic_resources: genericResources,
        devices: deviceRequests,
      }),
    }),
    restart_policy: object({ condition: string, delay: duration, max_attempts: count, window: duration }),
    placement: object({
      constraints: strings,
      preferences: listOf(object({ spread: string })),
      max_replicas_per_node: count,
    }),
  }),
);

const build = {
  anyOf: [string, { type: 'object' }],
};

const dependsOn = {
  anyOf: [
    strings,
    mapOf(
      object(
        {
          condition: choice('service_started', 'service_healthy', 'service_completed_successfully'),
          required: boolean,
          restart: boolean,
        },
        ['condition'],
      ),
    ),
  ],
};

const fileReference = {
  anyOf: [
    string,
    object({ source: string, target: string, uid: string, gid: string, mode: { type: ['string', 'number'] } }),
  ],
};

const port = {
  anyOf: [
    { type: 'number' },
    string,
    object(
      {
        name: string,
        mode: choice('ingress', 'host'),
        host_ip: string,
        target: integer,
        published: { type: ['string', 'integer'] },
        protocol: choice('tcp', 'udp', 'sctp'),
        app_protocol: string,
      },
      ['target'],
    ),
  ],
};

const volumeMount = {
  anyOf: [
    string,
    object(
      {
        type: choice('volume', 'bind', 'tmpfs', 'npipe', 'cluster', 'image'),
        source: string,
        target: string,
        read_only: boolean,
        consistency: string,
        bind: object({ propagation: string, create_host_path: boolean, recursive: string, selinux: string }),
        volume: object({ nocopy: boolean, subpath: string, labels: dictionary }),
        tmpfs: object({ size: size, mode: { type: ['string', 'number'] } }),
        image: object({ subpath: string }),
      },
      ['type'],
    ),
  ],
};

const networkAttachment = orNull(
  object({
    aliases: strings,
    ipv4_address: string,
    ipv6_address: string,
    link_local_ips: strings,
    mac_address: string,
    priority: { type: 'number' },
    gw_priority: { type: 'number' },
    interface_name: string,
    driver_opts: { type: 'object', additionalProperties: scalar },
  }),
);

const ulimit = { anyOf: [integer, object({ soft: integer, hard: integer }, ['soft', 'hard'])] };

const envFile = {
  anyOf: [string, listOf({ anyOf: [string, object({ path: string, required: boolean, format: string }, ['path'])] })],
};

/** Commands beside a container's own, and when they run. */
const hooks = listOf({ type: 'object' });

const service = object({
  annotations: dictionary,
  attach: boolean,
  blkio_config: { type: 'object' },
  build,
  cap_add: strings,
  cap_drop: strings,
  cgroup: string,
  cgroup_parent: string,
  cgroupns_mode: string,
  command: orNull(stringOrStrings),
  configs: listOf(fileReference),
  container_name: string,
  cpu_count: number,
  cpu_percent: number,
  cpu_period: number,
  cpu_quota: number,
  cpu_rt_period: number,
  cpu_rt_runtime: number,
  cpu_shares: number,
  cpus,
  cpuset: string,
  credential_spec: { type: 'object' },
  depends_on: dependsOn,
  deploy,
  develop: orNull({ type: 'object' }),
  device_cgroup_rules: strings,
  devices: listOf({ anyOf: [string, object({ source: string, target: string, permissions: string }, ['source'])] }),
  dns: stringOrStrings,
  dns_opt: strings,
  dns_search: stringOrStrings,
  domainname: string,
  driver_opts: { type: 'object' },
  entrypoint: orNull(stringOrStrings),
  env_file: envFile,
  environment: dictionary,
  expose: listOf({ type: ['string', 'number'] }),
  extends: { anyOf: [string, object({ service: string, file: string }, ['service'])] },
  external_links: strings,
  extra_hosts: dictionary,
  gpus: { anyOf: [choice('all'), deviceRequests] },
  group_add: listOf({ type: ['string', 'number'] }),
  healthcheck,
  hostname: string,
  image: string,
  init: boolean,
  ipc: string,
  isolation: string,
  label_file: stringOrStrings,
  labels: dictionary,
  links: strings,
  logging: object({ driver: string, options: { type: 'object', additionalProperties: scalar } }),
  mac_address: string,
  mem_limit: size,
  mem_reservation: size,
  mem_swappiness: number,
  memswap_limit: swap,
  models: { anyOf: [strings, { type: 'object' }] },
  network_mode: string,
  networks: { anyOf: [strings, mapOf(networkAttachment)] },
  oom_kill_disable: boolean,
  oom_score_adj: integer,
  pid: orNull(string),
  pids_limit: number,
  platform: string,
  ports: listOf(port),
  post_start: hooks,
  pre_start: hooks,
  pre_stop: hooks,
  privileged: boolean,
  profiles: strings,
  provider: { type: 'object' },
  pull_policy: string,
  read_only: boolean,
  restart: string,
  runtime: string,
  scale: count,
  secrets: listOf(fileReference),
  security_opt: strings,
  shm_size: size,
  stdin_open: boolean,
  stop_grace_period: duration,
  stop_signal: string,
  storage_opt: { type: 'object' },
  sysctls: dictionary,
  tmpfs: stringOrStrings,
  tty: boolean,
  use_api_socket: boolean,
  ulimits: mapOf(ulimit),
  user: string,
  userns_mode: string,
  uts: string,
  volumes: listOf(volumeMount),
  volumes_from: strings,
  working_dir: string,
});

const external = { anyOf: [boolean, object({ name: string })] };

const network = orNull(
  object({
    name: string,
    driver: string,
    driver_opts: { type: 'object', additionalProperties: scalar },
    ipam: object({
      driver: string,
      config: listOf(
        object({
          subnet: string,
          gateway: string,
          ip_range: string,
          aux_addresses: { type: 'object', additionalProperties: string },
        }),
      ),
      options: { type: 'object', additionalProperties: scalar },
    }),
    external,
    internal: boolean,
    attachable: boolean,
    enable_ipv4: boolean,
    enable_ipv6: boolean,
    labels: dictionary,
  }),
);

const topologies = listOf(object({ segments: dictionary }));

/** Of Docker's stack files. */
const clusterSpec = object({
  group: string,
  access_mode: object({
    scope: choice('single', 'multi'),
    sharing: choice('none', 'readonly', 'onewriter', 'all'),
    mount_volume: orNull(object({ fs_type: string, mount_flags: strings })),
    block_volume: orNull(object({})),
  }),
  accessibility_requirements: object({ requisite: topologies, preferred: topologies }),
  capacity_range: object({ required_bytes: size, limit_bytes: size }),
  secrets: listOf(object({ key: string, secret: string }, ['key', 'secret'])),
  availability: choice('active', 'pause', 'drain'),
});

const volume = orNull(
  object({
    name: string,
    driver: string,
    driver_opts: { type: 'object', additionalProperties: scalar },
    external,
    labels: dictionary,
    'x-cluster-spec': clusterSpec,
  }),
);

const payload = object({
  name: string,
  file: string,
  content: string,
  environment: string,
  external,
  labels: dictionary,
  driver: string,
  driver_opts: { type: 'object', additionalProperties: scalar },
  template_driver: string,
});

export const composeSchema: Schema = object({
  version: string,
  name: { type: 'string' },
  include: listOf({
    anyOf: [string, object({ path: stringOrStrings, env_file: stringOrStrings, project_directory: string }, ['path'])],
  }),
  services: mapOf(service),
  networks: mapOf(network),
  volumes: mapOf(volume),
  models: { type: 'object' },
  secrets: mapOf(payload),
  configs: mapOf(payload),
});
