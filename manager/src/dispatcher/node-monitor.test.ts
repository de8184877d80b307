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
import { Store } from '../store/store.js';
import type { WriteTx } from '../store/transaction.js';
import { NodeMonitor, withState } from './node-monitor.js';

/** A store whose writes wait while it is held, as without a quorum. */
function fixture() {
  const clock = new SimulatedClock();
  let index = 0;
  let held: (() => void)[] | undefined;
  const store: Store = new Store({
    now: () => clock.now(),
    proposer: {
      async propose(data) {
        await new Promise<void>((resolve) => (held ? held.push(resolve) : resolve()));
        store.applyEntry(++index, data);
      },
    },
  });
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
    hold: () => (held = []),
    release: () => {
      const waiting = held ?? [];
      held = undefined;
      for (const go of waiting) go();
    },
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
    f.hold();
    const registered = f.register();
    await f.clock.advance(3 * f.monitor.graceMs);
    f.release();
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

    it('orphans them after the time that the cluster has set', async () => {
      const f = await lost('2m');
      await f.clock.advance(110_000);
      assert.equal(taskState(f.store), TaskState.RUNNING);
      await f.clock.advance(20_000);
      assert.equal(taskState(f.store), TaskState.ORPHANED);
    });
  });
});
