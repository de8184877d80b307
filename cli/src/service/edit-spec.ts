/** A service's spec after the flags: everything but the container, which has its own file. Pure. */
import type {
  GenericResource,
  PortConfig,
  Resources,
  RestartPolicy,
  ServiceMode,
  ServiceSpec,
  TaskTemplate,
  UpdateConfig,
} from '../engine-types.js';
import { CommandError } from '../exit.js';
import { defined, type Edits, editList, editMap, nonEmpty, nonEmptyMap, type Scalars } from './edit.js';
import { editContainer } from './edit-container.js';

const RESTART_DEFAULTS: RestartPolicy = { Condition: 'any', Delay: 5e9 };
const UPDATE_DEFAULTS: UpdateConfig = {
  Parallelism: 1,
  FailureAction: 'pause',
  Monitor: 5e9,
  MaxFailureRatio: 0,
  Order: 'stop-first',
};

export function editSpec(old: ServiceSpec, e: Edits): ServiceSpec {
  const f = e.scalars;
  // Clients before API version 1.25 have put the networks beside the template.
  const { Networks: networks, ...rest } = old;
  return defined({
    ...rest,
    Labels: editLabels(old.Labels, e),
    TaskTemplate: editTask({ ...(networks ? { Networks: networks } : {}), ...old.TaskTemplate }, e),
    Mode: editMode(old.Mode ?? { Replicated: {} }, f),
    UpdateConfig: editUpdate(old.UpdateConfig, f, 'update'),
    RollbackConfig: editUpdate(old.RollbackConfig, f, 'rollback'),
    EndpointSpec: editEndpoint(old.EndpointSpec, e),
  });
}

const MAX_PORT = 65535;

/** Published ports that keep to the tasks of the node that the client came to: target ports with their protocol. */
const PREFER_LOCAL_LABEL = 'swarmts.publish.prefer-local';

/** VARIABLE=SECRET for each secret that a variable holds as well. */
const SECRET_ENV_LABEL = 'swarmts.secrets.env';

/** Flags that are kept as labels, because Docker's spec has no place for them. An empty value takes the label away. */
const LABEL_FLAGS = {
  'update-progress-deadline': 'swarmts.update.progress-deadline',
  schedule: 'swarmts.schedule',
  'schedule-timezone': 'swarmts.schedule.timezone',
  'schedule-concurrency': 'swarmts.schedule.concurrency',
  autoscale: 'swarmts.autoscale',
  rebalance: 'swarmts.rebalance',
  'pin-volumes': 'swarmts.volumes.pin',
  privileged: 'swarmts.privileged',
  userns: 'swarmts.userns',
  'shm-size': 'swarmts.shm-size',
  device: 'swarmts.devices',
  gpus: 'swarmts.gpus',
  'security-opt': 'swarmts.security-opt',
  'publish-host-ip': 'swarmts.publish.host-ip',
} as const;

function editLabels(old: ServiceSpec['Labels'], e: Edits): Record<string, string> {
  const labels = editMap(old, e.add.label, e.remove.label);
  for (const [flag, label] of Object.entries(LABEL_FLAGS)) {
    const value = e.scalars[flag as keyof typeof LABEL_FLAGS];
    if (value === '' || value === false) delete labels[label];
    else if (value !== undefined) labels[label] = String(value);
  }
  editSecretVariables(labels, e);
  return editPreferLocal(labels, e);
}

function editPreferLocal(labels: Record<string, string>, e: Edits): Record<string, string> {
  const preferred = e.add.publish.flat().filter((p) => p.PreferLocal);
  const removed = new Set(e.remove.publish.flatMap(removedPorts).map((t) => `${t.port}/${t.protocol}`));
  if (preferred.length + removed.size === 0) return labels;
  const before = (labels[PREFER_LOCAL_LABEL] ?? '').split(',').filter((p) => p !== '');
  const kept = before.filter((p) => !removed.has(p.includes('/') ? p : `${p}/tcp`));
  const all = new Set([...kept, ...preferred.map((p) => `${p.TargetPort}/${p.Protocol ?? 'tcp'}`)]);
  const { [PREFER_LOCAL_LABEL]: _, ...others } = labels;
  return all.size === 0 ? others : { ...others, [PREFER_LOCAL_LABEL]: [...all].join(',') };
}

