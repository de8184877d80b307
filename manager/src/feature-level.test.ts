import assert from 'node:assert/strict';
import { isSwarmtsError, SimulatedClock, silentLogger } from '@swarmts/lib';
import { Cluster, ManagerStatus, Node, NodeDescription } from '@swarmts/proto';
import { commonLevel, FeatureLevel, requireLevel } from './feature-level.js';
import { localStore } from './store/store.js';

const manager = (id: string, featureLevel: number) =>
  Node.create({
    id,
    managerStatus: ManagerStatus.create({}),
    description: NodeDescription.create({ hostname: id, featureLevel }),
  });

describe('the feature level of a cluster', () => {
  it('is what all managers know; workers do not count', () => {
    assert.equal(commonLevel([]), 0);
    assert.equal(commonLevel([manager('a', 2), manager('b', 1), Node.create({ id: 'w' })]), 1);
    assert.equal(commonLevel([manager('a', 2), Node.create({ id: 'b', managerStatus: ManagerStatus.create({}) })]), 0);
  });

  it('goes up when the last manager is upgraded, and not down again', async () => {
    const clock = new SimulatedClock();
    const store = localStore(() => clock.now());
    await store.update((tx) => {
      tx.create('cluster', Cluster.create({ id: 'c', featureLevel: 1 }));
      tx.create('node', manager('a', 2));
      tx.create('node', manager('b', 1));
    });
    const onStuck = (e: unknown) => assert.fail(String(e));
    const component = new FeatureLevel({ store, clock, random: () => 0.5, log: silentLogger, onStuck });
    component.start();
    const after = async (level: number) => {
      await store.update((tx) => {
        const b = tx.get('node', 'b');
        if (b) tx.update('node', { ...b, description: NodeDescription.create({ featureLevel: level }) });
      });
      await clock.advance(2_000);
      return store.get('cluster', 'c')?.featureLevel;
    };
    assert.equal(await after(1), 1);
    assert.equal(await after(2), 2);
    assert.equal(await after(1), 2);
    await component.stop();
  });

  it('names who has to be upgraded', async () => {
    const store = localStore(() => 0);
    await store.update((tx) => {
      tx.create('cluster', Cluster.create({ id: 'c', featureLevel: 1 }));
      tx.create('node', manager('a', 2));
      tx.create('node', manager('b', 1));
    });
    assert.throws(
      () => store.view((tx) => requireLevel(tx, 2, 'cluster volumes')),
      (e) => isSwarmtsError(e, 'failed-precondition') && /managers that know them: upgrade b first/.test(e.message),
    );
    assert.doesNotThrow(() => store.view((tx) => requireLevel(tx, 1, 'x')));
  });
});
