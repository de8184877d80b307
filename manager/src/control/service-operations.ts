/** Services: how many of their tasks run, storing and changing their specs. Words: Docker's. */
import { newId, SwarmtsError } from '@swarmts/lib';
import {
  isWanted,
  NodeState,
  observedState,
  Service,
  type ServiceSpec,
  type Task,
  TaskState,
  UpdateState,
  UpdateStatus,
} from '@swarmts/proto';
import { endpointOf } from '../allocator/service-endpoint.js';
import { isJob, isOfIteration, nextJobStatus } from '../orchestrator/job.js';
import { autoscaleStatusWith, replicasOf } from '../orchestrator/replicas.js';
import { sameSpec } from '../orchestrator/same-spec.js';
import { isUpdating } from '../orchestrator/update-state.js';
import { pinsWith } from '../orchestrator/volume-pins.js';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { checkVersion, nameTaken } from './conflicts.js';
import { findByNameOrId } from './find.js';
import { referring } from './service-references.js';

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
    // What became of the updates before, paused or rolled back, says nothing of one that comes now, also of one that changes nothing.
    updateStatus: rollback
      ? UpdateStatus.create(rollingBack)
      : changed || !isUpdating(service)
        ? undefined
        : service.updateStatus,
  });
}

function modeName(spec: ServiceSpec | undefined): string {
  return Object.entries(spec?.mode ?? {}).find(([, m]) => m !== undefined)?.[0] ?? '';
}

/** Scaling alone is no new version of the tasks. */
function withoutScale(spec: ServiceSpec | undefined): unknown {
  if (!spec) return undefined;
  return { ...spec, mode: spec.mode?.replicated ? 'replicated' : spec.mode };
}
