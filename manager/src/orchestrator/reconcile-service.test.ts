import assert from 'node:assert/strict';
import {
  Meta,
  NodeAvailability,
  NodeState,
  RestartCondition,
  type Service,
  type Task,
  TaskState,
} from '@swarmts/proto';
import fc from 'fast-check';
import type { Step } from './decision.js';
import { reconcileService } from './reconcile-service.js';
import { NOW, nodeMap, type ServiceShape, testNode, testService, testTask } from './testing.js';

const READY_NODES = nodeMap(testNode('n1'), testNode('n2'), testNode('n3'));

function decide(service: Service, tasks: readonly Task[], nodes = READY_NODES) {
  return reconcileService({ service, tasks, nodes, nowMs: NOW });
}

/** Steps as sentences. */
function sentences(steps: readonly Step[]): string[] {
  return steps.map((s) => {
    if (s.type === 'create') return `create slot ${s.task.slot}`;
    if (s.type === 'desire') return `${s.taskId} -> ${Object.entries(TaskState).find(([, v]) => v === s.state)?.[0]}`;
    const when =
      s.task.desiredState === TaskState.RUNNING
        ? 'at once'
        : `after ${Math.max(0, s.task.restartNotBeforeMs - NOW)} ms`;
    return `replace ${s.taskId} ${when}`;
  });
}

const steps = (shape: ServiceShape, tasks: readonly Task[], nodes = READY_NODES) =>
  sentences(decide(testService(shape), tasks, nodes).steps);

describe('scaling', () => {
  it('fills the lowest free slots', () => {
    assert.deepEqual(steps({ replicas: 4 }, [testTask({ id: 'a', slot: 2 })]), [
      'create slot 1',
      'create slot 3',
      'create slot 4',
    ]);
  });

  it('does nothing when all is as it should be', () => {
    assert.deepEqual(steps({ replicas: 1 }, [testTask({ id: 'a', slot: 1 })]), []);
  });

  it('keeps the rest balanced when it takes slots away', () => {
    const tasks = [
      testTask({ id: 'a', slot: 1, node: 'n1' }),
      testTask({ id: 'b', slot: 2, node: 'n1' }),
      testTask({ id: 'c', slot: 3, node: 'n1' }),
      testTask({ id: 'd', slot: 4, node: 'n2' }),
    ];
    assert.deepEqual(steps({ replicas: 2 }, tasks), ['c -> REMOVE', 'b -> REMOVE']);
  });

  it('gives up what has no node before what has one, and what does not run before what runs', () => {
    const tasks = [
      testTask({ id: 'a', slot: 1, node: '', state: TaskState.PENDING }),
      testTask({ id: 'b', slot: 2, node: 'n1', state: TaskState.STARTING }),
      testTask({ id: 'c', slot: 3, node: 'n2' }),
    ];
    assert.deepEqual(steps({ replicas: 2 }, tasks), ['a -> REMOVE']);
    assert.deepEqual(steps({ replicas: 1 }, tasks), ['a -> REMOVE', 'b -> REMOVE']);
  });

  it('removes everything at zero', () => {
    assert.deepEqual(steps({ replicas: 0 }, [testTask({ id: 'a', slot: 1 })]), ['a -> REMOVE']);
  });
});

