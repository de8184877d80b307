/** From a task to the configuration of its container: names, labels, limits and files as Docker's Swarm gives them. */

import { SwarmtsError } from '@swarmts/lib';
import {
  type Config,
  type ConfigReference,
  containerName,
  defaults,
  type FileTarget,
  type Mount,
  MountType,
  PortProtocol,
  PublishMode,
  readContainerExtensions,
  type Secret,
  type SecretReference,
  type Task,
  taskName,
} from '@swarmts/proto';
import type { ContainerConfig, InjectedFile, MountConfig, NetworkWish, PublishedPort } from '../engine/engine-api.js';
import { genericResourceEnv } from './generic-resource-env.js';
import { expandTemplate, type TemplateContext } from './template.js';

/** Payloads that the task's container gets; they live in memory only. */
export interface TaskFiles {
  secret(id: string): Secret | undefined;
  config(id: string): Config | undefined;
}

export const TASK_ID_LABEL = 'com.docker.swarm.task.id';

/** Throws SwarmtsError 'not-found' for a secret or config that was not sent, 'invalid-argument' for a bad template. */
export function containerConfigOf(task: Task, nodeHostname: string, files: TaskFiles): ContainerConfig {
  const c = task.spec?.container;
  const limits = task.spec?.resources?.limits;
  const context: TemplateContext = { task, nodeHostname };
  return {
    name: containerName(task),
    image: c?.image ?? '',
    labels: { ...c?.labels, ...swarmLabels(task) },
    ...(c && c.command.length > 0 ? { entrypoint: c.command } : {}),
    ...(c && c.args.length > 0 ? { cmd: c.args } : {}),
    env: [
      ...genericResourceEnv(task.assignedGenericResources),
      ...(c?.env ?? []).map((e) => expandTemplate(e, context)),
    ],
    ...optional('user', c?.user),
    ...(c && c.groups.length > 0 ? { groups: c.groups } : {}),
    ...optional('workingDir', c?.dir),
    ...optional('hostname', c?.hostname ? expandTemplate(c.hostname, context) : ''),
    tty: c?.tty ?? false,
    openStdin: c?.openStdin ?? false,
    readOnlyRootfs: c?.readOnly ?? false,
    init: c?.init ?? false,
    ...optional('stopSignal', c?.stopSignal),
    stopTimeoutSeconds: (c?.hasStopGracePeriod ? c.stopGracePeriodNs : defaults.stopGracePeriodNs) / 1e9,
    mounts: (c?.mounts ?? []).map((m) => mountOf(m, context)),
    files: [...secretFiles(c?.secrets ?? [], files), ...configFiles(c?.configs ?? [], files)],
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
      memoryReservationBytes: task.spec?.resources?.reservations?.memoryBytes ?? 0,
      ...(task.spec?.resources?.hasSwap
        ? { memorySwapBytes: (limits?.memoryBytes ?? 0) + task.spec.resources.swapBytes }
        : {}),
      pidsLimit: limits?.pids ?? 0,
      ulimits: c?.ulimits ?? [],
      ...(c && c.oomScoreAdj !== 0 ? { oomScoreAdj: c.oomScoreAdj } : {}),
    },
    capAdd: c?.capAdd ?? [],
    capDrop: c?.capDrop ?? [],
    noNewPrivileges: c?.privileges?.noNewPrivileges ?? false,
    seccompUnconfined: c?.privileges?.seccompMode === 'unconfined',
    sysctls: c?.sysctls ?? {},
    ...(c?.healthcheck ? { health: c.healthcheck } : {}),
    log: logOf(task),
    ...extensionsOf(task),
  };
}

function optional<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return value === undefined || value === '' ? {} : ({ [key]: value } as { readonly [P in K]: string });
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
  return task.networks.map((attachment) => ({
    target: attachment.network?.id ?? '',
    aliases: attachment.aliases,
    addresses: [],
    given: { endpointId: task.id, attachment },
  }));
}

const PROTOCOLS: Readonly<Record<number, PublishedPort['protocol']>> = {
  [PortProtocol.TCP]: 'tcp',
  [PortProtocol.UDP]: 'udp',
  [PortProtocol.SCTP]: 'sctp',
};

function hostPorts(task: Task): readonly PublishedPort[] {
  return (task.endpoint?.ports ?? [])
    .filter((p) => p.publishMode === PublishMode.HOST)
    .map((p) => ({
      protocol: PROTOCOLS[p.protocol] ?? 'tcp',
      targetPort: p.targetPort,
      publishedPort: p.publishedPort,
      ...(p.hostIp === '' ? {} : { hostIp: p.hostIp }),
    }));
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
    volumeNoCopy: m.volumeNoCopy,
    volumeLabels: m.volumeLabels,
  };
}

function secretFiles(refs: readonly SecretReference[], files: TaskFiles): readonly InjectedFile[] {
  return refs.map((r) => {
    const data = files.secret(r.secretId)?.spec?.data;
    if (data === undefined) throw new SwarmtsError('not-found', `secret ${r.secretName} was not sent to this node`);
    return fileOf(r.file, `/run/secrets/${r.file?.name || r.secretName}`, data);
  });
}

function configFiles(refs: readonly ConfigReference[], files: TaskFiles): readonly InjectedFile[] {
  return refs.map((r) => {
    const data = files.config(r.configId)?.spec?.data;
    if (data === undefined) throw new SwarmtsError('not-found', `config ${r.configName} was not sent to this node`);
    return fileOf(r.file, r.file?.name || `/${r.configName}`, data);
  });
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

function fileOf(target: FileTarget | undefined, defaultPath: string, content: Uint8Array): InjectedFile {
  const path = target?.name.startsWith('/')
    ? target.name
    : defaultPath.startsWith('/')
      ? defaultPath
      : `/${defaultPath}`;
  return {
    path,
    content,
    uid: Number(target?.uid || 0),
    gid: Number(target?.gid || 0),
    mode: target?.mode || DEFAULT_FILE_MODE,
  };
}

const DEFAULT_LOG = { driver: 'json-file', maxSizeBytes: 0, maxFiles: 1 } as const;

function logOf(task: Task): ContainerConfig['log'] {
  const driver = task.logDriver;
  if (!driver || driver.name === '') return DEFAULT_LOG;
  const name = driver.name === 'none' || driver.name === 'local' ? driver.name : 'json-file';
  return {
    driver: name,
    maxSizeBytes: sizeOf(driver.options['max-size']),
    maxFiles: Number(driver.options['max-file'] ?? 1),
  };
}

function sizeOf(text: string | undefined): number {
  const m = /^(\d+)([kmg]?)b?$/i.exec(text ?? '');
  if (!m) return 0;
  return Number(m[1]) * 1024 ** ['', 'k', 'm', 'g'].indexOf((m[2] ?? '').toLowerCase());
}

/** What services can ask for here beyond Docker's spec. */
function extensionsOf(task: Task): Pick<ContainerConfig, 'privileged' | 'shmSizeBytes'> {
  const e = readContainerExtensions(task.serviceAnnotations?.labels ?? {});
  return {
    ...(e.privileged ? { privileged: true } : {}),
    ...(e.shmSizeBytes > 0 ? { shmSizeBytes: e.shmSizeBytes } : {}),
  };
}
