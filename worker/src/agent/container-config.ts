/** From a task to the configuration of its container: names, labels, limits and files as Docker's Swarm gives them. */

import { machine, platform } from 'node:os';
import { SwarmtsError } from '@swarmts/lib';
import {
  type Config,
  type ConfigReference,
  containerName,
  defaults,
  expandPayload,
  expandTemplate,
  type FileTarget,
  isNodeLocal,
  type Mount,
  MountType,
  type NetworkAttachment,
  type PayloadSources,
  PortProtocol,
  type Privileges,
  PublishMode,
  type ResourceRequirements,
  readContainerExtensions,
  type Secret,
  type SecretReference,
  selinuxLabel,
  type Task,
  type TemplateContext,
  taskName,
} from '@swarmts/proto';
import type { VolumePlace } from '../csi/cluster-volumes.js';
import { MIN_MEMORY_BYTES } from '../engine/check-settings.js';
import type {
  ContainerConfig,
  DeviceMapping,
  InjectedFile,
  MountConfig,
  NetworkWish,
  PublishedPort,
} from '../engine/container-config.js';
import { genericResourceEnv } from './generic-resource-env.js';

/** Payloads that the task's container gets; they live in memory only. */
export interface TaskFiles {
  secret(id: string): Secret | undefined;
  config(id: string): Config | undefined;
  volume(id: string): VolumePlace;
}

export const TASK_ID_LABEL = 'com.docker.swarm.task.id';

/** Throws SwarmtsError 'not-found' for a secret or config that was not sent, 'invalid-argument' for a bad template. */
export function containerConfigOf(task: Task, nodeHostname: string, files: TaskFiles): ContainerConfig {
  const c = task.spec?.container;
  const limits = task.spec?.resources?.limits;
  const nodePlatform = { architecture: machine(), os: platform() };
  const context: TemplateContext = { task, nodeHostname, nodePlatform };
  const env = [
    ...genericResourceEnv(task.assignedGenericResources),
    ...(c?.env ?? []).map((e) => expandTemplate(e, context)),
  ];
  const payloads = new Payloads(task, files, context, env);
  return {
    name: containerName(task),
    image: c?.image ?? '',
    labels: { ...c?.labels, ...swarmLabels(task) },
    ...(c && c.command.length > 0 ? { entrypoint: c.command } : {}),
    ...(c && c.args.length > 0 ? { cmd: c.args } : {}),
    env,
    ...optional('user', c?.user),
    ...(c && c.groups.length > 0 ? { groups: c.groups } : {}),
    ...optional('workingDir', c?.dir),
    ...optional('hostname', c?.hostname ? expandTemplate(c.hostname, context) : ''),
    tty: c?.tty ?? false,
    openStdin: c?.openStdin ?? false,
    readOnlyRootfs: c?.readOnly ?? false,
    ...(c?.hasInit ? { init: c.init } : {}),
    ...optional('stopSignal', c?.stopSignal),
    stopTimeoutSeconds: (c?.hasStopGracePeriod ? c.stopGracePeriodNs : defaults.stopGracePeriodNs) / 1e9,
    ...mountsOf(task, context, files),
    files: [...secretFiles(c?.secrets ?? [], payloads), ...configFiles(c?.configs ?? [], payloads)],
    networkMode: networkModeOf(task),
    ...(task.networks.length > 0 ? { networks: wishesOf(task) } : {}),
    ports: hostPorts(task),
    extraHosts: c?.hosts ?? [],
    ...(c?.dnsConfig
      ? { dns: { servers: c.dnsConfig.nameservers, search: c.dnsConfig.search, options: c.dnsConfig.options } }
      : {}),
    resources: {
      nanoCpus: limits?.nanoCpus ?? 0,
      memoryBytes: limits?.memoryBytes ?? 0,
      memoryReservationBytes: softMemoryLimitOf(task.spec?.resources),
      ...swapOf(task.spec?.resources),
      pidsLimit: limits?.pids ?? 0,
      ulimits: c?.ulimits ?? [],
      ...(c && c.oomScoreAdj !== 0 ? { oomScoreAdj: c.oomScoreAdj } : {}),
    },
    capAdd: c?.capAdd ?? [],
    capDrop: c?.capDrop ?? [],
    ...privilegesOf(c?.privileges),
    sysctls: c?.sysctls ?? {},
    ...(c?.healthcheck ? { health: c.healthcheck } : {}),
    ...logOf(task),
    ...extensionsOf(task),
    ...secretEnvOf(task),
  };
}