describe('two in one seat', () => {
  const entries = (shape: ServiceShape, tasks: readonly Task[], nodes = READY_NODES) =>
    decide(testService(shape), tasks, nodes).steps.flatMap((s) => (s.type === 'desire' ? [] : [s.task.desiredState]));
  const leaving = (extra = {}) => testTask({ id: 'old', slot: 1, node: 'n1', desired: TaskState.SHUTDOWN, ...extra });
  const failed = testTask({ id: 'a', slot: 1, node: 'n2', state: TaskState.FAILED });
  const noDelay = { replicas: 1, restart: { hasDelay: true, delayNs: 0 } };

  it('prepares a successor, and has it wait for whoever still runs in its seat', () => {
    assert.deepEqual(entries(noDelay, [leaving(), failed]), [TaskState.READY]);
    assert.deepEqual(entries(noDelay, [leaving({ state: TaskState.SHUTDOWN }), failed]), [TaskState.RUNNING]);
    assert.deepEqual(entries(noDelay, [leaving()]), [TaskState.READY]);
  });

  it('does not wait for what is on a lost node, nor for a seat that was given up', () => {
    const lost = nodeMap(testNode('n1', NodeState.DOWN), testNode('n2'), testNode('n3'));
    assert.deepEqual(entries(noDelay, [leaving(), failed], lost), [TaskState.RUNNING]);
    assert.deepEqual(entries({ replicas: 1 }, [leaving({ desired: TaskState.REMOVE })]), [TaskState.RUNNING]);
  });

  it('has a node that was drained for a moment wait for what it is stopping', () => {
    const old = testTask({ id: 'old', slot: 0, node: 'n1', desired: TaskState.SHUTDOWN });
    assert.deepEqual(entries({ global: true }, [old], nodeMap(testNode('n1'))), [TaskState.READY]);
  });

  it('lets the older one go when the newer one runs, whoever started it', () => {
    const older = testTask({ id: 'old', slot: 1, node: 'n1', createdAtMs: NOW - 9 });
    const newer = (state: TaskState) => testTask({ id: 'new', slot: 1, node: 'n2', createdAtMs: NOW - 1, state });
    assert.deepEqual(steps({ replicas: 1 }, [older, newer(TaskState.STARTING)]), []);
    assert.deepEqual(steps({ replicas: 1 }, [older, newer(TaskState.RUNNING)]), ['old -> SHUTDOWN']);
  });
});

