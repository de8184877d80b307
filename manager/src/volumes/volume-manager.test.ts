import assert from 'node:assert/strict';
import { isSwarmtsError, SimulatedClock, SwarmtsError, seededRandom, silentLogger } from '@swarmts/lib';
import {
  Node,
  type NodeCsiInfo,
  NodeDescription,
  observedState,
  Secret,
  SecretSpec,
  Task,
  TaskState,
  TaskStatus,
  Volume,
  VolumeAvailability,
  VolumeInfo,
  VolumePublishState,
  VolumeSpec,
} from '@swarmts/proto';
import { localStore } from '../store/store.js';
import { changePublishStatus, publishToNodes } from './publish-status.js';
import { VolumeManager } from './volume-manager.js';
import type { VolumePlugins } from './volume-plugins.js';

const DRIVER = 'disk.csi';
const CSI = [{ plugin: DRIVER, nodeId: 'csi-n', maxVolumes: 0, topology: undefined }];
const { PENDING_PUBLISH, PUBLISHED, PENDING_NODE_UNPUBLISH, PENDING_UNPUBLISH } = VolumePublishState;

/** A plugin that writes down what it was asked, and fails while it is told to. */
class RecordingPlugin implements VolumePlugins {
  readonly calls: string[] = [];
  failure = '';

  #note(call: string): void {
    this.calls.push(this.failure === '' ? call : `${call} failed`);
    if (this.failure !== '') throw new SwarmtsError('unavailable', this.failure);
  }

  async create(spec: VolumeSpec, secrets: Readonly<Record<string, string>>): Promise<VolumeInfo> {
    this.#note(`create ${spec.annotations?.name} ${JSON.stringify(secrets)}`);
    return VolumeInfo.create({ volumeId: 'made' });
  }
  async remove(): Promise<void> {
    this.#note('remove');
  }
  async publish(_: object, node: string): Promise<Readonly<Record<string, string>>> {
    this.#note(`publish ${node}`);
    return { device: '/dev/x' };
  }
  async unpublish(_: object, node: string): Promise<void> {
    this.#note(`unpublish ${node}`);
  }
}

class Bed {
  readonly clock = new SimulatedClock();
  readonly store = localStore(() => this.clock.now());
  readonly plugin = new RecordingPlugin();
  #manager = this.#newManager();

  #newManager(): VolumeManager {
    const onStuck = (e: unknown) => assert.fail(String(e));
    const { store, clock } = this;
    return new VolumeManager({ store, clock, random: seededRandom(1), log: silentLogger, onStuck }, this.plugin);
  }

  async start(volume: Partial<Volume> = {}): Promise<void> {
    const spec = VolumeSpec.create({
      annotations: { name: 'data', labels: {} },
      driver: { name: DRIVER, options: {} },
      secrets: [{ key: 'password', secretId: 's' }],
    });
    await this.addNode('n', CSI);
    await this.store.update((tx) => {
      tx.create('secret', Secret.create({ id: 's', spec: SecretSpec.create({ data: Buffer.from('open') }) }));
      tx.create('volume', Volume.create({ id: 'v', spec, ...volume }));
    });
    this.#manager.start();
    await this.pass();
  }

  async addNode(id: string, csi: readonly NodeCsiInfo[]): Promise<void> {
    await this.store.update((tx) =>
      tx.create('node', Node.create({ id, description: NodeDescription.create({ csi }) })),
    );
  }

  /** Another manager leads. */
  async fallOver(): Promise<void> {
    await this.#manager.stop();
    this.#manager = this.#newManager();
    this.#manager.start();
    await this.pass();
  }

  stop(): Promise<void> {
    return this.#manager.stop();
  }

  async pass(ms = 200): Promise<void> {
    for (let t = 0; t < ms; t += 10) await this.clock.advance(10);
  }

  get volume(): Volume | undefined {
    return this.store.get('volume', 'v');
  }
  get states(): readonly VolumePublishState[] {
    return (this.volume?.publishStatus ?? []).map((s) => s.state);
  }

  /** As the scheduler does it. */
  async giveTo(id: string, nodeId = 'n'): Promise<void> {
    const volumes = [{ volumeId: 'v', source: 'data', target: '/d' }];
    await this.store.update((tx) => {
      const status = TaskStatus.create({ state: TaskState.RUNNING });
      tx.create('task', Task.create({ id, nodeId, volumes, status, desiredState: TaskState.RUNNING }));
      publishToNodes(tx, nodeId, volumes);
    });
    await this.pass();
  }
  async end(id: string): Promise<void> {
    await this.store.update((tx) => {
      const task = tx.get('task', id);
      if (task) tx.update('task', { ...task, status: TaskStatus.create({ state: TaskState.SHUTDOWN }) });
    });
    await this.pass();
  }
  async drain(): Promise<void> {
    await this.store.update((tx) => {
      const v = tx.get('volume', 'v');
      const availability = VolumeAvailability.VOLUME_DRAIN;
      if (v?.spec) tx.update('volume', { ...v, spec: { ...v.spec, availability } });
    });
    await this.pass();
  }
  async nodeLetsGo(): Promise<void> {
    await this.store.update((tx) => changePublishStatus(tx, 'v', 'n', (s) => ({ ...s, state: PENDING_UNPUBLISH })));
    await this.pass();
  }
}

