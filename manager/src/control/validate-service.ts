/**
 * What a service spec must fulfil before it is stored. Every error names the field and the value. Semantics and, where
 * Docker has them, words: Docker's.
 */
import { messageOf, SwarmtsError } from '@swarmts/lib';
import {
  ENDPOINT_SYSCTLS,
  EndpointMode,
  endpointSysctls,
  expandTemplate,
  extensionLabels,
  type HealthConfig,
  MAX_REPLICAS,
  MIN_MEMORY_BYTES,
  MIN_NANO_CPUS,
  MountType,
  type PortConfig,
  parseReference,
  preferLocalPorts,
  type ResourceRequirements,
  type Resources,
  readContainerExtensions,
  readExtensions,
  type ServiceSpec,
  Task,
  type TaskSpec,
  type UpdateConfig,
  validateServiceName,
} from '@swarmts/proto';
import { parseConstraints, spreadWarnings } from '@swarmts/scheduler';
import { isIngress, targetOf } from '../allocator/published-ports.js';
import { isJobSpec } from '../orchestrator/job.js';
import { validateSchedule } from '../orchestrator/schedule.js';
import { validatePrivileges } from './validate-privileges.js';

const bad = (message: string) => new SwarmtsError('invalid-argument', message);

/** Throws SwarmtsError 'invalid-argument' for the first thing that is wrong. */
export function validateServiceSpec(spec: ServiceSpec, nowMs: number): void {
  validateServiceName(spec.annotations?.name ?? '');
  if (!spec.task) throw bad('TaskSpec: missing');
  validateTaskSpec(spec.task);
  validateTemplates(spec);
  validateMode(spec);
  validateUpdate('update', spec.update);
  validateUpdate('rollback', spec.rollback);
  validateEndpoint(spec);
  validateExtensions(spec, nowMs);
}

function validateExtensions(spec: ServiceSpec, nowMs: number): void {
  const { schedule, autoscale, pinVolumes } = readExtensions(spec.annotations?.labels ?? {});
  if (schedule) {
    if (!isJobSpec(spec)) throw bad(`${extensionLabels.schedule} is for jobs: use --mode replicated-job or global-job`);
    validateSchedule(schedule, nowMs);
  }
  validatePortLabels(spec);
  validateSecretEnv(spec);
  if (pinVolumes && !hasNamedVolumes(spec))
    throw bad(`${extensionLabels.pinVolumes} is for replicated services with named volumes`);
  if (autoscale && !spec.mode?.replicated) throw bad(`${extensionLabels.autoscale} is for replicated services`);
}

function hasNamedVolumes(spec: ServiceSpec): boolean {
  const mounts = spec.task?.container?.mounts ?? [];
  return spec.mode?.replicated !== undefined && mounts.some((m) => m.type === MountType.VOLUME && m.source !== '');
}

/** A secret that is to be a variable is one of the service's, and the variable has no other value. */
function validateSecretEnv(spec: ServiceSpec): void {
  const { env = [], secrets = [] } = spec.task?.container ?? {};
  for (const [variable, secret] of Object.entries(readContainerExtensions(spec.annotations?.labels ?? {}).secretEnv)) {
    if (!secrets.some((r) => r.secretName === secret))
      throw bad(
        `the service has no secret ${secret}, which ${variable} is to hold: give it one, or take the label ${extensionLabels.secretEnv} away as well (--label-rm)`,
      );
    if (env.some((e) => e.startsWith(`${variable}=`)))
      throw bad(`${extensionLabels.secretEnv}: ${variable} has a value already, and the secret ${secret}`);
  }
}

function validateTaskSpec(task: TaskSpec): void {
  const c = task.container;
  if (!c) throw bad('ContainerSpec: missing in service spec');
  if (c.image === '') throw bad('ContainerSpec: image reference must be provided');
  validateImage(c.image);
  validateHealth(c.healthcheck);
  validateFiles(
    'secret',
    c.secrets.map((r) => ({ name: r.secretName, target: r.file?.name })),
  );
  validateFiles(
    'config',
    c.configs.filter((r) => !r.runtime).map((r) => ({ name: r.configName, target: r.file?.name })),
  );
  validateResources('limits', task.resources?.limits);
  validateResources('reservations', task.resources?.reservations);
  validateGeneric(task.resources?.reservations);
  validateSwap(task.resources);
  validatePrivileges(c.privileges);
  for (const n of task.networks) endpointSysctls(n.driverOpts[ENDPOINT_SYSCTLS] ?? '', '');
  parseConstraints(task.placement?.constraints ?? []);
  if ((task.placement?.maxReplicas ?? 0) < 0) throw bad('max replicas per node must not be negative');
  validateMounts(task);
  validateRestart(task);
  if (c.hasStopGracePeriod && c.stopGracePeriodNs < 0) throw bad('stop grace period must not be negative');
  for (const e of c.env) if (e === '' || e.startsWith('=')) throw bad(`invalid environment variable: ${e}`);
}

