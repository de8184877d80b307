/** A service of a compose project as the spec that the API takes. What Docker's stacks ignore is ignored with a warning. */
import { existsSync, readFileSync } from 'node:fs';
import { parseBytes, parseCpus, parsePositiveDuration, parseSwapBytes } from '../args/quantity.js';
import { withoutNulls } from '../compose/dictionary.js';
import { parseRawVariables, parseVariables } from '../compose/env-file.js';
import type {
  ComposeProject,
  ComposeService,
  Deploy,
  FileUse,
  ResourceAmounts,
  UpdateSettings,
} from '../compose/model.js';
import type {
  ConfigReference,
  ContainerSpec,
  FileReference,
  HealthConfig,
  NetworkAttachment,
  PortConfig,
  Resources,
  RestartPolicy,
  SecretReference,
  ServiceMode,
  ServiceSpec,
  UpdateConfig,
} from '../engine-types.js';
import { CommandError, errorText, fileErrorText } from '../exit.js';
import { defined, nonEmpty, nonEmptyMap } from '../service/edit.js';
import { mountsOf } from './mounts.js';
import { IMAGE_LABEL, NAMESPACE_LABEL, scoped } from './names.js';

export interface ConvertContext {
  readonly stack: string;
  readonly project: ComposeProject;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Keys that a service of a cluster has no use for. */
export const IGNORED_KEYS = [
  'attach',
  'blkio_config',
  'build',
  'cgroup',
  'cgroup_parent',
  'cgroupns_mode',
  'container_name',
  'cpu_count',
  'cpu_percent',
  'cpu_period',
  'cpu_quota',
  'cpu_rt_period',
  'cpu_rt_runtime',
  'cpu_shares',
  'cpuset',
  'credential_spec',
  'develop',
  'device_cgroup_rules',
  'domainname',
  'driver_opts',
  'expose',
  'external_links',
  'ipc',
  'links',
  'mac_address',
  'models',
  'oom_kill_disable',
  'pid',
  'platform',
  'post_start',
  'pre_start',
  'pre_stop',
  'provider',
  'pull_policy',
  'runtime',
  'storage_opt',
  'use_api_socket',
  'uts',
  'volumes_from',
] as const;

/** The spec, with secrets and configs by their names in the cluster only: see `withPayloadIds`. */
export function serviceSpec(name: string, s: ComposeService, c: ConvertContext): ServiceSpec {
  try {
    return convert(name, s, c);
  } catch (e) {
    throw new CommandError(`service ${name}: ${errorText(e)}`);
  }
}

/** The spec with the ids of its secrets and configs, which are given by name. */
export function withPayloadIds(
  spec: ServiceSpec,
  secretIds: ReadonlyMap<string, string>,
  configIds: ReadonlyMap<string, string>,
): ServiceSpec {
  const task = spec.TaskTemplate;
  const { Secrets: secrets, Configs: configs, ...container } = task?.ContainerSpec ?? {};
  const withIds = defined({
    ...container,
    Secrets: secrets?.map((r) => ({ ...r, SecretID: idOf(secretIds, r.SecretName ?? '', 'secret') })),
    Configs: configs?.map((r) => ({ ...r, ConfigID: idOf(configIds, r.ConfigName ?? '', 'config') })),
  });
  return { ...spec, TaskTemplate: { ...task, ContainerSpec: withIds } };
}

function idOf(ids: ReadonlyMap<string, string>, name: string, kind: string): string {
  const id = ids.get(name);
  if (id === undefined) throw new CommandError(`${kind} not found: ${name}`);
  return id;
}

function convert(name: string, s: ComposeService, c: ConvertContext): ServiceSpec {
  if (!s.image)
    throw new Error('it has no image; `build` is not part of deploying: build and push the image, and name it');
  const own = { [NAMESPACE_LABEL]: c.stack };
  return {
    Name: scoped(c.stack, name),
    Labels: { ...extensionLabels(s), ...withoutNulls(s.deploy?.labels), [IMAGE_LABEL]: s.image, ...own },
    TaskTemplate: defined({
      ContainerSpec: containerSpec(s, c, own),
      Resources: resources(s),
      RestartPolicy: restartPolicy(s),
      Placement: placement(s.deploy),
      LogDriver: s.logging && { Name: s.logging.driver ?? '', Options: withoutNulls(s.logging.options) },
      Networks: networks(name, s, c),
    }),
    Mode: mode(s),
    ...optional('UpdateConfig', update(s.deploy?.update_config)),
    ...optional('RollbackConfig', update(s.deploy?.rollback_config)),
    ...optional('EndpointSpec', endpoint(s)),
  };
}

/** What Docker's spec has no field for is kept in labels; see EXTENSIONS. */
function extensionLabels(s: ComposeService): Record<string, string> {
  const devices = (s.devices ?? []) as readonly (string | { source: string; target?: string; permissions?: string })[];
  const texts = devices.map((d) =>
    typeof d === 'string' ? d : [d.source, d.target ?? d.source, d.permissions ?? 'rwm'].join(':'),
  );
  const security = (s.security_opt ?? []) as readonly string[];
  return defined({
    'swarmts.privileged': s.privileged === true ? 'true' : undefined,
    'swarmts.userns': s.userns_mode === undefined || s.userns_mode === '' ? undefined : String(s.userns_mode),
    'swarmts.shm-size': s.shm_size === undefined ? undefined : String(s.shm_size),
    'swarmts.devices': texts.length === 0 ? undefined : texts.join(','),
    'swarmts.gpus': s.gpus === 'all' ? 'all' : undefined,
    'swarmts.security-opt': security.length === 0 ? undefined : security.map((o) => o.replace(':', '=')).join(','),
    'swarmts.publish.host-ip': hostIps(s),
  }) as Record<string, string>;
}

function hostIps(s: ComposeService): string | undefined {
  const ports = (s.ports ?? []).filter((p) => p.host_ip !== undefined && p.mode === 'host');
  return ports.length === 0 ? undefined : ports.map((p) => `${p.target}/${p.protocol}=${p.host_ip}`).join(',');
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}

function containerSpec(s: ComposeService, c: ConvertContext, own: Readonly<Record<string, string>>): ContainerSpec {
  const dns = defined({
    Nameservers: nonEmpty(s.dns ?? []),
    Search: nonEmpty(s.dns_search ?? []),
    Options: nonEmpty(s.dns_opt ?? []),
  });
  return defined({
    Image: s.image,
    Labels: { ...labels(s, c.env), ...own },
    Command: s.entrypoint,
    Args: s.command,
    Hostname: s.hostname,
    Env: nonEmpty(environment(s, c.env)),
    Dir: s.working_dir,
    User: s.user,
    Groups: s.group_add?.map(String),
    TTY: s.tty,
    OpenStdin: s.stdin_open,
    ReadOnly: s.read_only,
    Mounts: nonEmpty(mountsOf(s, c.stack, c.project.volumes)),
    StopSignal: s.stop_signal,
    StopGracePeriod: duration(s.stop_grace_period),
    Healthcheck: health(s),
    Hosts: s.extra_hosts?.map(hostLine),
    DNSConfig: Object.keys(dns).length === 0 ? undefined : dns,
    Secrets: nonEmpty(
      (s.secrets ?? []).map((r): SecretReference => {
        const SecretName = payloadName('secrets', r.source, c);
        return { SecretID: '', SecretName, File: fileOf(r, r.source) };
      }),
    ),
    Configs: nonEmpty(
      (s.configs ?? []).map((r): ConfigReference => {
        const ConfigName = payloadName('configs', r.source, c);
        return { ConfigID: '', ConfigName, File: fileOf(r, `/${r.source}`) };
      }),
    ),
    Isolation: s.isolation,
    Init: s.init,
    Sysctls: nonEmptyMap(withoutNulls(s.sysctls)),
    CapabilityAdd: nonEmpty(s.cap_add ?? []),
    CapabilityDrop: nonEmpty(s.cap_drop ?? []),
    Ulimits: nonEmpty(Object.entries(s.ulimits ?? {}).map(([Name, u]) => ({ Name, Soft: u.soft, Hard: u.hard }))),
    OomScoreAdj: s.oom_score_adj,
  });
}

/** Files first, then the file's own variables; a key without value takes the caller's, or is left out. */
function environment(s: ComposeService, env: Env): string[] {
  const variables: Record<string, string> = {};
  for (const f of s.env_file ?? []) {
    if (!f.required && !existsSync(f.path)) continue;
    Object.assign(variables, variablesOf('env file', f.path, env, f.format));
  }
  for (const [key, value] of Object.entries(s.environment ?? {})) {
    const actual = value ?? env[key];
    if (actual === undefined) delete variables[key];
    else variables[key] = actual;
  }
  return Object.entries(variables)
    .map(([k, v]) => `${k}=${v}`)
    .sort();
}

type Env = Readonly<Record<string, string | undefined>>;

function variablesOf(what: string, path: string, env: Env, format?: string): Record<string, string> {
  try {
    return (format === 'raw' ? parseRawVariables : parseVariables)(readFileSync(path, 'utf8'), (name) => env[name]);
  } catch (e) {
    throw new Error(`${what} ${path}: ${fileErrorText(e)}`);
  }
}

/** Of label files, then the file's own. */
function labels(s: ComposeService, env: Env): Record<string, string> {
  const fromFiles = (s.label_file ?? []).map((path) => variablesOf('label file', path, env));
  return Object.assign({}, ...fromFiles, withoutNulls(s.labels));
}

/** "name:address" as a line of a hosts file. */
function hostLine(entry: string): string {
  const at = entry.indexOf(':');
  return `${entry.slice(at + 1)} ${entry.slice(0, at)}`;
}

function health(s: ComposeService): HealthConfig | undefined {
  const h = s.healthcheck;
  if (!h) return undefined;
  if (h.disable) {
    if (h.test !== undefined && h.test.length > 0) throw new Error('healthcheck: test and disable cannot be combined');
    return { Test: ['NONE'] };
  }
  return defined({
    Test: h.test,
    Interval: duration(h.interval),
    Timeout: duration(h.timeout),
    Retries: h.retries,
    StartPeriod: duration(h.start_period),
    StartInterval: duration(h.start_interval),
  });
}

export function payloadName(
  kind: 'secrets' | 'configs',
  key: string,
  c: Pick<ConvertContext, 'project' | 'stack'>,
): string {
  const p = c.project[kind][key];
  return p?.name ?? (p?.external ? key : scoped(c.stack, key));
}

function fileOf(r: FileUse, defaultTarget: string): FileReference {
  return { Name: r.target ?? defaultTarget, UID: r.uid ?? '0', GID: r.gid ?? '0', Mode: octal(r.mode) ?? 0o444 };
}

/** A number in YAML is octal when it was written with a leading 0 or 0o; in quotes it always is. */
function octal(mode: string | number | undefined): number | undefined {
  if (mode === undefined || typeof mode === 'number') return mode;
  if (!/^[0-7]{3,5}$/.test(mode)) throw new Error(`invalid mode ${mode}: use octal digits such as "0440"`);
  return Number.parseInt(mode, 8);
}

function resources(s: ComposeService): NonNullable<ServiceSpec['TaskTemplate']>['Resources'] {
  const r = s.deploy?.resources;
  const limits = amounts({
    ...defined({
      cpus: s.cpus,
      memory: s.mem_limit,
      pids: s.pids_limit === undefined ? undefined : Number(s.pids_limit),
    }),
    ...r?.limits,
  });
  const reservations = amounts({ ...defined({ memory: s.mem_reservation }), ...r?.reservations });
  const out = defined({
    Limits: limits,
    Reservations: reservations,
    SwapBytes: s.memswap_limit === undefined ? undefined : parseSwapBytes(String(s.memswap_limit)),
    MemorySwappiness: s.mem_swappiness === undefined ? undefined : Number(s.mem_swappiness),
  });
  return Object.keys(out).length === 0 ? undefined : out;
}

function amounts(a: ResourceAmounts): Resources | undefined {
  const out = defined({
    NanoCPUs: a.cpus === undefined ? undefined : parseCpus(String(a.cpus)),
    MemoryBytes: a.memory === undefined ? undefined : parseBytes(String(a.memory)),
    Pids: a.pids,
    GenericResources: a.generic_resources?.flatMap((g) =>
      g.discrete_resource_spec
        ? [{ DiscreteResourceSpec: { Kind: g.discrete_resource_spec.kind, Value: g.discrete_resource_spec.value } }]
        : [],
    ),
  });
  return Object.keys(out).length === 0 ? undefined : out;
}

const CONDITIONS = ['none', 'on-failure', 'any'];

function restartPolicy(s: ComposeService): RestartPolicy | undefined {
  const r = s.deploy?.restart_policy;
  if (!r) return restartOf(s.restart);
  if (r.condition !== undefined && !CONDITIONS.includes(r.condition))
    throw new Error(`unknown restart condition ${r.condition}: use ${CONDITIONS.join(', ')}`);
  return defined({
    Condition: r.condition,
    Delay: duration(r.delay),
    MaxAttempts: r.max_attempts,
    Window: duration(r.window),
  });
}

/** `restart:` of containers, in the words of services. */
function restartOf(restart: string | undefined): RestartPolicy | undefined {
  if (restart === undefined) return undefined;
  const [word = '', count] = restart.split(':');
  if (word === 'no') return { Condition: 'none' };
  if (word === 'always' || word === 'unless-stopped') return { Condition: 'any' };
  if (word === 'on-failure' && (count === undefined || /^\d+$/.test(count)))
    return { Condition: 'on-failure', ...(count === undefined ? {} : { MaxAttempts: Number(count) }) };
  throw new Error(`unknown restart policy ${restart}: use no, always, unless-stopped or on-failure[:COUNT]`);
}

function placement(d: Deploy | undefined): NonNullable<ServiceSpec['TaskTemplate']>['Placement'] {
  const p = d?.placement;
  if (!p) return undefined;
  return defined({
    Constraints: p.constraints,
    Preferences: p.preferences?.map((x) => ({ Spread: { SpreadDescriptor: x.spread ?? '' } })),
    MaxReplicas: p.max_replicas_per_node,
  });
}

const PREDEFINED = ['host', 'none', 'bridge'];

function networks(name: string, s: ComposeService, c: ConvertContext): readonly NetworkAttachment[] {
  if (s.network_mode !== undefined) {
    if (!PREDEFINED.includes(s.network_mode))
      throw new Error(`network_mode ${s.network_mode} is not possible in a cluster: use host, none, or networks`);
    return [{ Target: s.network_mode }];
  }
  const uses = Object.keys(s.networks ?? {}).length === 0 ? { default: null } : (s.networks ?? {});
  return Object.entries(uses).map(([key, use]) => {
    const network = c.project.networks[key];
    const target = network?.name ?? (network?.external ? key : scoped(c.stack, key));
    const aliases = PREDEFINED.includes(target) ? [] : [name, ...(use?.aliases ?? [])];
    const addresses = [use?.ipv4_address, use?.ipv6_address].filter((a) => a !== undefined);
    return {
      Target: target,
      ...(aliases.length > 0 ? { Aliases: [...new Set(aliases)] } : {}),
      ...(addresses.length > 0 ? { Addresses: addresses } : {}),
      ...(use?.driver_opts
        ? { DriverOpts: withoutNulls(use.driver_opts as Readonly<Record<string, string | null>>) }
        : {}),
    };
  });
}

function mode(s: ComposeService): ServiceMode {
  const replicas = s.deploy?.replicas ?? s.scale;
  switch (s.deploy?.mode ?? 'replicated') {
    case 'global':
    case 'global-job':
      if (s.deploy?.replicas !== undefined)
        throw new Error('replicas can only be used with replicated or replicated-job mode');
      return s.deploy?.mode === 'global' ? { Global: {} } : { GlobalJob: {} };
    case 'replicated-job':
      return { ReplicatedJob: { MaxConcurrent: replicas ?? 1, TotalCompletions: replicas ?? 1 } };
    default:
      return { Replicated: { Replicas: replicas ?? 1 } };
  }
}

function update(u: UpdateSettings | undefined): UpdateConfig | undefined {
  if (!u) return undefined;
  return defined({
    Parallelism: u.parallelism ?? 1,
    Delay: duration(u.delay),
    FailureAction: u.failure_action,
    Monitor: duration(u.monitor),
    MaxFailureRatio: u.max_failure_ratio,
    Order: u.order,
  });
}

function endpoint(s: ComposeService): ServiceSpec['EndpointSpec'] {
  const ports = (s.ports ?? []).map((p): PortConfig => {
    if (p.host_ip !== undefined && p.mode !== 'host' && p.host_ip !== '0.0.0.0' && p.host_ip !== '::')
      throw new Error(
        `port ${p.published || p.target} is published on every node, not on ${p.host_ip}: use mode: host`,
      );
    return {
      Protocol: p.protocol,
      TargetPort: p.target,
      ...(p.published === '' ? {} : { PublishedPort: Number(p.published) }),
      PublishMode: p.mode,
    };
  });
  const out = defined({ Mode: s.deploy?.endpoint_mode, Ports: nonEmpty(ports) });
  return Object.keys(out).length === 0 ? undefined : out;
}

function duration(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parsePositiveDuration(text);
}
