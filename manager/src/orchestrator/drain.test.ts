import assert from 'node:assert/strict';
import {
  NodeAvailability,
  NodeState,
  type Service,
  type Task,
  TaskState,
  TaskStatus,
  type UpdateConfig,
  UpdateOrder,
} from '@swarmts/proto';
import { drainSteps } from './drain.js';
import { OrchestratorBed, readyNode, withUpdate } from './orchestrator-bed.js';
import { groupBySeat } from './slots.js';
import { NOW, nodeMap, testNode, testService, testTask } from './testing.js';

const NODES = nodeMap(testNode('n1', NodeState.NODE_READY, NodeAvailability.DRAIN), testNode('n2'));
const running = (slot: number, node = 'n1') => testTask({ id: `t${slot}`, slot, node });

function sentences(update: Partial<UpdateConfig> | undefined, tasks: readonly Task[]): string[] {
  const plain = testService({ replicas: 3 });
  const service: Service = update ? withUpdate(update)(plain) : plain;
  return drainSteps({ service, tasks, nodes: NODES, nowMs: NOW }, groupBySeat(tasks)).map((s) => {
    if (s.type === 'desire') return `${s.taskId} -> SHUTDOWN`;
    if (s.type === 'replace') return `replace ${s.taskId}`;
    return `create ${s.task.slot}`;
  });
}

describe('a drained node', () => {
  it('is left one slot after the other, unless updates are made several at a time', () => {
    const tasks = [running(1), running(2), running(3, 'n2')];
    assert.deepEqual(sentences(undefined, tasks), ['replace t1']);
    assert.deepEqual(sentences({ parallelism: 2 }, tasks), ['replace t1', 'replace t2']);
    assert.deepEqual(sentences({ parallelism: 0 }, tasks), ['replace t1', 'replace t2']);
  });

  it('keeps the next task until the one before has come up elsewhere', () => {
    const left = { ...running(1), desiredState: TaskState.SHUTDOWN };
    const next = testTask({ id: 'b', slot: 1, node: 'n2', state: TaskState.STARTING });
    assert.deepEqual(sentences(undefined, [left, next, running(2)]), []);
    const up = { ...next, status: TaskStatus.create({ state: TaskState.RUNNING }) };
    assert.deepEqual(sentences(undefined, [left, up, running(2)]), ['replace t2']);
  });

  it('does not wait for a task that no node suits, or that has failed before', () => {
    const left = { ...running(1), desiredState: TaskState.SHUTDOWN };
    const status = TaskStatus.create({ state: TaskState.PENDING, err: 'no suitable node' });
    const homeless = { ...testTask({ id: 'b', slot: 1, node: '' }), status };
    assert.deepEqual(sentences(undefined, [left, homeless, running(2)]), ['replace t2']);
    const failing = testTask({ id: 'b', slot: 1, node: 'n2', state: TaskState.READY, notBeforeMs: NOW + 5000 });
    assert.deepEqual(sentences(undefined, [left, failing, running(2)]), ['replace t2']);
  });

  it('keeps a task of a service that starts the new one first until that runs', () => {
    const startFirst = { order: UpdateOrder.START_FIRST };
    assert.deepEqual(sentences(startFirst, [running(1), running(2)]), ['create 1']);
    const starting = testTask({ id: 'b', slot: 1, node: 'n2', state: TaskState.STARTING });
    assert.deepEqual(sentences(startFirst, [running(1), starting, running(2)]), []);
    const up = { ...starting, status: TaskStatus.create({ state: TaskState.RUNNING }) };
    assert.deepEqual(sentences(startFirst, [running(1), up, running(2)]), ['t1 -> SHUTDOWN', 'create 2']);
  });

  it('gets empty, and a service that starts the new task first never has fewer than it wants', async () => {
    const bed = new OrchestratorBed();
    await bed.start(withUpdate({ order: UpdateOrder.START_FIRST }));
    await bed.store.update((tx) => tx.create('node', readyNode('n2')));
    let fewest = 3;
    bed.store.watch({
      commit: () => {
        fewest = Math.min(fewest, bed.tasks('busybox').length);
      },
    });
    await bed.store.update((tx) => {
      const n = tx.get('node', 'n1');
      if (n?.spec) tx.update('node', { ...n, spec: { ...n.spec, availability: NodeAvailability.DRAIN } });
    });
    await bed.run(2000);
    assert.deepEqual(
      bed.tasks('busybox').map((t) => t.nodeId),
      ['n2', 'n2', 'n2'],
    );
    assert.equal(fewest, 3);
    await bed.orchestrator.stop();
  });
});