describe('the volumes of the cluster', () => {
  it('are made with their secrets, and brought to the node whose task has them', async () => {
    const bed = new Bed();
    await bed.start();
    assert.equal(bed.volume?.info?.volumeId, 'made');
    await bed.giveTo('t');
    assert.deepEqual(bed.states, [PUBLISHED]);
    assert.deepEqual(bed.volume?.publishStatus[0]?.publishContext, { device: '/dev/x' });
    assert.deepEqual(bed.plugin.calls, ['create data {"password":"open"}', 'publish csi-n']);
  });

  it('leave a node when its last task with them has ended: the node first, then the controller', async () => {
    const bed = new Bed();
    await bed.start();
    await bed.giveTo('t1');
    await bed.giveTo('t2');
    await bed.end('t1');
    assert.deepEqual(bed.states, [PUBLISHED]);
    await bed.end('t2');
    assert.deepEqual(bed.states, [PENDING_NODE_UNPUBLISH]);
    assert.equal(bed.plugin.calls.at(-1), 'publish csi-n');
    await bed.nodeLetsGo();
    assert.deepEqual(bed.states, []);
    assert.equal(bed.plugin.calls.at(-1), 'unpublish csi-n');
  });

  it('leave a node that was removed without its word', async () => {
    const bed = new Bed();
    await bed.start();
    await bed.giveTo('t');
    await bed.store.update((tx) => {
      tx.remove('task', 't');
      tx.remove('node', 'n');
    });
    await bed.pass();
    assert.deepEqual(bed.states, []);
    assert.equal(bed.plugin.calls.at(-1), 'unpublish csi-n');
  });

  it('leave a node that was removed before the plugin has said that they are there: it may have brought them', async () => {
    const bed = new Bed();
    await bed.start();
    bed.plugin.failure = 'timed out';
    await bed.giveTo('t');
    bed.plugin.failure = '';
    await bed.store.update((tx) => {
      tx.remove('task', 't');
      tx.remove('node', 'n');
    });
    await bed.pass(2_000);
    assert.deepEqual(bed.states, []);
    assert.equal(bed.plugin.calls.at(-1), 'unpublish csi-n');
  });

  it('say why nothing goes on, and go on when the plugin works again', async () => {
    const bed = new Bed();
    bed.plugin.failure = 'the array is away';
    await bed.start();
    assert.equal(bed.volume?.message, 'the array is away');
    await bed.pass(3_000);
    const tries = bed.plugin.calls.length;
    assert.ok(tries > 1 && tries < 10, `${tries} tries in three seconds`);
    bed.plugin.failure = '';
    await bed.pass(5_000);
    assert.equal(bed.volume?.info?.volumeId, 'made');
    assert.equal(bed.volume?.message, '');
  });

  it('tell on the node what keeps it from them', async () => {
    const bed = new Bed();
    await bed.start();
    bed.plugin.failure = 'no path';
    await bed.giveTo('t');
    assert.deepEqual(bed.states, [PENDING_PUBLISH]);
    assert.equal(bed.volume?.publishStatus[0]?.message, 'no path');
    bed.plugin.failure = '';
    await bed.pass(2_000);
    assert.deepEqual(bed.states, [PUBLISHED]);
    assert.equal(bed.volume?.publishStatus[0]?.message, '');
  });

  it('come to a node though another one cannot have them', async () => {
    const bed = new Bed();
    await bed.start();
    await bed.addNode('bare', []);
    await bed.giveTo('t1', 'bare');
    await bed.giveTo('t2', 'n');
    assert.deepEqual(bed.states, [PENDING_PUBLISH, PUBLISHED]);
    assert.match(bed.volume?.publishStatus[0]?.message ?? '', /does not answer on node/);
  });

  it('are tried again at once when the plugin comes to a node', async () => {
    const bed = new Bed();
    bed.plugin.failure = 'it is not here';
    await bed.start();
    await bed.pass(20_000);
    bed.plugin.failure = '';
    await bed.addNode('late', CSI);
    await bed.pass();
    assert.equal(bed.volume?.info?.volumeId, 'made');
  });

  it('are forgotten at once when they are removed while making them fails', async () => {
    const bed = new Bed();
    bed.plugin.failure = 'it is not here';
    await bed.start();
    await bed.pass(20_000);
    await bed.store.update((tx) => {
      if (bed.volume) tx.update('volume', { ...bed.volume, pendingDelete: true });
    });
    await bed.pass();
    assert.equal(bed.volume, undefined);
  });

  it('keep nobody from leading elsewhere while a plugin is silent', async () => {
    const bed = new Bed();
    await bed.start();
    let answer = () => {};
    bed.plugin.publish = () =>
      new Promise((resolve) => {
        answer = () => resolve({ device: '/dev/late' });
      });
    await bed.giveTo('t');
    let stopped = false;
    const stop = bed.stop().then(() => {
      stopped = true;
    });
    await bed.pass();
    const before = stopped;
    answer();
    await stop;
    await bed.pass();
    assert.ok(before, 'it was let go of before the plugin has answered');
    assert.deepEqual(bed.states, [PENDING_PUBLISH], 'and writes nothing any more');
  });

  it('go to no task that was placed while they are taken from its node, or deleted', async () => {
    const bed = new Bed();
    await bed.start();
    const isConflict = (e: unknown) => isSwarmtsError(e, 'conflict');
    await bed.giveTo('t');
    await bed.end('t');
    assert.deepEqual(bed.states, [PENDING_NODE_UNPUBLISH]);
    await assert.rejects(bed.giveTo('late'), isConflict);
    assert.equal(bed.store.get('task', 'late'), undefined);
    await bed.nodeLetsGo();
    await bed.giveTo('again');
    assert.deepEqual(bed.states, [PUBLISHED]);
    await bed.store.update((tx) => {
      if (bed.volume) tx.update('volume', { ...bed.volume, pendingDelete: true });
    });
    await assert.rejects(bed.giveTo('late'), isConflict);
  });

  it('go on with the next leader', async () => {
    const bed = new Bed();
    await bed.start();
    bed.plugin.failure = 'away';
    await bed.giveTo('t');
    bed.plugin.failure = '';
    await bed.fallOver();
    assert.deepEqual(bed.states, [PUBLISHED]);
  });

  it('end their tasks when they are drained', async () => {
    const bed = new Bed();
    await bed.start();
    await bed.giveTo('t');
    await bed.drain();
    const task = bed.store.get('task', 't');
    assert.equal(task && observedState(task), TaskState.REJECTED);
    assert.match(task?.status?.err ?? '', /volume data is drained/);
    assert.deepEqual(bed.states, [PENDING_NODE_UNPUBLISH]);
  });

  it('end all of their tasks when more share a drained one than one transaction may change', async () => {
    const bed = new Bed();
    await bed.start();
    await bed.giveTo('t');
    for (const from of [0, 150])
      await bed.store.update((tx) => {
        const task = tx.get('task', 't');
        assert.ok(task);
        for (let i = from; i < from + 150; i++) tx.create('task', { ...task, id: `t${i}`, meta: undefined });
      });
    await bed.drain();
    await bed.pass(2_000);
    const tasks = bed.store.view((tx) => tx.list('task'));
    assert.equal(tasks.filter((t) => observedState(t) === TaskState.REJECTED).length, 301);
    assert.deepEqual(bed.states, [PENDING_NODE_UNPUBLISH]);
  });

  it('are deleted when they are nowhere, and forgotten when they were never made', async () => {
    const bed = new Bed();
    await bed.start({ pendingDelete: true, info: VolumeInfo.create({ volumeId: 'made' }) });
    assert.equal(bed.volume, undefined);
    assert.deepEqual(bed.plugin.calls, ['remove']);
    const never = new Bed();
    await never.start({ pendingDelete: true });
    assert.equal(never.volume, undefined);
    assert.deepEqual(never.plugin.calls, []);
  });
});