function optional<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return value === undefined || value === '' ? {} : ({ [key]: value } as { readonly [P in K]: string });
}

/**
 * What a task reserves is for the scheduler, and any amount will do. As far as the engine takes it for a soft limit, the kernel
 * spares that much of the container's memory too.
 */
function softMemoryLimitOf(r: ResourceRequirements | undefined): number {
  const reserved = r?.reservations?.memoryBytes ?? 0;
  if (reserved < MIN_MEMORY_BYTES) return 0;
  const limit = r?.limits?.memoryBytes ?? 0;
  return limit > 0 ? Math.min(limit, reserved) : reserved;
}

function swarmLabels(task: Task): Readonly<Record<string, string>> {
  return {
    'com.docker.swarm.task': '',
    [TASK_ID_LABEL]: task.id,
    'com.docker.swarm.task.name': `${taskName(task)}.${task.id}`,
    'com.docker.swarm.node.id': task.nodeId,
    'com.docker.swarm.service.id': task.serviceId,
    'com.docker.swarm.service.name': task.serviceAnnotations?.name ?? '',
  };
}

function networkModeOf(task: Task): 'local' | 'host' | 'none' {
  const targets = (task.spec?.networks ?? []).map((n) => n.target);
  if (targets.includes('host')) return 'host';
  return targets.includes('none') ? 'none' : 'local';
}

/** The task's place on every swarm network, as the managers have given it. */
function wishesOf(task: Task): readonly NetworkWish[] {
  return task.networks.map((attachment) => {
    const { network } = attachment;
    const names = [network?.id, network?.spec?.annotations?.name];
    const driverOptions = task.spec?.networks.find((n) => names.includes(n.target))?.driverOpts ?? {};
    return {
      target: network?.id ?? '',
      aliases: aliasesOf(task, attachment),
      addresses: [],
      ...(Object.keys(driverOptions).length > 0 ? { driverOptions } : {}),
      given: { endpointId: task.id, attachment },
    };
  });
}

/** Networks that a node makes for itself know nothing of services: the name leads to the tasks of this node there. */
function aliasesOf(task: Task, { network, aliases }: NetworkAttachment): readonly string[] {
  const service = task.serviceAnnotations?.name;
  return service && network && isNodeLocal(network) ? [...new Set([...aliases, service])] : aliases;
}

const PROTOCOLS: Readonly<Record<number, PublishedPort['protocol']>> = {
  [PortProtocol.TCP]: 'tcp',
  [PortProtocol.UDP]: 'udp',
  [PortProtocol.SCTP]: 'sctp',
};

function hostPorts(task: Task): readonly PublishedPort[] {
  const { hostIps } = readContainerExtensions(task.serviceAnnotations?.labels ?? {});
  return (task.endpoint?.ports ?? [])
    .filter((p) => p.publishMode === PublishMode.HOST)
    .map((p) => {
      const protocol = PROTOCOLS[p.protocol] ?? 'tcp';
      const hostIp = p.hostIp || hostIps[`${p.targetPort}/${protocol}`];
      return { protocol, targetPort: p.targetPort, publishedPort: p.publishedPort, ...(hostIp ? { hostIp } : {}) };
    });
}

/** What is mounted, and the devices: those of the service, and its cluster volumes of type block. */
function mountsOf(
  task: Task,
  context: TemplateContext,
  files: TaskFiles,
): { readonly mounts: MountConfig[]; readonly devices?: readonly DeviceMapping[] } {
  const devices = [...readContainerExtensions(task.serviceAnnotations?.labels ?? {}).devices];
  const mounts: MountConfig[] = [];
  for (const m of task.spec?.container?.mounts ?? []) {
    if (m.type !== MountType.CLUSTER) {
      mounts.push(mountOf(m, context));
      continue;
    }
    const target = expandTemplate(m.target, context);
    const { path: source, isBlock } = volumeAt(target, task, files);
    const { readOnly } = m;
    if (isBlock) devices.push({ hostPath: source, containerPath: target, permissions: readOnly ? 'r' : 'rwm' });
    else mounts.push({ type: 'bind', source, target, readOnly, bindCreateSource: false });
  }
  return { mounts, ...(devices.length > 0 ? { devices } : {}) };
}

