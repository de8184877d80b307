/** Services: how many of their tasks run, storing and changing their specs. Words: Docker's. */
import { allocateAddresses, messageOf, newId, SubnetPool, SwarmtsError } from '@swarmts/lib';
import {
  isWanted,
  type Network,
  type NetworkAttachmentConfig,
  NodeState,
  observedState,
  Service,
  type ServiceSpec,
  type Task,
  TaskState,
  UpdateOrder,
  UpdateState,
  UpdateStatus,
} from '@swarmts/proto';
import { isNodeNetwork } from '../allocator/attachments.js';
import { endpointOf } from '../allocator/service-endpoint.js';
import { isJob, isOfIteration, nextJobStatus } from '../orchestrator/job.js';
import { autoscaleStatusWith, replicasOf } from '../orchestrator/replicas.js';
import { sameSpec } from '../orchestrator/same-spec.js';
import { pinsWith } from '../orchestrator/volume-pins.js';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { checkVersion, nameTaken } from './conflicts.js';
import { findByNameOrId } from './find.js';
import { nameOfVersion } from './payload-operations.js';

export interface ServiceCounts {
  readonly service: Service;
  readonly runningTasks: number;
  readonly desiredTasks: number;
  readonly completedTasks: number;
}

export function serviceCounts(tx: ReadTx, service: Service): ServiceCounts {
  const tasks = tx.by('task', 'service', service.id);
  const up = (t: Task) => {
    const state = tx.get('node', t.nodeId)?.status?.state;
    return state !== undefined && state !== NodeState.DOWN;
  };
  const running = tasks.filter((t) => isWanted(t) && observedState(t) === TaskState.RUNNING && up(t)).length;
  if (isJob(service)) return { service, runningTasks: running, ...jobCounts(service, tasks) };
  const desired = service.spec?.mode?.replicated ? replicasOf(service) : tasks.filter(isWanted).length;
  return { service, runningTasks: running, desiredTasks: desired, completedTasks: 0 };
}

/** Of the current iteration: tasks that are to run at once (replicated), or still have to complete (global). */
function jobCounts(service: Service, tasks: readonly Task[]): Pick<ServiceCounts, 'desiredTasks' | 'completedTasks'> {
  const mine = tasks.filter((t) => isOfIteration(service, t));
  const completedTasks = mine.filter((t) => observedState(t) === TaskState.COMPLETE).length;
  const open = mine.filter((t) => isWanted(t) && observedState(t) !== TaskState.COMPLETE).length;
  return { desiredTasks: service.spec?.mode?.replicatedJob?.maxConcurrent ?? open, completedTasks };
}

/** The spec is valid. Returns the id. */
export function createService(tx: WriteTx, given: ServiceSpec, nowMs: number, id = newId()): string {
  if (tx.get('service', id)) return id;
  const name = given.annotations?.name ?? '';
  if (tx.by('service', 'name', name).length > 0) throw nameTaken('service', name);
  const spec = referring(tx, given);
  const endpoint = endpointOf(tx, spec, undefined);
  const jobStatus = nextJobStatus(spec, undefined, nowMs);
  tx.create('service', Service.create({ id, spec, specVersion: { index: 1 }, endpoint, jobStatus }));
  return id;
}

/** The spec is valid; with `rollback` the one before takes its place. */
export function updateService(
  tx: WriteTx,
  a: {
    readonly ref: string;
    readonly version: number;
    readonly spec: ServiceSpec;
    readonly rollback: boolean;
    readonly nowMs: number;
  },
): void {
  const service = findByNameOrId(tx, 'service', a.ref);
  checkVersion('service', service, a.version);
  if (a.rollback && !service.previousSpec) {
    throw new SwarmtsError('failed-precondition', `service ${a.ref} does not have a previous spec`);
  }
  const spec = a.rollback ? (service.previousSpec ?? a.spec) : a.spec;
  if (spec.annotations?.name !== service.spec?.annotations?.name) {
    throw new SwarmtsError(
      'unsupported',
      'renaming services is not supported: create a new one and remove the old one',
    );
  }
  if (modeName(spec) !== modeName(service.spec)) {
    throw new SwarmtsError('unsupported', 'service mode change is not allowed: create a new service');
  }
  putSpec(tx, service, spec, a);
}

