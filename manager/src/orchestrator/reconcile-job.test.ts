import assert from 'node:assert/strict';
import {
  isWanted,
  Meta,
  NodeAvailability,
  NodeState,
  observedState,
  RestartCondition,
  type Task,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import fc from 'fast-check';
import type { Step } from './decision.js';
import { reconcileJob } from './reconcile-job.js';
import { tasksToDelete } from './task-reaper.js';
import { NOW, nodeMap, type ServiceShape, type TaskShape, testNode, testService, testTask } from './testing.js';

const NODES = nodeMap(testNode('n1'), testNode('n2'), testNode('n3'));

const DRAINED = testNode('n1', NodeState.NODE_READY, NodeAvailability.DRAIN);

const task = (shape: TaskShape) => testTask({ desired: TaskState.COMPLETE, iteration: 0, ...shape });

/** Steps as sentences. */
function steps(shape: ServiceShape, tasks: readonly Task[], nodes = NODES): string[] {
  const nameOf = (state: TaskState) => Object.entries(TaskState).find(([, v]) => v === state)?.[0];
  return reconcileJob({ service: testService(shape), tasks, nodes, nowMs: NOW }).steps.map((s) => {
    if (s.type === 'desire') return `${s.taskId} -> ${nameOf(s.state)}`;
    if (s.type === 'create') return `create ${s.task.nodeId || s.task.slot} to ${nameOf(s.task.desiredState)}`;
    const delay = Math.max(0, s.task.restartNotBeforeMs - NOW);
    return `replace ${s.taskId} by ${s.task.nodeId || s.task.slot} to ${nameOf(s.task.desiredState)} after ${delay} ms`;
  });
}

describe('a replicated job', () => {
  it('begins as many tasks as may run at once, in slots from 0', () => {
    assert.deepEqual(steps({ job: 5, replicas: 2 }, []), ['create 0 to COMPLETE', 'create 1 to COMPLETE']);
    assert.deepEqual(steps({ job: 1, replicas: 2 }, []), ['create 0 to COMPLETE']);
  });

  it('begins the next when one completes, and ends when all have', () => {
    const done = (slot: number) => task({ id: `d${slot}`, slot, state: TaskState.COMPLETE });
    assert.deepEqual(steps({ job: 3, replicas: 1 }, [done(0)]), ['create 1 to COMPLETE']);
    assert.deepEqual(steps({ job: 3, replicas: 1 }, [done(0), done(1), done(2)]), []);
  });

  it('tries a failed task again in its slot, after the delay', () => {
    const failed = task({ id: 'a', slot: 0, state: TaskState.FAILED });
    assert.deepEqual(steps({ job: 1, replicas: 1 }, [failed]), ['replace a by 0 to READY after 5000 ms']);
    assert.deepEqual(steps({ job: 1, restart: { condition: RestartCondition.ANY, hasDelay: true } }, [failed]), [
      'replace a by 0 to COMPLETE after 0 ms',
    ]);
  });

  it('lets a prepared successor run once its delay is over and its predecessor has stopped', () => {
    const old = task({ id: 'a', slot: 0, desired: TaskState.SHUTDOWN });
    const next = task({ id: 'b', slot: 0, state: TaskState.READY, desired: TaskState.READY });
    assert.deepEqual(steps({ job: 1 }, [old, next]), []);
    const stopped = { ...old, status: TaskStatus.create({ state: TaskState.SHUTDOWN }) };
    assert.deepEqual(steps({ job: 1 }, [stopped, next]), ['b -> COMPLETE']);
  });

  it('gives a slot up when its attempts are used up, and goes on with the others', () => {
    const failed = task({ id: 'a', slot: 0, state: TaskState.FAILED });
    const shape = { job: 2, replicas: 1, restart: { condition: RestartCondition.NONE } };
    assert.deepEqual(steps(shape, [failed]), ['create 1 to COMPLETE']);
    const second = task({ id: 'b', slot: 1, state: TaskState.FAILED });
    assert.deepEqual(steps(shape, [failed, second]), []);
  });

  it('replaces at once what was on a node that is lost, and what drains when it has stopped', () => {
    const a = task({ id: 'a', slot: 0, node: 'n1' });
    assert.deepEqual(steps({ job: 1 }, [a], nodeMap(testNode('n1', NodeState.DOWN))), [
      'replace a by 0 to COMPLETE after 0 ms',
    ]);
    const drained = nodeMap(testNode('n1', NodeState.NODE_READY, NodeAvailability.DRAIN));
    assert.deepEqual(steps({ job: 1 }, [a], drained), ['replace a by 0 to READY after 0 ms']);
  });

  it('does nothing twice without restarts, whatever becomes of the node', () => {
    const once = { job: 1, restart: { condition: RestartCondition.NONE } };
    const a = task({ id: 'a', slot: 0, node: 'n1' });
    assert.deepEqual(steps(once, [a], nodeMap(testNode('n1', NodeState.DOWN), testNode('n2'))), []);
    assert.deepEqual(steps(once, [a], nodeMap(testNode('n2'))), []);
    assert.deepEqual(steps(once, [a], nodeMap(DRAINED, testNode('n2'))), ['a -> SHUTDOWN']);
    const stopped = task({ id: 'a', slot: 0, node: 'n1', desired: TaskState.SHUTDOWN, state: TaskState.SHUTDOWN });
    assert.deepEqual(steps(once, [stopped], nodeMap(DRAINED, testNode('n2'))), []);
  });

  it('empties a drained node of a task whose attempts are used up as well', () => {
    const shape = { job: 1, restart: { maxAttempts: 1 } };
    const failed = task({
      id: 'a',
      slot: 0,
      state: TaskState.FAILED,
      desired: TaskState.SHUTDOWN,
      createdAtMs: NOW - 9,
    });
    const last = (desired: TaskState) => task({ id: 'b', slot: 0, node: 'n1', createdAtMs: NOW - 5, desired });
    const nodes = nodeMap(DRAINED, testNode('n2'));
    assert.deepEqual(steps(shape, [failed, last(TaskState.COMPLETE)], nodes), ['b -> SHUTDOWN']);
    assert.deepEqual(steps(shape, [failed, last(TaskState.SHUTDOWN)], nodes), []);
  });

  it('stops the second run of what has completed after all', () => {
    const late = task({ id: 'a', slot: 0, state: TaskState.COMPLETE, desired: TaskState.SHUTDOWN });
    assert.deepEqual(steps({ job: 1 }, [late, task({ id: 'b', slot: 0 })]), ['b -> SHUTDOWN']);
  });

  it('starts over with a new iteration', () => {
    const old = [task({ id: 'a', slot: 0, state: TaskState.COMPLETE }), task({ id: 'b', slot: 1 })];
    assert.deepEqual(steps({ job: 2, iteration: 1 }, old), [
      'b -> REMOVE',
      'create 0 to COMPLETE',
      'create 1 to COMPLETE',
    ]);
  });

  it('completes each slot once, never more at a time than allowed, whatever fails', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.infiniteStream(fc.constantFrom('complete', 'fail', 'wait', 'lose')),
        (total, atOnce, fates) => {
          const service = testService({ job: total, replicas: atOnce, restart: { hasDelay: true } });
          let tasks: Task[] = [];
          for (let round = 0; round < 400; round++) {
            tasks = apply(tasks, reconcileJob({ service, tasks, nodes: NODES, nowMs: NOW }).steps, round);
            const open = tasks.filter((t) => isWanted(t) && observedState(t) <= TaskState.RUNNING);
            assert.ok(open.length <= atOnce, `${open.length} tasks at once, ${atOnce} are allowed`);
            tasks = tasks.map((t) => (open.includes(t) ? live(t, round < 300 ? fates.next().value : 'complete') : t));
          }
          const done = tasks.filter((t) => observedState(t) === TaskState.COMPLETE).map((t) => t.slot);
          assert.deepEqual(
            done.sort((a, b) => a - b),
            Array.from({ length: total }, (_, i) => i),
          );
        },
      ),
    );
  });
});

