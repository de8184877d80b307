/** Making a task from a service, and telling whether a task still is what its service asks for. */
import { newId } from '@swarmts/lib';
import {
  type Annotations,
  type Node,
  NodeAvailability,
  readContainerExtensions,
  type Service,
  Task,
  type TaskSpec,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import { matchesConstraint, NodeInfo, parseConstraints } from '@swarmts/scheduler';
import { isJob, iterationOf } from './job.js';
import { sameSpec } from './same-spec.js';
import { pinOf } from './volume-pins.js';

export interface TaskSeat {
  /** Number from 1 for replicated services, 0 for global ones. */
  readonly slot: number;
  /** Given for global services, '' where the scheduler decides. */
  readonly nodeId: string;
}

/** A task in state NEW that waits for the allocator. */
export function newTask(
  service: Service,
  seat: TaskSeat,
  desiredState: TaskState,
  nowMs: number,
  notBeforeMs = 0,
): Task {
  return Task.create({
    id: newId(),
    spec: service.spec?.task,
    specVersion: service.specVersion,
    serviceId: service.id,
    slot: seat.slot,
    nodeId: seat.nodeId,
    serviceAnnotations: service.spec?.annotations,
    endpoint: service.endpoint,
    logDriver: service.spec?.task?.logDriver,
    desiredState,
    status: TaskStatus.create({ state: TaskState.NEW, timestampMs: nowMs, appliedAtMs: nowMs, message: 'created' }),
    restartNotBeforeMs: notBeforeMs,
    pinnedNodeId: pinOf(service, seat.slot),
    ...(isJob(service) ? { jobIteration: { index: iterationOf(service) } } : {}),
  });
}

/**
 * Whether the task must be replaced to become what the service asks for. A change of placement alone does not
 * replace a task whose node still fits; registry credentials do not matter to a task that has its image.
 */
export function isDirty(service: Service, task: Task, node: Node | undefined): boolean {
  const wanted = service.spec?.task;
  if (!wanted || !task.spec) return true;
  if (task.specVersion?.index === service.specVersion?.index) return false;
  if (!sameSpec(comparable(wanted), comparable(task.spec))) return true;
  if (!sameSpec(containerExtensionsIn(service.spec?.annotations), containerExtensionsIn(task.serviceAnnotations)))
    return true;
  if (!sameSpec(service.spec?.endpoint?.ports, task.endpoint?.spec?.ports)) return true;
  return node !== undefined && !fitsPlacement(service, node);
}

const containerExtensionsIn = (a: Annotations | undefined) => readContainerExtensions(a?.labels ?? {});

function comparable(spec: TaskSpec): TaskSpec {
  const container = spec.container && { ...spec.container, registryAuth: '' };
  return { ...spec, placement: undefined, container };
}

/** Whether the node meets the service's constraints. */
export function fitsPlacement(service: Service, node: Node): boolean {
  const info = new NodeInfo(node);
  return parseConstraints(service.spec?.task?.placement?.constraints ?? []).every((c) => matchesConstraint(c, info));
}

export function isDrained(node: Node): boolean {
  return node.spec?.availability === NodeAvailability.DRAIN;
}