/** Services name the swap alone, containers both together; -1 is no limit in either. What the machine has, -1 too, is not said. */
function swapOf(
  r: ResourceRequirements | undefined,
): Pick<ContainerConfig['resources'], 'memorySwapBytes' | 'memorySwappiness'> {
  const { hasSwap = false, swapBytes = 0, hasMemorySwappiness = false, memorySwappiness = -1 } = r ?? {};
  const both = swapBytes === -1 ? -1 : (r?.limits?.memoryBytes ?? 0) + swapBytes;
  return {
    ...(hasSwap ? { memorySwapBytes: both } : {}),
    ...(hasMemorySwappiness && memorySwappiness >= 0 ? { memorySwappiness } : {}),
  };
}

/** Where the node has the cluster volume that the task was given for this. */
function volumeAt(target: string, task: Task, files: TaskFiles): VolumePlace {
  const volume = task.volumes.find((v) => v.target === target);
  if (!volume) throw new SwarmtsError('not-found', `the task was given no volume for ${target}`);
  return files.volume(volume.volumeId);
}

function mountOf(m: Mount, context: TemplateContext): MountConfig {
  return {
    type: m.type === MountType.BIND ? 'bind' : m.type === MountType.TMPFS ? 'tmpfs' : 'volume',
    source: expandTemplate(m.source, context),
    target: expandTemplate(m.target, context),
    readOnly: m.readOnly,
    ...optional('propagation', m.bindPropagation),
    ...(m.tmpfsSizeBytes > 0 ? { tmpfsSizeBytes: m.tmpfsSizeBytes } : {}),
    ...(m.tmpfsMode > 0 ? { tmpfsMode: m.tmpfsMode } : {}),
    ...(m.tmpfsOptions.length > 0 ? { tmpfsOptions: m.tmpfsOptions, isListed: true } : {}),
    bindNonRecursive: m.bindNonRecursive,
    bindReadOnlyNonRecursive: m.bindReadOnlyNonRecursive,
    bindReadOnlyForceRecursive: m.bindReadOnlyForceRecursive,
    // A service's bind mount needs its source, unless it says otherwise.
    bindCreateSource: m.bindCreateMountpoint,
    volumeNoCopy: m.volumeNoCopy,
    volumeLabels: m.volumeLabels,
    ...optional('volumeSubpath', m.volumeSubpath),
    ...optional('volumeDriver', m.volumeDriver),
    volumeOptions: m.volumeDriverOptions,
  };
}

function secretFiles(refs: readonly SecretReference[], p: Payloads): readonly InjectedFile[] {
  return refs.map((r) => fileOf(r.file, secretPath(r), p.secret(r)));
}

function configFiles(refs: readonly ConfigReference[], p: Payloads): readonly InjectedFile[] {
  return refs.map((r) => fileOf(r.file, r.file?.name || `/${r.configName}`, p.config(r)));
}

/** The payloads of a task's secrets and configs, templates filled in. A template sees the others as they were stored. */
class Payloads {
  readonly #files: TaskFiles;
  readonly #context: TemplateContext;
  readonly #sources: PayloadSources;

  constructor(task: Task, files: TaskFiles, context: TemplateContext, env: readonly string[]) {
    this.#files = files;
    this.#context = context;
    const c = task.spec?.container;
    this.#sources = {
      secret: (target) => {
        const ref = c?.secrets.find((r) => (r.file?.name || r.secretName) === target);
        return ref && files.secret(ref.secretId)?.spec?.data;
      },
      config: (target) => {
        const ref = c?.configs.find((r) => (r.file?.name || r.configName) === target);
        return ref && files.config(ref.configId)?.spec?.data;
      },
      env: (name) => env.find((e) => e.startsWith(`${name}=`))?.slice(name.length + 1),
    };
  }

  secret(r: SecretReference): Uint8Array {
    return this.#payload(this.#files.secret(r.secretId)?.spec, `secret ${r.secretName}`);
  }

  config(r: ConfigReference): Uint8Array {
    return this.#payload(this.#files.config(r.configId)?.spec, `config ${r.configName}`);
  }

  #payload(spec: Secret['spec'] | Config['spec'], what: string): Uint8Array {
    if (!spec) throw new SwarmtsError('not-found', `${what} was not sent to this node`);
    const driver = spec.templating?.name ?? '';
    if (driver === '') return spec.data;
    if (driver !== 'golang')
      throw new SwarmtsError('unsupported', `${what} has the template driver ${driver}; only golang is known`);
    return expandPayload(spec.data, this.#context, this.#sources);
  }
}

