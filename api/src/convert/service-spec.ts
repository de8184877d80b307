/** Service specs, both ways. */
import { SwarmtsError } from '@swarmts/lib';
import {
  FailureAction,
  GlobalJobMode,
  GlobalMode,
  ReplicatedJobMode,
  ReplicatedMode,
  ServiceMode,
  ServiceSpec,
  TaskSpec,
  UpdateConfig,
  UpdateOrder,
} from '@swarmts/proto';
import type { JsonObject } from '../json/object.js';
import { wordOf } from '../json/write.js';
import { annotationsJson, readAnnotations } from './annotations.js';
import { endpointSpecJson, readEndpointSpec } from './endpoint.js';
import { networksJson, readNetworks, readTaskSpec, taskSpecJson } from './task-spec.js';

const failureActions: Readonly<Record<string, FailureAction>> = {
  pause: FailureAction.FAILURE_PAUSE,
  continue: FailureAction.FAILURE_CONTINUE,
  rollback: FailureAction.FAILURE_ROLLBACK,
};
const updateOrders: Readonly<Record<string, UpdateOrder>> = {
  'stop-first': UpdateOrder.STOP_FIRST,
  'start-first': UpdateOrder.START_FIRST,
};

export function readServiceSpec(o: JsonObject): ServiceSpec {
  const template = o.object('TaskTemplate');
  const task = template === undefined ? TaskSpec.create({}) : readTaskSpec(template);
  // Clients before 1.25 name the networks beside the template, and look for them there.
  const old = task.networks.length === 0 ? readNetworks(o) : [];
  const update = o.object('UpdateConfig');
  const rollback = o.object('RollbackConfig');
  const endpoint = o.object('EndpointSpec');
  return ServiceSpec.create({
    annotations: readAnnotations(o),
    task: old.length > 0 ? { ...task, networks: old } : task,
    networks: old,
    mode: readMode(o.object('Mode')),
    update: update === undefined ? undefined : readUpdate(update),
    rollback: rollback === undefined ? undefined : readUpdate(rollback),
    endpoint: endpoint === undefined ? undefined : readEndpointSpec(endpoint),
  });
}

export function serviceSpecJson(s: ServiceSpec): Record<string, unknown> {
  return {
    ...annotationsJson(s.annotations),
    TaskTemplate:
      s.task === undefined ? {} : taskSpecJson(s.networks.length > 0 ? { ...s.task, networks: [] } : s.task),
    Mode: modeJson(s.mode),
    ...(s.update === undefined ? {} : { UpdateConfig: updateJson(s.update) }),
    ...(s.rollback === undefined ? {} : { RollbackConfig: updateJson(s.rollback) }),
    ...(s.networks.length > 0 ? { Networks: networksJson(s.networks) } : {}),
    ...(s.endpoint === undefined ? {} : { EndpointSpec: endpointSpecJson(s.endpoint) }),
  };
}

function readMode(o: JsonObject | undefined): ServiceMode {
  const replicated = o?.object('Replicated');
  const global = o?.object('Global');
  const replicatedJob = o?.object('ReplicatedJob');
  const globalJob = o?.object('GlobalJob');
  if ([replicated, global, replicatedJob, globalJob].filter((m) => m !== undefined).length > 1) {
    throw new SwarmtsError('invalid-argument', 'must specify only one service mode');
  }
  if (global !== undefined) return ServiceMode.create({ global: GlobalMode.create({}) });
  if (globalJob !== undefined) return ServiceMode.create({ globalJob: GlobalJobMode.create({}) });
  if (replicatedJob !== undefined) {
    const total = replicatedJob.has('TotalCompletions') ? replicatedJob.unsigned('TotalCompletions') : undefined;
    const concurrent = replicatedJob.has('MaxConcurrent') ? replicatedJob.unsigned('MaxConcurrent') : undefined;
    const maxConcurrent = concurrent ?? 1;
    return ServiceMode.create({
      replicatedJob: ReplicatedJobMode.create({ maxConcurrent, totalCompletions: total ?? maxConcurrent }),
    });
  }
  const replicas = replicated?.has('Replicas') === true ? replicated.unsigned('Replicas') : 1;
  return ServiceMode.create({ replicated: ReplicatedMode.create({ replicas }) });
}

function modeJson(m: ServiceMode | undefined): Record<string, unknown> {
  if (m?.global !== undefined) return { Global: {} };
  if (m?.globalJob !== undefined) return { GlobalJob: {} };
  if (m?.replicatedJob !== undefined) {
    const { maxConcurrent, totalCompletions } = m.replicatedJob;
    return { ReplicatedJob: { MaxConcurrent: maxConcurrent, TotalCompletions: totalCompletions } };
  }
  return m?.replicated === undefined ? {} : { Replicated: { Replicas: m.replicated.replicas } };
}

function readUpdate(o: JsonObject): UpdateConfig {
  return UpdateConfig.create({
    parallelism: o.unsigned('Parallelism'),
    delayNs: o.integer('Delay'),
    failureAction: o.oneOf('FailureAction', failureActions, FailureAction.FAILURE_PAUSE),
    monitorNs: o.integer('Monitor'),
    hasMonitor: o.integer('Monitor') !== 0,
    maxFailureRatio: o.number('MaxFailureRatio'),
    order: o.oneOf('Order', updateOrders, UpdateOrder.STOP_FIRST),
  });
}

function updateJson(u: UpdateConfig): Record<string, unknown> {
  return {
    Parallelism: u.parallelism,
    ...(u.delayNs === 0 ? {} : { Delay: u.delayNs }),
    FailureAction: wordOf(failureActions, u.failureAction),
    ...(u.hasMonitor ? { Monitor: u.monitorNs } : {}),
    MaxFailureRatio: u.maxFailureRatio,
    Order: wordOf(updateOrders, u.order),
  };
}
