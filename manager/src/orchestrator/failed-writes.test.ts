import assert from 'node:assert/strict';
import { SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import {
  extensionLabels,
  observedState,
  Placement,
  TaskState,
  TaskStatus,
  UpdateState,
  UpdateStatus,
} from '@swarmts/proto';
import { NodeInfo } from '@swarmts/scheduler';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import { busyStore } from '../store/busy-store.js';
import { ConstraintEnforcer } from './constraint-enforcer.js';
import { Rebalancer } from './rebalancer.js';
import { TaskReaper } from './task-reaper.js';
import { testNode, testService, testTask } from './testing.js';

function bed() {
  const clock = new SimulatedClock();
  const { store, failNext, hold } = busyStore(() => clock.now());
  const onStuck = (e: unknown) => assert.fail(String(e));
  const context: LeaderContext = { store, clock, random: seededRandom(1), log: silentLogger, onStuck };
  const runs = async (component: LeaderComponent) => {
    component.start();
    for (let i = 0; i < 300; i++) await clock.advance(10);
    await component.stop();
  };
  return { store, clock, context, runs, failNext, hold };
}

describe('a write that failed is made again', () => {
  it('by the reaper', async () => {
    const { store, context, runs, failNext } = bed();
    await store.update((tx) =>
      tx.create('task', testTask({ id: 't', slot: 1, state: TaskState.SHUTDOWN, desired: TaskState.REMOVE })),
    );
    failNext();
    await runs(new TaskReaper(context));
    assert.equal(store.count('task'), 0);
  });

  it('by the enforcer of constraints', async () => {
    const { store, context, runs, failNext } = bed();
    const { spec, ...service } = testService();
    const placement = Placement.create({ constraints: ['node.labels.disk==ssd'] });
    await store.update((tx) => {
      tx.create('node', testNode('n1'));
      tx.create('service', { ...service, spec: spec && { ...spec, task: spec.task && { ...spec.task, placement } } });
      tx.create('task', testTask({ id: 't', slot: 1 }));
    });
    failNext();
    await runs(new ConstraintEnforcer(context));
    const task = store.get('task', 't');
    assert.equal(task && observedState(task), TaskState.REJECTED);
  });
});

describe('what was decided before somebody else has written', () => {
  it('deletes no task that was given to a node meanwhile', async () => {
    const { store, clock, context, hold } = bed();
    const leaving = testTask({ id: 't', slot: 1, state: TaskState.PENDING, desired: TaskState.REMOVE });
    const other = testTask({ id: 'other', slot: 2, state: TaskState.SHUTDOWN, desired: TaskState.REMOVE });
    await store.update((tx) => {
      for (const t of [leaving, other]) tx.create('task', t);
    });
    const letGo = hold();
    const assigned = store.update((tx) => {
      const task = tx.get('task', 't');
      assert.ok(task);
      tx.update('task', { ...task, status: TaskStatus.create({ state: TaskState.ASSIGNED }) });
    });
    const reaper = new TaskReaper(context);
    reaper.start();
    await clock.advance(500);
    letGo();
    await assigned;
    await clock.advance(500);
    assert.deepEqual(
      store.view((tx) => tx.list('task')).map((t) => t.id),
      ['t'],
    );
    await reaper.stop();
  });

  it('moves no task of a service that is being updated meanwhile', async () => {
    const { store, clock, context, hold } = bed();
    const labels = { [extensionLabels.rebalance]: 'auto' };
    await store.update((tx) => {
      for (const id of ['n1', 'n2']) tx.create('node', testNode(id));
      tx.create('service', testService({ replicas: 4, labels }));
      for (let slot = 1; slot <= 4; slot++) tx.create('task', testTask({ id: `t${slot}`, slot }));
    });
    const nodes = ['n1', 'n2'].map((id) => new NodeInfo(testNode(id)));
    for (const t of store.view((tx) => tx.list('task'))) nodes[0]?.addTask(t);
    const moving = () => store.get('service', 'svc')?.movingTaskIds.length;
    const letGo = hold();
    const update = store.update((tx) => {
      const service = tx.get('service', 'svc');
      assert.ok(service);
      tx.update('service', { ...service, updateStatus: UpdateStatus.create({ state: UpdateState.UPDATING }) });
    });
    const rebalancer = new Rebalancer(context, () => nodes);
    rebalancer.start();
    await clock.advance(15_000);
    letGo();
    await update;
    await clock.advance(1_000);
    assert.equal(moving(), 0);
    await store.update((tx) => {
      const service = tx.get('service', 'svc');
      assert.ok(service);
      tx.update('service', { ...service, updateStatus: undefined });
    });
    await clock.advance(15_000);
    assert.equal(moving(), 2, 'and afterwards it does');
    await rebalancer.stop();
  });
});
