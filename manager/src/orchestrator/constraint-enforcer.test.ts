import assert from 'node:assert/strict';
import {
  Node,
  NodeAvailability,
  NodeDescription,
  NodeSpec,
  NodeState,
  NodeStatus,
  type Service,
  type Task,
  TaskState,
} from '@swarmts/proto';
import { tasksToReject } from './constraint-enforcer.js';
import { testService, testTask } from './testing.js';

interface Shape {
  readonly labels?: Readonly<Record<string, string>>;
  readonly cpus?: number;
  readonly gpus?: number;
  readonly availability?: NodeAvailability;
}

function node(s: Shape): Node {
  const generic = s.gpus === undefined ? [] : [{ kind: 'gpu', value: '', count: s.gpus }];
  return Node.create({
    id: 'n1',
    spec: NodeSpec.create({
      availability: s.availability ?? NodeAvailability.ACTIVE,
      annotations: { name: '', labels: s.labels ?? {} },
    }),
    status: NodeStatus.create({ state: NodeState.NODE_READY }),
    description: NodeDescription.create({
      resources: { nanoCpus: (s.cpus ?? 4) * 1e9, memoryBytes: 1e9, pids: 0, generic },
    }),
  });
}

function service(constraints: readonly string[]): Service {
  const s = testService();
  const placement = { constraints, preferences: [], platforms: [], maxReplicas: 0 };
  return { ...s, spec: s.spec && { ...s.spec, task: s.spec.task && { ...s.spec.task, placement } } };
}

function reserving(id: string, cpus: number, gpus = 0): Task {
  const t = testTask({ id, slot: 1 });
  const generic = gpus === 0 ? [] : [{ kind: 'gpu', value: '', count: gpus }];
  const reservations = { nanoCpus: cpus * 1e9, memoryBytes: 0, pids: 0, generic };
  const resources = {
    limits: undefined,
    reservations,
    swapBytes: 0,
    hasSwap: false,
    memorySwappiness: 0,
    hasMemorySwappiness: false,
  };
  return { ...t, spec: t.spec && { ...t.spec, resources }, assignedGenericResources: generic };
}

const ids = (n: Node, tasks: readonly Task[], s: Service = service([])) =>
  tasksToReject(n, tasks, () => s).map((r) => r.taskId);

describe('the enforcer of constraints', () => {
  it('takes away what the present constraints of its service do not allow on the node', () => {
    const tasks = [testTask({ id: 'a', slot: 1 })];
    assert.deepEqual(ids(node({ labels: { zone: 'east' } }), tasks, service(['node.labels.zone==east'])), []);
    assert.deepEqual(ids(node({ labels: { zone: 'west' } }), tasks, service(['node.labels.zone==east'])), ['a']);
  });

  it('takes away what is more than the node has, and no more than that', () => {
    const tasks = [reserving('a', 2), reserving('b', 2), reserving('c', 1)];
    assert.deepEqual(ids(node({ cpus: 5 }), tasks), []);
    assert.deepEqual(ids(node({ cpus: 3 }), tasks), ['b']);
  });

  it('judges user-defined resources, also those that the node has not at all, and goes on', () => {
    const tasks = [reserving('a', 0, 2), reserving('b', 1)];
    assert.deepEqual(ids(node({ gpus: 2 }), tasks), []);
    assert.deepEqual(ids(node({ gpus: 1 }), tasks), ['a']);
    assert.deepEqual(ids(node({}), tasks), ['a']);
  });

  it('leaves nodes that are not active, tasks that have ended or leave, and services that are gone alone', () => {
    const s = service(['node.labels.zone==east']);
    const a = testTask({ id: 'a', slot: 1 });
    assert.deepEqual(ids(node({ availability: NodeAvailability.PAUSE }), [a], s), []);
    assert.deepEqual(ids(node({}), [testTask({ id: 'a', slot: 1, state: TaskState.FAILED })], s), []);
    assert.deepEqual(ids(node({}), [testTask({ id: 'a', slot: 1, desired: TaskState.SHUTDOWN })], s), []);
    assert.deepEqual(
      tasksToReject(node({}), [a], () => undefined),
      [],
    );
  });
});
