import assert from 'node:assert/strict';
import { SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import {
  Cluster,
  ClusterSpec,
  clusterLabels,
  Node,
  NodeSpec,
  NodeState,
  NodeStatus,
  observedState,
  TaskState,
} from '@swarmts/proto';
import { testTask } from '../orchestrator/testing.js';
import { busyStore } from '../store/busy-store.js';
import type { Store } from '../store/store.js';
import type { WriteTx } from '../store/transaction.js';
import { NodeMonitor, withState } from './node-monitor.js';

function fixture() {
  const clock = new SimulatedClock();
  const { store, hold, failNext } = busyStore(() => clock.now());
  const onStuck = (e: unknown) => assert.fail(String(e));
  const newMonitor = () =>
    new NodeMonitor({ store, clock, random: seededRandom(1), log: silentLogger, onStuck }, () => undefined);
  const monitor = newMonitor();
  const write = (tx: WriteTx) => {
    const node = tx.get('node', 'n1');
    assert.ok(node);
    tx.update('node', withState(node, NodeState.NODE_READY, ''));
  };
  const f = {
    clock,
    store,
    monitor,
    /** The same with another leader. */
    next: () => {
      f.monitor.stop();
      f.monitor = newMonitor();
      return f;
    },
    register: () => monitor.register('n1', () => store.update(write)).then(() => monitor.beat('n1')),
    state: () => store.get('node', 'n1')?.status?.state,
    ...{ hold, failNext },
    create: (state: NodeState) =>
      store.update((tx) =>
        tx.create('node', Node.create({ id: 'n1', spec: NodeSpec.create({}), status: NodeStatus.create({ state }) })),
      ),
  };
  return f;
}

describe('the monitor of nodes', () => {
  it('takes a node for unknown when it begins, and for lost when nothing is heard of it', async () => {
    const f = fixture();
    await f.create(NodeState.NODE_READY);
    await f.monitor.start();
    assert.equal(f.state(), NodeState.UNKNOWN);
    await f.clock.advance(3 * f.monitor.graceMs);
    assert.equal(f.state(), NodeState.DOWN);
  });

  it('does not take a node for lost whose hello took longer to be written than it had time', async () => {
    const f = fixture();
    await f.create(NodeState.NODE_READY);
    await f.monitor.start();
    const letGo = f.hold();
    const registered = f.register();
    await f.clock.advance(3 * f.monitor.graceMs);
    letGo();
    await registered;
    for (let i = 0; i < 10; i++) {
      f.monitor.beat('n1');
      await f.clock.advance(f.monitor.periodMs);
    }
    assert.equal(f.state(), NodeState.NODE_READY);
    await f.clock.advance(3 * f.monitor.graceMs);
    assert.equal(f.state(), NodeState.DOWN);
  });

  it('does not take a node for unknown that has said hello already', async () => {
    const f = fixture();
    await f.create(NodeState.DOWN);
    await f.register();
    await f.monitor.start();
    assert.equal(f.state(), NodeState.NODE_READY);
  });

  it('marks a node down after all that has said goodbye while nothing could be written', async () => {
    const f = fixture();
    await f.create(NodeState.NODE_READY);
    await f.monitor.start();
    await f.register();
    f.failNext();
    await assert.rejects(f.monitor.down('n1', 'node left the swarm'), /busy/);
    assert.equal(f.state(), NodeState.NODE_READY);
    await f.clock.advance(2 * f.monitor.periodMs);
    assert.equal(f.state(), NodeState.DOWN);
  });

  describe('of a node that is lost', () => {
    const taskState = (store: Store) => {
      const task = store.get('task', 't');
      return task && observedState(task);
    };
    const lost = async (label = '') => {
      const f = fixture();
      await f.create(NodeState.NODE_READY);
      await f.store.update((tx) => {
        const labels: Record<string, string> = label === '' ? {} : { [clusterLabels.orphanAfter]: label };
        const spec = ClusterSpec.create({ annotations: { name: 'default', labels } });
        tx.create('cluster', Cluster.create({ id: 'c', spec }));
        tx.create('task', testTask({ id: 't', slot: 1 }));
      });
      await f.monitor.start();
      await f.clock.advance(3 * f.monitor.graceMs);
      assert.equal(f.state(), NodeState.DOWN);
      return f;
    };

    it('orphans the tasks an hour after that, however often the leader changes', async () => {
      let f = await lost();
      for (let i = 0; i < 5; i++) {
        await f.clock.advance(11 * 60_000);
        f = f.next();
        await f.monitor.start();
      }
      assert.equal(taskState(f.store), TaskState.RUNNING);
      await f.clock.advance(6 * 60_000);
      assert.equal(taskState(f.store), TaskState.ORPHANED);
    });

    it('touches no task when the node comes back meanwhile', async () => {
      const f = await lost('2m');
      const message = () => f.store.get('task', 't')?.status?.message ?? '';
      assert.match(message(), /^node down since/);
      const letGo = f.hold();
      // Queued before the orphaning, and written before it.
      const back = f.store.update((tx) => {
        const node = tx.get('node', 'n1');
        assert.ok(node);
        tx.update('node', withState(node, NodeState.NODE_READY, ''));
      });
      await f.clock.advance(120_000);
      letGo();
      await back;
      await f.clock.advance(10);
      assert.equal(taskState(f.store), TaskState.RUNNING);
    });

    it('orphans them after the time that the cluster has set', async () => {
      const f = await lost('2m');
      await f.clock.advance(110_000);
      assert.equal(taskState(f.store), TaskState.RUNNING);
      await f.clock.advance(20_000);
      assert.equal(taskState(f.store), TaskState.ORPHANED);
    });
  });
});
