/** Services, tasks and nodes for tests of the orchestrators' decisions. */
import {
  ContainerSpec,
  JobStatus,
  Meta,
  Node,
  NodeAvailability,
  NodeSpec,
  NodeState,
  NodeStatus,
  RestartPolicy,
  Service,
  ServiceMode,
  ServiceSpec,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';

export const NOW = 1_700_000_000_000;

export interface ServiceShape {
  readonly replicas?: number;
  readonly global?: boolean;
  readonly restart?: Partial<RestartPolicy>;
  readonly image?: string;
  readonly specVersion?: number;
  /** A job of so many completions, `replicas` at once; or 'global'. */
  readonly job?: number | 'global';
  readonly iteration?: number;
  readonly labels?: Readonly<Record<string, string>>;
}

function modeOf(s: ServiceShape): ServiceMode {
  const replicas = s.replicas ?? 3;
  if (s.job === 'global') return ServiceMode.create({ globalJob: {} });
  if (s.job !== undefined)
    return ServiceMode.create({ replicatedJob: { maxConcurrent: replicas, totalCompletions: s.job } });
  return ServiceMode.create(s.global ? { global: {} } : { replicated: { replicas } });
}

export function testService(s: ServiceShape = {}): Service {
  return Service.create({
    id: 'svc',
    specVersion: { index: s.specVersion ?? 1 },
    ...(s.job === undefined
      ? {}
      : { jobStatus: JobStatus.create({ jobIteration: { index: s.iteration ?? 0 }, lastExecutionMs: NOW }) }),
    spec: ServiceSpec.create({
      annotations: { name: 'web', labels: s.labels ?? {} },
      mode: modeOf(s),
      task: TaskSpec.create({
        container: ContainerSpec.create({ image: s.image ?? 'busybox' }),
        ...(s.restart ? { restart: RestartPolicy.create(s.restart) } : {}),
      }),
    }),
  });
}

export interface TaskShape {
  readonly id: string;
  readonly slot: number;
  readonly state?: TaskState;
  readonly desired?: TaskState;
  readonly node?: string;
  readonly specVersion?: number;
  readonly createdAtMs?: number;
  readonly endedAtMs?: number;
  readonly notBeforeMs?: number;
  readonly iteration?: number;
}

export function testTask(s: TaskShape): Task {
  return Task.create({
    id: s.id,
    slot: s.slot,
    serviceId: 'svc',
    nodeId: s.node ?? 'n1',
    specVersion: { index: s.specVersion ?? 1 },
    spec: testService().spec?.task,
    desiredState: s.desired ?? TaskState.RUNNING,
    restartNotBeforeMs: s.notBeforeMs ?? 0,
    ...(s.iteration === undefined ? {} : { jobIteration: { index: s.iteration } }),
    meta: Meta.create({ version: { index: 1 }, createdAtMs: s.createdAtMs ?? NOW - 1000, updatedAtMs: NOW }),
    status: TaskStatus.create({ state: s.state ?? TaskState.RUNNING, appliedAtMs: s.endedAtMs ?? NOW }),
  });
}

export function testNode(
  id: string,
  state: NodeState = NodeState.NODE_READY,
  availability: NodeAvailability = NodeAvailability.ACTIVE,
): Node {
  return Node.create({ id, spec: NodeSpec.create({ availability }), status: NodeStatus.create({ state }) });
}

export const nodeMap = (...nodes: readonly Node[]): ReadonlyMap<string, Node> => new Map(nodes.map((n) => [n.id, n]));
