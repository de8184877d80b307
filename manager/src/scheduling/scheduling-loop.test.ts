import assert from 'node:assert/strict';
import { SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import {
  ContainerSpec,
  Mount,
  MountType,
  type Node,
  NodeDescription,
  NodeState,
  NodeStatus,
  Placement,
  type Service,
  type Task,
  TaskSpec,
  TaskState,
  TaskStatus,
  Volume,
  VolumeInfo,
  VolumePublishState,
  VolumeSpec,
} from '@swarmts/proto';
import { newTask } from '../orchestrator/new-task.js';
import { testNode, testService, testTask } from '../orchestrator/testing.js';
import { busyStore } from '../store/busy-store.js';
import { SchedulingLoop } from './scheduling-loop.js';

/** The loop of a leader that has just taken over, on a real store. */
class Bed {
  readonly clock = new SimulatedClock();
  readonly #busy = busyStore(() => this.clock.now());
  readonly store = this.#busy.store;
  readonly hold = this.#busy.hold;
  readonly loop = new SchedulingLoop({
    store: this.store,
    clock: this.clock,
    random: seededRandom(1),
    log: silentLogger,
    onStuck: (e) => assert.fail(String(e)),
  });

  async start(nodes: readonly Node[], tasks: number): Promise<void> {
    await this.store.update((tx) => {
      for (const n of nodes) tx.create('node', n);
    });
    this.loop.start();
    await this.store.update((tx) => {
      for (let slot = 1; slot <= tasks; slot++)
        tx.create('task', { ...testTask({ id: `t${slot}`, slot, state: TaskState.PENDING }), nodeId: '' });
    });
  }

  async nodeTurns(id: string, state: NodeState): Promise<void> {
    await this.store.update((tx) => {
      const node = tx.get('node', id);
      assert.ok(node);
      tx.update('node', { ...node, status: NodeStatus.create({ ...node.status, state }) });
    });
  }

  /** In steps, between which the store tells what has changed. */
  async pass(ms = 300): Promise<void> {
    for (let t = 0; t < ms; t += 10) await this.clock.advance(10);
  }

  tasks(): readonly Task[] {
    return this.store.view((tx) => tx.list('task'));
  }

  /** How many tasks each node got, '' for those without one. */
  placement(): Record<string, number> {
    const count: Record<string, number> = {};
    for (const t of this.tasks()) count[t.nodeId] = (count[t.nodeId] ?? 0) + 1;
    return count;
  }
}

const unknown = (id: string) => testNode(id, NodeState.UNKNOWN);

describe('scheduling loop beside other writers', () => {
  it('keeps no room for a task that was let go, or removed, while it was placed', async () => {
    const bed = new Bed();
    await bed.start([testNode('n1')], 0);
    await bed.clock.advance(3_000);
    await bed.store.update((tx) => {
      for (const [i, id] of ['gone', 'unwanted', 'stays'].entries())
        tx.create('task', { ...testTask({ id, slot: i + 1, state: TaskState.PENDING }), nodeId: '' });
    });
    const letGo = bed.hold();
    const others = bed.store.update((tx) => {
      tx.remove('task', 'gone');
      const unwanted = tx.get('task', 'unwanted');
      assert.ok(unwanted);
      tx.update('task', { ...unwanted, desiredState: TaskState.SHUTDOWN });
    });
    await bed.pass(100);
    letGo();
    await others;
    await bed.pass(100);
    assert.equal(bed.store.get('task', 'stays')?.nodeId, 'n1');
    assert.deepEqual(
      bed.loop.nodes.map((n) => n.taskCount),
      [1],
    );
    await bed.loop.stop();
  });
});

describe('scheduling loop and volumes', () => {
  it('puts a task back whose volume is taken from the node while it is placed', async () => {
    const bed = new Bed();
    const csi = [{ plugin: 'disk', nodeId: 'c', maxVolumes: 0, topology: undefined }];
    await bed.start([{ ...testNode('n1'), description: NodeDescription.create({ csi }) }], 0);
    await bed.clock.advance(3_000);
    const status = { nodeId: 'n1', publishContext: {}, message: '', csiNodeId: 'c' };
    const driver = { name: 'disk', options: {} };
    const spec = VolumeSpec.create({ annotations: { name: 'data', labels: {} }, driver });
    await bed.store.update((tx) => {
      const publishStatus = [{ ...status, state: VolumePublishState.PUBLISHED }];
      const info = VolumeInfo.create({ volumeId: 'made' });
      tx.create('volume', Volume.create({ id: 'v', spec, info, publishStatus }));
      const mounts = [Mount.create({ type: MountType.CLUSTER, source: 'data', target: '/d' })];
      const task = testTask({ id: 't', slot: 1, state: TaskState.PENDING });
      const container = ContainerSpec.create({ mounts });
      tx.create('task', { ...task, nodeId: '', meta: undefined, spec: TaskSpec.create({ container }) });
    });
    const publish = (publishStatus: Volume['publishStatus']) =>
      bed.store.update((tx) => {
        const volume = tx.get('volume', 'v');
        assert.ok(volume);
        tx.update('volume', { ...volume, publishStatus });
      });
    const letGo = bed.hold();
    const leaving = publish([{ ...status, state: VolumePublishState.PENDING_NODE_UNPUBLISH }]);
    await bed.pass(100);
    letGo();
    await leaving;
    await bed.pass(100);
    const task = () => bed.store.get('task', 't');
    assert.equal(task()?.nodeId, '');
    assert.match(task()?.status?.err ?? '', /just being taken from the node/);
    await publish([]);
    await bed.pass(100);
    assert.equal(task()?.nodeId, 'n1');
    assert.equal(bed.store.get('volume', 'v')?.publishStatus[0]?.state, VolumePublishState.PENDING_PUBLISH);
    await bed.loop.stop();
  });
});

describe('scheduling loop after a change of leader', () => {
  it('waits for nodes that come back one after the other and spreads the tasks over them', async () => {
    const bed = new Bed();
    await bed.start([unknown('n1'), unknown('n2'), unknown('n3'), unknown('dead')], 6);
    for (const id of ['n1', 'n2', 'n3']) {
      await bed.nodeTurns(id, NodeState.NODE_READY);
      await bed.clock.advance(100);
    }
    assert.deepEqual(bed.placement(), { '': 6 });
    await bed.clock.advance(450);
    assert.deepEqual(bed.placement(), { n1: 2, n2: 2, n3: 2 });
    await bed.loop.stop();
  });

  it('places at once when every node is back', async () => {
    const bed = new Bed();
    await bed.start([unknown('n1'), unknown('n2')], 2);
    await bed.nodeTurns('n1', NodeState.NODE_READY);
    await bed.nodeTurns('n2', NodeState.NODE_READY);
    await bed.clock.advance(20);
    assert.deepEqual(bed.placement(), { n1: 1, n2: 1 });
    await bed.loop.stop();
  });

  it('does not wait for nodes that are down, nor for longer than two seconds', async () => {
    const bed = new Bed();
    await bed.start([testNode('gone', NodeState.DOWN)], 1);
    await bed.clock.advance(20);
    const reason = bed.tasks()[0]?.status?.err ?? '';
    assert.match(reason, /no suitable node/);
    await bed.loop.stop();

    const silent = new Bed();
    await silent.start([unknown('n1')], 1);
    await silent.clock.advance(1_900);
    assert.equal(silent.tasks()[0]?.status?.err, '');
    await silent.clock.advance(200);
    assert.match(silent.tasks()[0]?.status?.err ?? '', /no suitable node/);
    await silent.loop.stop();
  });

  it('gives up waiting for a node that is removed', async () => {
    const bed = new Bed();
    await bed.start([unknown('n1'), unknown('n2')], 1);
    await bed.nodeTurns('n1', NodeState.NODE_READY);
    await bed.store.update((tx) => tx.remove('node', 'n2'));
    await bed.clock.advance(20);
    assert.deepEqual(bed.placement(), { n1: 1 });
    await bed.loop.stop();
  });
});

describe('scheduling loop with a task that cannot be judged', () => {
  it('says so at the task and places the others, also where the task has its node already', async () => {
    const bed = new Bed();
    await bed.start([testNode('n1')], 1);
    const broken = testTask({ id: 'broken', slot: 0, state: TaskState.PENDING, node: 'n1' });
    const placement = Placement.create({ constraints: ['no operator'] });
    await bed.store.update((tx) =>
      tx.create('task', { ...broken, serviceId: 'other', spec: TaskSpec.create({ ...broken.spec, placement }) }),
    );
    await bed.pass(2_500);
    assert.equal(bed.store.get('task', 't1')?.nodeId, 'n1');
    assert.match(bed.store.get('task', 'broken')?.status?.err ?? '', /cannot be scheduled: .*no operator/);
    await bed.loop.stop();
  });
});

describe('slots with volumes of their own', () => {
  const start = async () => {
    const bed = new Bed();
    const pinned = testService({ replicas: 2, labels: { 'swarmts.volumes.pin': 'true' } });
    await bed.store.update((tx) => tx.create('service', pinned));
    await bed.start([testNode('n1'), testNode('n2')], 2);
    // A new leader waits for nodes to register again.
    await bed.pass(2_500);
    const service = () => bed.store.view((tx) => tx.list('service')[0]);
    return { bed, service };
  };
  /** A successor in the slot, as the orchestrator makes it. */
  const succeed = async (bed: Bed, service: () => Service | undefined, slot: number) => {
    const made = service();
    assert.ok(made);
    const task = newTask(made, { slot, nodeId: '' }, TaskState.RUNNING, 0);
    await bed.store.update((tx) =>
      tx.create('task', { ...task, status: TaskStatus.create({ state: TaskState.PENDING }) }),
    );
    await bed.pass();
    return bed.store.get('task', task.id);
  };

  it('go where the first task went', async () => {
    const { bed, service } = await start();
    const pins = service()?.volumePins ?? {};
    assert.deepEqual(Object.values(pins).toSorted(), ['n1', 'n2']);
    const [slot = '', node = ''] = Object.entries(pins)[0] ?? [];
    for (let n = 0; n < 3; n++) assert.equal((await succeed(bed, service, Number(slot)))?.nodeId, node);
    await bed.loop.stop();
  });

  it('wait for a node that is away, and say so, but not for one that was removed', async () => {
    const { bed, service } = await start();
    const [slot = '', node = ''] = Object.entries(service()?.volumePins ?? {})[0] ?? [];
    await bed.nodeTurns(node, NodeState.DOWN);
    const waiting = await succeed(bed, service, Number(slot));
    assert.equal(waiting?.nodeId, '');
    assert.match(waiting?.status?.err ?? '', new RegExp(`the volumes of slot ${slot} are on node ${node}`));
    await bed.store.update((tx) => tx.remove('node', node));
    await bed.pass();
    assert.notEqual(bed.store.get('task', waiting?.id ?? '')?.nodeId, '');
    assert.notEqual(service()?.volumePins[slot], node);
    await bed.loop.stop();
  });

  it('wait no longer when they are not pinned any more', async () => {
    const { bed, service } = await start();
    const [slot = '', node = ''] = Object.entries(service()?.volumePins ?? {})[0] ?? [];
    await bed.nodeTurns(node, NodeState.DOWN);
    const waiting = await succeed(bed, service, Number(slot));
    assert.equal(waiting?.nodeId, '');
    const { spec } = testService({ replicas: 2 });
    await bed.store.update((tx) => {
      const made = service();
      if (made) tx.update('service', { ...made, spec, volumePins: {} });
    });
    await bed.pass();
    assert.notEqual(bed.store.get('task', waiting?.id ?? '')?.nodeId, '');
    await bed.loop.stop();
  });
});

describe('scheduling loop', () => {
  it('remembers on which nodes a service has failed when another manager leads', async () => {
    const bed = new Bed();
    await bed.store.update((tx) => {
      for (let i = 0; i < 5; i++)
        tx.create('task', testTask({ id: `f${i}`, slot: 1, state: TaskState.FAILED, desired: TaskState.SHUTDOWN }));
    });
    const failedAtMs = bed.clock.now();
    await bed.store.update((tx) => {
      for (const t of tx.list('task'))
        tx.update('task', { ...t, status: TaskStatus.create({ ...t.status, appliedAtMs: failedAtMs }) });
    });
    await bed.start([testNode('n1'), testNode('n2')], 1);
    await bed.pass(3000);
    assert.equal(bed.store.get('task', 't1')?.nodeId, 'n2');
    await bed.loop.stop();
  });

  it('puts no task on a node that was removed while the placement was on its way', async () => {
    const bed = new Bed();
    const { store } = bed;
    await bed.start([testNode('n1')], 0);
    await bed.pass(3000);
    await store.update((tx) =>
      tx.create('task', { ...testTask({ id: 't1', slot: 1, state: TaskState.PENDING }), nodeId: '' }),
    );
    const letGo = bed.hold();
    const removed = store.update((tx) => tx.remove('node', 'n1'));
    await bed.pass(50);
    letGo();
    await removed;
    await bed.pass();
    assert.equal(store.get('task', 't1')?.nodeId, '');
    await bed.loop.stop();
  });
});
