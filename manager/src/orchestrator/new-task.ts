/** Making a task from a service, and telling whether a task still is what its service asks for. */
import { newId } from '@swarmts/lib';
import {
  type Annotations,
  EXTENSION_PREFIX,
  type Node,
  NodeAvailability,
  readContainerExtensions,
  type Service,
  Task,
  type TaskSpec,
  TaskState,
  TaskStatus,
  understood,
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
  return dirtyCheck(service)(task, node);
}

/** `isDirty` for many tasks of one service: tasks of one version were made from one spec, which is compared once, and so is each node. */
export function dirtyCheck(service: Service): (task: Task, node: Node | undefined) => boolean {
  const asked = new Map<number, boolean>();
  const fitting = new Map<string, boolean>();
  return (task, node) => {
    if (!service.spec?.task || !task.spec) return true;
    const version = task.specVersion?.index;
    if (version === service.specVersion?.index) return false;
    if (!remembered(asked, version ?? 0, () => isWhatIsAsked(service, task))) return true;
    return node !== undefined && !remembered(fitting, node.id, () => fitsPlacement(service, node));
  };
}

function remembered<K>(known: Map<K, boolean>, key: K, find: () => boolean): boolean {
  const value = known.get(key) ?? find();
  known.set(key, value);
  return value;
}

/** But for its placement. */
function isWhatIsAsked({ spec }: Service, task: Task): boolean {
  if (!spec?.task || !task.spec) return false;
  return (
    sameSpec(comparable(spec.task), comparable(task.spec)) &&
    sameSpec(containerExtensionsIn(spec.annotations), containerExtensionsIn(task.serviceAnnotations)) &&
    sameSpec(spec.endpoint?.ports, task.endpoint?.spec?.ports)
  );
}

/** Where they are not understood, the labels themselves: another value asks for another container all the same. */
function containerExtensionsIn(a: Annotations | undefined): unknown {
  const labels = a?.labels ?? {};
  const own = Object.entries(labels).filter(([name]) => name.startsWith(EXTENSION_PREFIX));
  return understood<unknown>(() => readContainerExtensions(labels), Object.fromEntries(own));
}

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
