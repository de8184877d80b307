import assert from 'node:assert/strict';
import { SimulatedClock } from '@swarmts/lib';
import { type Service, type Task, TaskState } from '@swarmts/proto';
import { localStore } from '../store/store.js';
import { testService, testTask } from './testing.js';
import { pinOf, pinsWith } from './volume-pins.js';

const LABELS = { 'swarmts.volumes.pin': 'true' };
const plain = testService({ replicas: 2 });
const pinned = testService({ replicas: 2, labels: LABELS });

/** The pins of `service` once it has the spec of `next`, with these tasks. */
async function pins(service: Service, next: Service, ...tasks: readonly Task[]): Promise<Service['volumePins']> {
  const store = localStore(() => new SimulatedClock().now());
  await store.update((tx) => {
    tx.create('service', service);
    for (const t of tasks) tx.create('task', t);
  });
  const { spec } = next;
  assert.ok(spec);
  return store.view((tx) => pinsWith(tx, service, spec));
}

describe('the pins of a service', () => {
  const running = (id: string, slot: number, node: string, desired: TaskState = TaskState.RUNNING) =>
    testTask({ id, slot, node, desired, state: TaskState.RUNNING });

  it('are where its tasks are when it is pinned later on', async () => {
    const leaving = running('c', 2, 'n3', TaskState.SHUTDOWN);
    const got = await pins(plain, pinned, running('a', 1, 'n1'), running('b', 2, 'n2'), leaving);
    assert.deepEqual(got, { 1: 'n1', 2: 'n2' });
  });

  it('stay as they are while it is pinned, and are forgotten when it is not any more', async () => {
    const kept = { ...pinned, volumePins: { 1: 'n9' } };
    assert.deepEqual(await pins(kept, pinned, running('a', 1, 'n1')), { 1: 'n9' });
    assert.equal(pinOf(kept, 1), 'n9');
    assert.deepEqual(await pins(kept, plain, running('a', 1, 'n1')), {});
    assert.equal(pinOf({ ...plain, volumePins: { 1: 'n9' } }, 1), '');
  });
});