/** Which of the named ones of a node it gets is for the scheduler to say. */
function validateGeneric(reservations: Resources | undefined): void {
  for (const { kind, value } of reservations?.generic ?? [])
    if (value !== '') throw bad(`generic resource ${kind}=${value}: services ask for an amount, not for names`);
}

function validateImage(image: string): void {
  try {
    parseReference(image);
  } catch (e) {
    throw bad(`ContainerSpec: "${image}" is not a valid repository/tag: ${messageOf(e)}`);
  }
}

const MIN_HEALTH_NS = 1e6;

function validateHealth(h: HealthConfig | undefined): void {
  if (!h) return;
  const durations = {
    Interval: h.intervalNs,
    Timeout: h.timeoutNs,
    StartPeriod: h.startPeriodNs,
    StartInterval: h.startIntervalNs,
  };
  for (const [name, ns] of Object.entries(durations))
    if (ns !== 0 && ns < MIN_HEALTH_NS) throw bad(`ContainerSpec: ${name} in HealthConfig cannot be less than 1ms`);
  if (h.retries < 0) throw bad('ContainerSpec: Retries in HealthConfig cannot be negative');
}

/** References to secrets or configs: each has a target of its own. */
function validateFiles(
  what: string,
  references: readonly { readonly name: string; readonly target: string | undefined }[],
): void {
  const targets = new Map<string, string>();
  for (const { name, target } of references) {
    if (name === '') throw bad(`malformed ${what} reference`);
    if (target === undefined) throw bad(`malformed ${what} reference '${name}', no target provided`);
    if (target === '') throw bad(`malformed file ${what} reference '${name}', invalid target file name provided`);
    const other = targets.get(target);
    if (other !== undefined)
      throw bad(`${what} references '${other}' and '${name}' have a conflicting target: '${target}'`);
    targets.set(target, name);
  }
}

/** What a node would fill in is tried with a task that is like any other. */
function validateTemplates(spec: ServiceSpec): void {
  const sample = Task.create({
    id: 'task',
    nodeId: 'node',
    serviceId: 'service',
    serviceAnnotations: spec.annotations,
    slot: 1,
  });
  const context = { task: sample, nodeHostname: 'node' };
  const c = spec.task?.container;
  const texts = [c?.hostname ?? '', ...(c?.env ?? []), ...(c?.mounts ?? []).flatMap((m) => [m.source, m.target])];
  for (const text of texts) expandTemplate(text, context);
}

function validateResources(what: string, r: Resources | undefined): void {
  if (!r) return;
  if (r.nanoCpus !== 0 && r.nanoCpus < MIN_NANO_CPUS) {
    throw bad(`invalid cpu value ${r.nanoCpus / 1e9} in ${what}: must be at least ${MIN_NANO_CPUS / 1e9}`);
  }
  if (r.memoryBytes !== 0 && r.memoryBytes < MIN_MEMORY_BYTES) {
    throw bad(`invalid memory value ${r.memoryBytes} in ${what}: must be at least 4MiB`);
  }
  if (r.pids < 0) throw bad(`invalid pids value ${r.pids} in ${what}: must not be negative`);
}

/** -1 is swap without a limit, and for the swappiness what the node has. */
function validateSwap(r: ResourceRequirements | undefined): void {
  if (r?.hasSwap && !(r.limits?.memoryBytes ?? 0)) throw bad('memory swap provided, but no memory-limit was set');
  if (r?.hasSwap && r.swapBytes < -1)
    throw bad(`invalid memory swap value ${r.swapBytes}: must be -1, for no limit, or not negative`);
  if (r?.hasMemorySwappiness && (r.memorySwappiness < -1 || r.memorySwappiness > 100))
    throw bad(`invalid memory swappiness ${r.memorySwappiness}: must be from 0 to 100, or -1`);
}

function validateMounts(task: TaskSpec): void {
  const targets = new Set<string>();
  for (const m of task.container?.mounts ?? []) {
    if (m.target === '') throw bad('ContainerSpec: mount target must be given');
    if (!m.target.startsWith('/')) throw bad(`invalid mount target, must be an absolute path: ${m.target}`);
    if (targets.has(m.target)) throw bad(`ContainerSpec: duplicate mount point: ${m.target}`);
    targets.add(m.target);
    if (m.type === MountType.BIND && !m.source.startsWith('/')) {
      throw bad(`invalid bind mount source, must be an absolute path: ${m.source}`);
    }
    if (m.type === MountType.TMPFS && m.source !== '') throw bad('invalid tmpfs source, source must be empty');
    if (m.type === MountType.CLUSTER && m.source === '')
      throw bad(`ContainerSpec: a mount of type cluster needs a source, a volume or group:NAME: ${m.target}`);
    if (m.type === MountType.NAMED_PIPE) {
      throw new SwarmtsError(
        'unsupported',
        `mounts of this type are not supported: ${m.target}; use bind, volume or tmpfs`,
      );
    }
  }
}