/** Which variables hold secrets: without those of secrets that are removed, or are added again. */
function editSecretVariables(labels: Record<string, string>, e: Edits): void {
  const touched = new Set([...e.remove.secret, ...e.add.secret.map((s) => s.SecretName)]);
  const before = (labels[SECRET_ENV_LABEL] ?? '').split(',').filter((v) => v !== '');
  const kept = before.filter((v) => !touched.has(v.slice(v.indexOf('=') + 1)));
  const added = e.add.secret.flatMap((s) => (s.Env === undefined ? [] : [`${s.Env}=${s.SecretName}`]));
  const all = [...kept, ...added];
  if (all.length > 0) labels[SECRET_ENV_LABEL] = all.join(',');
  else if (before.length > 0) delete labels[SECRET_ENV_LABEL];
}

function editTask(old: TaskTemplate, e: Edits): TaskTemplate {
  const f = e.scalars;
  const networks = editList(old.Networks, e.add.network, e.remove.network, (n) => n.Target ?? '');
  return defined({
    ...old,
    ContainerSpec: editContainer(old.ContainerSpec ?? {}, e),
    Resources: editResources(old.Resources, e),
    RestartPolicy: editRestart(old.RestartPolicy, f),
    Placement: editPlacement(old.Placement, e),
    Networks: nonEmpty(networks),
    LogDriver: editLogDriver(old.LogDriver, f),
  });
}

function editResources(old: TaskTemplate['Resources'], e: Edits): TaskTemplate['Resources'] {
  const f = e.scalars;
  const kind = (g: GenericResource): string => g.DiscreteResourceSpec?.Kind ?? g.NamedResourceSpec?.Kind ?? '';
  const limits: Resources = defined({
    ...old?.Limits,
    NanoCPUs: f['limit-cpu'] ?? old?.Limits?.NanoCPUs,
    MemoryBytes: f['limit-memory'] ?? old?.Limits?.MemoryBytes,
    Pids: f['limit-pids'] ?? old?.Limits?.Pids,
  });
  const reservations: Resources = defined({
    ...old?.Reservations,
    NanoCPUs: f['reserve-cpu'] ?? old?.Reservations?.NanoCPUs,
    MemoryBytes: f['reserve-memory'] ?? old?.Reservations?.MemoryBytes,
    GenericResources: nonEmpty(
      editList(old?.Reservations?.GenericResources, e.add['generic-resource'], e.remove['generic-resource'], kind),
    ),
  });
  return defined({
    ...old,
    Limits: limits,
    Reservations: reservations,
    SwapBytes: f['memory-swap'] ?? old?.SwapBytes,
    MemorySwappiness: f['memory-swappiness'] ?? old?.MemorySwappiness,
  });
}

function editRestart(old: RestartPolicy | undefined, f: Scalars): RestartPolicy | undefined {
  const given = defined({
    Condition: word('restart-condition', f['restart-condition'], ['none', 'on-failure', 'any']),
    Delay: f['restart-delay'],
    MaxAttempts: f['restart-max-attempts'],
    Window: f['restart-window'],
  });
  if (Object.keys(given).length === 0) return old;
  return { ...RESTART_DEFAULTS, ...old, ...given };
}

function editUpdate(old: UpdateConfig | undefined, f: Scalars, what: 'update' | 'rollback'): UpdateConfig | undefined {
  const actions = what === 'update' ? ['pause', 'continue', 'rollback'] : ['pause', 'continue'];
  const given = defined({
    Parallelism: f[`${what}-parallelism`],
    Delay: f[`${what}-delay`],
    Monitor: f[`${what}-monitor`],
    FailureAction: word(`${what}-failure-action`, f[`${what}-failure-action`], actions),
    MaxFailureRatio: f[`${what}-max-failure-ratio`],
    Order: word(`${what}-order`, f[`${what}-order`], ['start-first', 'stop-first']),
  });
  if (Object.keys(given).length === 0) return old;
  return { ...UPDATE_DEFAULTS, ...old, ...given };
}

/** One of a closed list; refused here, where the flag's name is known. */
function word(flag: string, value: string | undefined, allowed: readonly string[]): string | undefined {
  if (value === undefined || allowed.includes(value)) return value;
  throw new CommandError(`invalid argument "${value}" for "--${flag}" flag: must be one of ${allowed.join(', ')}`);
}