/** Whether all secrets and configs of the task are here; after a restart they come with the first session. */
export function hasAllFiles(task: Task, files: TaskFiles): boolean {
  const c = task.spec?.container;
  return (
    (c?.secrets ?? []).every((r) => files.secret(r.secretId)) &&
    (c?.configs ?? []).every((r) => files.config(r.configId))
  );
}

const DEFAULT_FILE_MODE = 0o444;

const secretPath = (r: SecretReference) => `/run/secrets/${r.file?.name || r.secretName}`;

function filePathOf(target: FileTarget | undefined, defaultPath: string): string {
  if (target?.name.startsWith('/')) return target.name;
  return defaultPath.startsWith('/') ? defaultPath : `/${defaultPath}`;
}

function fileOf(target: FileTarget | undefined, defaultPath: string, content: Uint8Array): InjectedFile {
  return {
    path: filePathOf(target, defaultPath),
    content,
    uid: Number(target?.uid || 0),
    gid: Number(target?.gid || 0),
    mode: target?.mode || DEFAULT_FILE_MODE,
  };
}

function logOf({ logDriver }: Task): Pick<ContainerConfig, 'log'> {
  return logDriver ? { log: { driver: logDriver.name, options: logDriver.options } } : {};
}

type Confinement = Pick<
  ContainerConfig,
  'noNewPrivileges' | 'seccompUnconfined' | 'seccompProfile' | 'apparmorProfile' | 'selinuxLabel'
>;

function privilegesOf(p: Privileges | undefined): Confinement {
  const profile = p?.seccompProfile ?? new Uint8Array(0);
  return {
    noNewPrivileges: p?.noNewPrivileges ?? false,
    seccompUnconfined: p?.seccompMode === 'unconfined',
    ...(p?.seccompMode === 'custom' && profile.length > 0 ? { seccompProfile: Buffer.from(profile).toString() } : {}),
    ...(p?.apparmorMode === 'disabled' ? { apparmorProfile: 'unconfined' } : {}),
    ...selinuxOf(p?.selinuxJson ?? ''),
  };
}

/** Docker's SELinuxContext, as the API has kept it. */
function selinuxOf(json: string): Pick<Confinement, 'selinuxLabel'> {
  if (json === '') return {};
  const o = JSON.parse(json) as Partial<Record<'Disable' | 'User' | 'Role' | 'Type' | 'Level', unknown>>;
  const text = (v: unknown) => (typeof v === 'string' ? v : '');
  const context = { user: text(o.User), role: text(o.Role), type: text(o.Type), level: text(o.Level) };
  const label = o.Disable === true ? '' : selinuxLabel(context);
  return label === '' ? {} : { selinuxLabel: label };
}

/** What services can ask for here beyond Docker's spec. */
/** Variables that hold secrets: where the file of each is. */
function secretEnvOf(task: Task): Pick<ContainerConfig, 'secretEnv'> {
  const { secretEnv } = readContainerExtensions(task.serviceAnnotations?.labels ?? {});
  const secrets = task.spec?.container?.secrets ?? [];
  const variables = Object.entries(secretEnv).flatMap(([name, secret]) => {
    const ref = secrets.find((r) => r.secretName === secret);
    return ref ? [{ name, path: filePathOf(ref.file, secretPath(ref)) }] : [];
  });
  return variables.length > 0 ? { secretEnv: variables } : {};
}

function extensionsOf(task: Task): Partial<ContainerConfig> {
  const e = readContainerExtensions(task.serviceAnnotations?.labels ?? {});
  return {
    ...(e.privileged ? { privileged: true } : {}),
    ...(e.hostIds ? { usernsMode: 'host' } : {}),
    ...(e.shmSizeBytes > 0 ? { shmSizeBytes: e.shmSizeBytes } : {}),
    ...(e.cdiDevices.length > 0 ? { cdiDevices: e.cdiDevices } : {}),
    ...e.security,
  };
}