describe('restarting', () => {
  const failed = (id: string, slot: number, extra: Partial<Parameters<typeof testTask>[0]> = {}) =>
    testTask({ id, slot, state: TaskState.FAILED, ...extra });

  it('replaces a task that ended, after the delay', () => {
    assert.deepEqual(steps({ replicas: 1 }, [failed('a', 1)]), ['replace a after 5000 ms']);
  });

  it('waits for the delay of a task that failed while it was prepared', () => {
    const failed = testTask({
      id: 'a',
      slot: 1,
      state: TaskState.REJECTED,
      desired: TaskState.READY,
      notBeforeMs: NOW + 700,
    });
    const decision = decide(testService({ replicas: 1 }), [failed]);
    assert.deepEqual([sentences(decision.steps), decision.lookAgainAtMs], [[], NOW + 700]);
    assert.deepEqual(steps({ replicas: 1 }, [{ ...failed, restartNotBeforeMs: NOW }]), ['replace a after 5000 ms']);
  });

  it('replaces at once where the policy says no delay', () => {
    assert.deepEqual(steps({ replicas: 1, restart: { hasDelay: true, delayNs: 0 } }, [failed('a', 1)]), [
      'replace a at once',
    ]);
  });

  it('doubles the delay with each failure in a row, up to sixteen times, and starts over after a stable run', () => {
    const history = (n: number) =>
      Array.from({ length: n }, (_, i) =>
        failed(`h${i}`, 1, {
          desired: TaskState.SHUTDOWN,
          createdAtMs: NOW - 100_000 + i,
          endedAtMs: NOW - 90_000 + i,
        }),
      );
    const delay = (n: number, extra: readonly Task[] = []) =>
      steps({ replicas: 1, restart: { hasDelay: true, delayNs: 1e9 } }, [...history(n), ...extra, failed('z', 1)])[0];
    assert.equal(delay(0), 'replace z after 1000 ms');
    assert.equal(delay(1), 'replace z after 2000 ms');
    assert.equal(delay(3), 'replace z after 8000 ms');
    assert.equal(delay(4), 'replace z after 16000 ms');
    assert.equal(delay(9), 'replace z after 16000 ms');
    const stable = failed('s', 1, { desired: TaskState.SHUTDOWN, createdAtMs: NOW - 80_000, endedAtMs: NOW - 5000 });
    assert.equal(delay(9, [stable]), 'replace z after 1000 ms');
  });

  it('lets a task go that ended well when only failures restart', () => {
    const restart = { condition: RestartCondition.ON_FAILURE };
    assert.deepEqual(steps({ replicas: 1, restart }, [failed('a', 1, { state: TaskState.COMPLETE })]), [
      'a -> SHUTDOWN',
    ]);
    assert.deepEqual(steps({ replicas: 1, restart }, [failed('a', 1)]), ['replace a after 5000 ms']);
  });

  it('does not fill the slot of a task that is not to be restarted', () => {
    const done = failed('a', 1, { state: TaskState.COMPLETE, desired: TaskState.SHUTDOWN });
    assert.deepEqual(steps({ replicas: 1, restart: { condition: RestartCondition.NONE } }, [done]), []);
  });

  it('fills it again for a version of the service that asks for something else, and for no other', () => {
    const restart = { condition: RestartCondition.NONE };
    const spec = testService({ restart }).spec?.task;
    const done = { ...failed('a', 1, { state: TaskState.COMPLETE, desired: TaskState.SHUTDOWN }), spec };
    assert.deepEqual(steps({ replicas: 1, specVersion: 2, restart, image: 'new' }, [done]), ['create slot 1']);
    assert.deepEqual(steps({ replicas: 1, specVersion: 2, restart, labels: { a: 'b' } }, [done]), []);
  });

  it('stops after max attempts', () => {
    const restart = { maxAttempts: 2 };
    const h = (id: string, at: number) => failed(id, 1, { desired: TaskState.SHUTDOWN, createdAtMs: NOW - at });
    assert.match(steps({ replicas: 1, restart }, [h('a', 3000), failed('b', 1)])[0] ?? '', /^replace b/);
    assert.deepEqual(steps({ replicas: 1, restart }, [h('a', 4000), h('b', 3000), failed('c', 1)]), ['c -> SHUTDOWN']);
  });

  it('counts attempts within the window only', () => {
    const restart = { maxAttempts: 1, windowNs: 10e9 };
    const h = (id: string, at: number) => failed(id, 1, { desired: TaskState.SHUTDOWN, createdAtMs: NOW - at });
    assert.match(
      steps({ replicas: 1, restart }, [
        h('a', 90_000),
        h('b', 60_000),
        failed('c', 1, { createdAtMs: NOW - 30_000 }),
      ])[0] ?? '',
      /^replace c/,
    );
    assert.deepEqual(steps({ replicas: 1, restart }, [h('a', 9000), failed('c', 1, { createdAtMs: NOW - 5000 })]), [
      'c -> SHUTDOWN',
    ]);
  });

  it('moves a task away at once when its node is down or gone', () => {
    const nodes = nodeMap(testNode('n1', NodeState.DOWN), testNode('n2'));
    assert.deepEqual(steps({ replicas: 1 }, [testTask({ id: 'a', slot: 1 })], nodes), ['replace a at once']);
    assert.deepEqual(steps({ replicas: 1 }, [testTask({ id: 'a', slot: 1, node: 'gone' })]), ['replace a at once']);
  });

  it('leaves the tasks of a node alone whose state is unknown or that is paused', () => {
    assert.deepEqual(
      steps({ replicas: 1 }, [testTask({ id: 'a', slot: 1 })], nodeMap(testNode('n1', NodeState.UNKNOWN))),
      [],
    );
    assert.deepEqual(
      steps(
        { replicas: 1 },
        [testTask({ id: 'a', slot: 1 })],
        nodeMap(testNode('n1', NodeState.NODE_READY, NodeAvailability.PAUSE)),
      ),
      [],
    );
  });

  it('moves a task away from a drained node, without delay but not beside the old one', () => {
    const nodes = nodeMap(testNode('n1', NodeState.NODE_READY, NodeAvailability.DRAIN), testNode('n2'));
    assert.deepEqual(steps({ replicas: 1 }, [testTask({ id: 'a', slot: 1 })], nodes), ['replace a after 0 ms']);
  });
});