function editPlacement(old: TaskTemplate['Placement'], e: Edits): TaskTemplate['Placement'] {
  const placement = defined({
    ...old,
    Constraints: nonEmpty(editList(old?.Constraints, e.add.constraint, e.remove.constraint, (c) => c)),
    Preferences: nonEmpty(
      editList(
        old?.Preferences,
        e.add['placement-pref'],
        e.remove['placement-pref'],
        (p) => `spread=${p.Spread?.SpreadDescriptor ?? ''}`,
      ),
    ),
    MaxReplicas: e.scalars['replicas-max-per-node'] ?? old?.MaxReplicas,
  });
  return Object.keys(placement).length === 0 ? undefined : placement;
}

function editLogDriver(old: TaskTemplate['LogDriver'], f: Scalars): TaskTemplate['LogDriver'] {
  if (f['log-driver'] === undefined && f['log-opt'].length === 0) return old;
  const name = f['log-driver'] ?? old?.Name ?? '';
  const kept = f['log-driver'] === undefined ? old?.Options : {};
  return defined({ Name: name, Options: nonEmptyMap(editMap(kept, f['log-opt'], [])) });
}

function editMode(old: ServiceMode, f: Scalars): ServiceMode {
  const replicated = old.Replicated !== undefined || old.ReplicatedJob !== undefined;
  if (f.replicas !== undefined && !replicated) {
    throw new CommandError('replicas can only be used with replicated or replicated-job mode');
  }
  if (f['replicas-max-per-node'] !== undefined && !replicated) {
    throw new CommandError('replicas-max-per-node can only be used with replicated or replicated-job mode');
  }
  if (f['max-concurrent'] !== undefined && !old.ReplicatedJob) {
    throw new CommandError('max-concurrent can only be used with replicated-job mode');
  }
  if (old.Replicated)
    return { Replicated: defined({ ...old.Replicated, Replicas: f.replicas ?? old.Replicated.Replicas }) };
  if (!old.ReplicatedJob) return old;
  const total = f.replicas ?? old.ReplicatedJob.TotalCompletions;
  return {
    ReplicatedJob: defined({
      ...old.ReplicatedJob,
      TotalCompletions: total,
      MaxConcurrent: f['max-concurrent'] ?? old.ReplicatedJob.MaxConcurrent ?? total,
    }),
  };
}

function editEndpoint(old: ServiceSpec['EndpointSpec'], e: Edits): ServiceSpec['EndpointSpec'] {
  const ports = editPorts(old?.Ports, e.add.publish.flat(), e.remove.publish);
  const mode = word('endpoint-mode', e.scalars['endpoint-mode'], ['vip', 'dnsrr']) ?? old?.Mode;
  const endpoint = defined({ ...old, Mode: mode, Ports: nonEmpty(ports) });
  return Object.keys(endpoint).length === 0 ? undefined : endpoint;
}

/** `--publish-rm` names target ports, with their protocol when that is not tcp, or is a whole publish specification. */
function editPorts(
  old: readonly PortConfig[] | undefined,
  add: readonly PortConfig[],
  remove: readonly string[],
): PortConfig[] {
  const targets = remove.flatMap(removedPorts);
  const kept = (old ?? []).filter(
    (p) => !targets.some((t) => t.port === p.TargetPort && t.protocol === (p.Protocol ?? 'tcp')),
  );
  const key = (p: PortConfig): string =>
    `${p.PublishMode}:${p.PublishedPort ?? 0}:${p.TargetPort}/${p.Protocol ?? 'tcp'}`;
  return editList(kept, add, [], key).map(({ PreferLocal: _, ...p }) => p);
}

function removedPorts(text: string): readonly { readonly port: number; readonly protocol: string }[] {
  const long = /(?:^|,)target=(\d+)/.exec(text);
  const m = /^(?:[^/]*:)?(\d+)(?:-(\d+))?(?:\/(\w+))?$/.exec(text);
  const first = Number(long?.[1] ?? m?.[1]);
  const last = Number(long?.[1] ?? m?.[2] ?? first);
  if (Number.isNaN(first) || last < first || last > MAX_PORT)
    throw new CommandError(`invalid port ${text} for --publish-rm`);
  const protocol = /protocol=(\w+)/.exec(text)?.[1] ?? m?.[3] ?? 'tcp';
  return Array.from({ length: last - first + 1 }, (_, i) => ({ port: first + i, protocol }));
}
