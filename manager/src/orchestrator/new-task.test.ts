import assert from 'node:assert/strict';
import { ContainerSpec, type Node, Placement, type Service, type Task, TaskSpec } from '@swarmts/proto';
import { localStore } from '../store/store.js';
import { dirtySlots } from './service-update.js';
import { testNode, testService, testTask } from './testing.js';

const placedBy = (service: Service, constraint: string): Service => {
  const placement = Placement.create({ constraints: [constraint] });
  return {
    ...service,
    spec: service.spec && { ...service.spec, task: TaskSpec.create({ ...service.spec.task, placement }) },
  };
};

async function dirtyOf(service: Service, tasks: readonly Task[], nodes: readonly Node[]): Promise<readonly string[]> {
  const store = localStore(() => 0);
  await store.update((tx) => {
    for (const n of nodes) tx.create('node', n);
    for (const t of tasks) tx.create('task', { ...t, meta: undefined });
  });
  return store.view((tx) => dirtySlots(tx, service)).flatMap((slot) => slot.map((t) => t.id));
}

describe('what an update has to replace', () => {
  it('is found without comparing the spec of every task', async () => {
    let reads = 0;
    const spec: TaskSpec = {
      ...TaskSpec.create({}),
      get container() {
        reads++;
        return ContainerSpec.create({ image: 'busybox' });
      },
    };
    const store = localStore(() => 0);
    await store.update((tx) => {
      for (let slot = 1; slot <= 100; slot++)
        tx.create('task', { ...testTask({ id: `t${slot}`, slot }), spec, meta: undefined });
    });
    reads = 0;
    assert.deepEqual(
      store.view((tx) => dirtySlots(tx, testService({ specVersion: 2 }))),
      [],
    );
    assert.ok(reads > 0 && reads < 10, `${reads} reads of a spec`);
  });

  it('is told apart by version and by node', async () => {
    const old = testTask({ id: 'old', slot: 1, specVersion: 1 });
    const same = { ...testTask({ id: 'same', slot: 2, specVersion: 2 }) };
    const other = { ...old, spec: TaskSpec.create({ container: ContainerSpec.create({ image: 'other' }) }) };
    const service = testService({ specVersion: 3 });
    assert.deepEqual(await dirtyOf(service, [other, same, { ...other, id: 'old2', slot: 3 }], []), ['old', 'old2']);
    const here = placedBy(service, 'node.id==n1');
    const away = testTask({ id: 'away', slot: 3, node: 'n2' });
    assert.deepEqual(await dirtyOf(here, [old, same, away], [testNode('n1'), testNode('n2')]), ['away']);
  });
});