describe('starting what is prepared', () => {
  const ready = (extra: Partial<Parameters<typeof testTask>[0]> = {}) =>
    testTask({ id: 'b', slot: 1, node: 'n2', state: TaskState.READY, desired: TaskState.READY, ...extra });
  const old = (state: TaskState, node = 'n1') =>
    testTask({ id: 'a', slot: 1, node, state, desired: TaskState.SHUTDOWN });

  it('starts when the delay is over and the old task has stopped', () => {
    assert.deepEqual(steps({ replicas: 1 }, [old(TaskState.SHUTDOWN), ready()]), ['b -> RUNNING']);
  });

  it('waits for the delay and says until when', () => {
    const d = decide(testService({ replicas: 1 }), [old(TaskState.FAILED), ready({ notBeforeMs: NOW + 700 })]);
    assert.deepEqual(d.steps, []);
    assert.equal(d.lookAgainAtMs, NOW + 700);
  });

  it('does not wait for a time that a clock which was ahead has written', () => {
    const tomorrow = ready({ notBeforeMs: NOW + 86_400_000 });
    assert.deepEqual(steps({ replicas: 1 }, [old(TaskState.FAILED), tomorrow]), ['b -> RUNNING']);
  });

  it('waits for the old task, but not for ever', () => {
    const d = decide(testService({ replicas: 1 }), [old(TaskState.RUNNING), ready()]);
    assert.deepEqual(d.steps, []);
    assert.equal(d.lookAgainAtMs, NOW - 1000 + 60_000);
    assert.deepEqual(steps({ replicas: 1 }, [old(TaskState.RUNNING), ready({ createdAtMs: NOW - 61_000 })]), [
      'b -> RUNNING',
    ]);
  });

  it('does not wait for a task on a node that is down', () => {
    const nodes = nodeMap(testNode('n1', NodeState.DOWN), testNode('n2'));
    assert.deepEqual(steps({ replicas: 1 }, [old(TaskState.RUNNING), ready()], nodes), ['b -> RUNNING']);
  });
});

describe('any service', () => {
  const state = fc.constantFrom(
    TaskState.PENDING,
    TaskState.ASSIGNED,
    TaskState.RUNNING,
    TaskState.FAILED,
    TaskState.COMPLETE,
    TaskState.SHUTDOWN,
  );
  const desired = fc.constantFrom(TaskState.READY, TaskState.RUNNING, TaskState.SHUTDOWN, TaskState.REMOVE);
  const task = fc.record({
    slot: fc.integer({ min: 1, max: 6 }),
    state,
    desired,
    node: fc.constantFrom('n1', 'n2', 'down'),
  });

  it('ends up with as many wanted slots as replicas, and never changes a task twice', () => {
    fc.assert(
      fc.property(fc.array(task, { maxLength: 12 }), fc.integer({ min: 0, max: 6 }), (shapes, replicas) => {
        const nodes = nodeMap(testNode('n1'), testNode('n2'), testNode('down', NodeState.DOWN));
        let tasks: Task[] = shapes.map((s, i) => testTask({ id: `t${i}`, ...s }));
        for (let round = 0; round < 4; round++) {
          const d = decide(testService({ replicas }), tasks, nodes);
          const ids = d.steps.flatMap((s) => (s.type === 'create' ? [] : [s.taskId]));
          assert.equal(new Set(ids).size, ids.length, 'one step per task');
          tasks = apply(tasks, d.steps);
        }
        const slots = new Set(tasks.filter((t) => t.desiredState <= TaskState.RUNNING).map((t) => t.slot));
        assert.equal(slots.size, replicas);
        assert.deepEqual(decide(testService({ replicas }), tasks, nodes).steps, [], 'nothing is left to do');
      }),
    );
  });
});

function apply(tasks: readonly Task[], steps: readonly Step[]): Task[] {
  const out = new Map(tasks.map((t) => [t.id, t]));
  for (const s of steps) {
    if (s.type !== 'desire')
      out.set(s.task.id, { ...s.task, meta: Meta.create({ createdAtMs: NOW, updatedAtMs: NOW }) });
    if (s.type === 'create') continue;
    const t = out.get(s.taskId);
    if (t) out.set(t.id, { ...t, desiredState: s.type === 'desire' ? s.state : TaskState.SHUTDOWN });
  }
  return [...out.values()];
}