export function putSpec(
  tx: WriteTx,
  service: Service,
  given: ServiceSpec,
  { rollback, nowMs }: { readonly rollback: boolean; readonly nowMs: number },
): void {
  const spec = referring(tx, given);
  const endpoint = endpointOf(tx, spec, service);
  const changed = !sameSpec(withoutScale(spec), withoutScale(service.spec));
  const rollingBack = {
    state: UpdateState.ROLLBACK_STARTED,
    startedAtMs: nowMs,
    message: 'manually requested rollback',
  };
  tx.update('service', {
    ...service,
    spec,
    endpoint,
    specVersion: changed ? { index: (service.specVersion?.index ?? 0) + 1 } : service.specVersion,
    previousSpec: service.spec,
    previousSpecVersion: service.specVersion,
    volumePins: pinsWith(tx, service, spec),
    jobStatus: nextJobStatus(spec, service, nowMs),
    autoscaleStatus: autoscaleStatusWith(service, spec),
    updateStatus: rollback
      ? UpdateStatus.create(rollingBack)
      : changed || isPaused(service)
        ? undefined
        : service.updateStatus,
  });
}

/** It goes on with the next update of the service, also with one that changes nothing. */
function isPaused({ updateStatus }: Service): boolean {
  return updateStatus?.state === UpdateState.UPDATE_PAUSED || updateStatus?.state === UpdateState.ROLLBACK_PAUSED;
}

function modeName(spec: ServiceSpec | undefined): string {
  return Object.entries(spec?.mode ?? {}).find(([, m]) => m !== undefined)?.[0] ?? '';
}

/** Scaling alone is no new version of the tasks. */
function withoutScale(spec: ServiceSpec | undefined): unknown {
  if (!spec) return undefined;
  return { ...spec, mode: spec.mode?.replicated ? 'replicated' : spec.mode };
}

/** The spec with its networks by their ids: names may belong to others later. What it names must exist. */
export function referring(tx: ReadTx, spec: ServiceSpec): ServiceSpec {
  checkReferences(tx, spec);
  const byId = (n: NetworkAttachmentConfig) => {
    const target = isNodeNetwork(n.target) ? n.target : findByNameOrId(tx, 'network', n.target).id;
    return target === n.target ? n : { ...n, target };
  };
  const task = spec.task && { ...spec.task, networks: spec.task.networks.map(byId) };
  return { ...spec, task, networks: spec.networks.map(byId) };
}

/** Secrets, configs and networks that the spec names must exist. */
function checkReferences(tx: ReadTx, spec: ServiceSpec): void {
  const c = spec.task?.container;
  for (const r of c?.secrets ?? []) {
    if (nameOfVersion(tx.get('secret', r.secretId)) !== r.secretName)
      throw new SwarmtsError('invalid-argument', `secret not found: ${r.secretName || r.secretId}`);
  }
  for (const r of c?.configs ?? []) {
    if (nameOfVersion(tx.get('config', r.configId)) !== r.configName)
      throw new SwarmtsError('invalid-argument', `config not found: ${r.configName || r.configId}`);
  }
  for (const n of spec.task?.networks ?? []) {
    if (isNodeNetwork(n.target)) continue;
    const network = findByNameOrId(tx, 'network', n.target);
    if (network.spec?.ingress) {
      throw new SwarmtsError('invalid-argument', 'Service cannot be explicitly attached to the ingress network');
    }
    if (n.addresses.length > 0) checkFixedAddresses(spec, network, n.addresses);
  }
}

/** An address belongs to one task at a time, so a service with one has one task, which stops before its successor starts. */
function checkFixedAddresses(spec: ServiceSpec, network: Network, addresses: readonly string[]): void {
  const name = network.spec?.annotations?.name ?? network.id;
  const [first = ''] = addresses;
  if ((spec.mode?.replicated?.replicas ?? 0) > 1 || !spec.mode?.replicated)
    throw new SwarmtsError(
      'invalid-argument',
      `address ${first} on network ${name}: a fixed address is for a replicated service of one replica`,
    );
  if (spec.update?.order === UpdateOrder.START_FIRST)
    throw new SwarmtsError(
      'invalid-argument',
      `address ${first} on network ${name}: with a fixed address the update order must be stop-first`,
    );
  try {
    const pools = (network.ipam?.configs ?? []).map((c) => SubnetPool.of(c));
    allocateAddresses(pools, 'asked', addresses);
  } catch (e) {
    throw new SwarmtsError('invalid-argument', `network ${name}: ${messageOf(e)}`);
  }
}
