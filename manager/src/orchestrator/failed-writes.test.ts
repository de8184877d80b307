import assert from 'node:assert/strict';
import { SimulatedClock, SwarmtsError, seededRandom, silentLogger } from '@swarmts/lib';
import { observedState, Placement, TaskState } from '@swarmts/proto';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import { Store } from '../store/store.js';
import { ConstraintEnforcer } from './constraint-enforcer.js';
import { TaskReaper } from './task-reaper.js';
import { testNode, testService, testTask } from './testing.js';

/** A store that refuses a write when it is told to, as one whose managers are busy. */
function bed() {
  const clock = new SimulatedClock();
  let index = 0;
  let failures = 0;
  const propose = async (data: Uint8Array) => {
    if (failures-- > 0) throw new SwarmtsError('resource-exhausted', 'the managers are busy, try again');
    store.applyEntry(++index, data);
  };
  const store: Store = new Store({ now: () => clock.now(), proposer: { propose } });
  const onStuck = (e: unknown) => assert.fail(String(e));
  const context: LeaderContext = { store, clock, random: seededRandom(1), log: silentLogger, onStuck };
  const runs = async (component: LeaderComponent) => {
    component.start();
    for (let i = 0; i < 300; i++) await clock.advance(10);
    await component.stop();
  };
  return { store, context, runs, failNext: () => (failures = 1) };
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