function apply(tasks: readonly Task[], steps: readonly Step[], round: number): Task[] {
  const desired = new Map(
    steps.flatMap((s) => {
      if (s.type === 'create') return [];
      return [[s.taskId, s.type === 'desire' ? s.state : TaskState.SHUTDOWN] as const];
    }),
  );
  const made = steps.flatMap((s) => (s.type === 'desire' ? [] : [s.task]));
  const meta = Meta.create({ version: { index: 1 }, createdAtMs: NOW - 1000 + round, updatedAtMs: NOW });
  return [
    ...tasks.map((t) => ({ ...t, desiredState: Math.max(t.desiredState, desired.get(t.id) ?? 0) as TaskState })),
    ...made.map((t) => ({ ...t, meta, nodeId: 'n1' })),
  ];
}

function live(t: Task, fate: string | undefined): Task {
  const state = { complete: TaskState.COMPLETE, fail: TaskState.FAILED, lose: TaskState.ORPHANED }[fate ?? ''];
  return { ...t, status: TaskStatus.create({ state: state ?? TaskState.RUNNING }) };
}

describe('a global job', () => {
  it('runs once on every ready node that is not paused or drained', () => {
    const nodes = nodeMap(
      testNode('n1'),
      testNode('n2', NodeState.NODE_READY, NodeAvailability.PAUSE),
      testNode('n3', NodeState.NODE_READY, NodeAvailability.DRAIN),
      testNode('n4', NodeState.DOWN),
    );
    assert.deepEqual(steps({ job: 'global' }, [], nodes), ['create n1 to COMPLETE']);
  });

  it('runs on a node that joins later, and not again where it has completed', () => {
    const done = task({ id: 'a', slot: 0, node: 'n1', state: TaskState.COMPLETE });
    assert.deepEqual(steps({ job: 'global' }, [done], nodeMap(testNode('n1'), testNode('n2'))), [
      'create n2 to COMPLETE',
    ]);
  });

  it('tries again on the same node', () => {
    const failed = task({ id: 'a', slot: 0, node: 'n1', state: TaskState.FAILED });
    assert.deepEqual(steps({ job: 'global' }, [failed], nodeMap(testNode('n1'))), [
      'replace a by n1 to READY after 5000 ms',
    ]);
  });

  it('leaves a node that is down alone, lets go of one that drains, and forgets one that is gone', () => {
    const a = task({ id: 'a', slot: 0, node: 'n1' });
    assert.deepEqual(steps({ job: 'global' }, [a], nodeMap(testNode('n1', NodeState.DOWN))), []);
    const drained = nodeMap(testNode('n1', NodeState.NODE_READY, NodeAvailability.DRAIN));
    assert.deepEqual(steps({ job: 'global' }, [a], drained), ['a -> SHUTDOWN']);
    assert.deepEqual(steps({ job: 'global' }, [a], nodeMap()), ['a -> REMOVE']);
  });
});

describe('the history of a job', () => {
  it('keeps what its current iteration completed, however short the history is', () => {
    const done = [0, 1, 2].map((slot) => task({ id: `d${slot}`, slot, state: TaskState.COMPLETE }));
    assert.deepEqual(tasksToDelete(done, testService({ job: 3 }), 0), []);
    assert.deepEqual(tasksToDelete(done, testService({ job: 3, iteration: 1 }), 0), ['d0', 'd1', 'd2']);
  });
});