function validateRestart(task: TaskSpec): void {
  const r = task.restart;
  if (!r) return;
  if (r.delayNs < 0) throw bad('TaskSpec: restart-delay cannot be negative');
  if (r.windowNs < 0) throw bad('TaskSpec: restart-window cannot be negative');
  if (r.maxAttempts < 0) throw bad('TaskSpec: restart-max-attempts cannot be negative');
}

function validateMode(spec: ServiceSpec): void {
  const m = spec.mode;
  const count = [m?.replicated, m?.global, m?.replicatedJob, m?.globalJob].filter((x) => x !== undefined).length;
  if (count !== 1) throw bad('exactly one service mode must be given');
  if (isJobSpec(spec)) validateJob(spec);
  validateCount('replicas', m?.replicated?.replicas ?? 0);
}

function validateCount(what: string, n: number): void {
  if (!Number.isSafeInteger(n) || n < 0) throw bad(`Number of ${what} must be non-negative: ${n}`);
  if (n > MAX_REPLICAS) throw bad(`Number of ${what} must be at most ${MAX_REPLICAS}: ${n}`);
}

function validateJob(spec: ServiceSpec): void {
  const job = spec.mode?.replicatedJob;
  validateCount('job completions', job?.totalCompletions ?? 1);
  validateCount('concurrent job tasks', job?.maxConcurrent ?? 1);
  if (job?.maxConcurrent === 0 && job.totalCompletions > 0)
    throw bad('Maximum concurrent jobs must be at least 1: set --max-concurrent');
  if (spec.update || spec.rollback)
    throw bad('update and rollback settings do not apply to jobs: each update starts a new run of the job');
}

function validateUpdate(what: string, u: UpdateConfig | undefined): void {
  if (!u) return;
  if (u.parallelism < 0) throw bad(`TaskSpec: ${what}-parallelism cannot be negative`);
  if (u.delayNs < 0) throw bad(`TaskSpec: ${what}-delay cannot be negative`);
  if (u.monitorNs < 0) throw bad(`TaskSpec: ${what}-monitor cannot be negative`);
  if (u.maxFailureRatio < 0 || u.maxFailureRatio > 1)
    throw bad(`TaskSpec: ${what}-max-failure-ratio must be between 0 and 1`);
}

function validateEndpoint(spec: ServiceSpec): void {
  const e = spec.endpoint;
  if (!e) return;
  if (e.mode === EndpointMode.DNSRR && e.ports.some(isIngress)) {
    throw bad("EndpointSpec: port published with ingress mode can't be used with dnsrr mode");
  }
  const published = new Map<string, PortConfig[]>();
  for (const p of e.ports) {
    validatePort(p);
    if (p.publishedPort === 0) continue;
    const key = `${p.protocol}/${p.publishedPort}`;
    const sameNumber = published.get(key) ?? [];
    // On single nodes a port of each address may be another one's.
    if (sameNumber.some((q) => isIngress(p) || isIngress(q) || p.hostIp === q.hostIp))
      throw bad(`EndpointSpec: duplicate published ports provided: ${p.publishedPort}`);
    sameNumber.push(p);
    published.set(key, sameNumber);
  }
}

/** A wish for a port that is not published that way does nothing: more likely than not it is a typing error. */
function validatePortLabels(spec: ServiceSpec): void {
  const labels = spec.annotations?.labels ?? {};
  const ports = spec.endpoint?.ports ?? [];
  const refuse = (label: string, targets: Iterable<string>, published: readonly PortConfig[], mode: string) => {
    const known = new Set(published.map(targetOf));
    const unknown = [...targets].find((t) => !known.has(t));
    if (unknown === undefined) return;
    throw bad(
      `${label} names ${unknown}, which is not published with mode=${mode}: publish it so, or change the label`,
    );
  };
  const inIngress = ports.filter(isIngress);
  const onNodes = ports.filter((p) => !isIngress(p));
  refuse(extensionLabels.preferLocal, preferLocalPorts(labels), inIngress, 'ingress');
  refuse(extensionLabels.hostIp, Object.keys(readContainerExtensions(labels).hostIps), onNodes, 'host');
}

function validatePort(p: PortConfig): void {
  if (p.targetPort < 1 || p.targetPort > 65535)
    throw bad(`EndpointSpec: invalid target port ${p.targetPort}: must be 1 to 65535`);
  if (p.publishedPort > 65535)
    throw bad(`EndpointSpec: invalid published port ${p.publishedPort}: must be at most 65535`);
  if (isIngress(p) && p.hostIp !== '') {
    throw bad(
      `EndpointSpec: port ${p.publishedPort || p.targetPort} is published on every node, not on ${p.hostIp}: use mode=host`,
    );
  }
}

/** What is taken, but hardly meant. */
export function specWarnings(spec: ServiceSpec): readonly string[] {
  return spreadWarnings((spec.task?.placement?.preferences ?? []).map((p) => p.spreadDescriptor));
}
