import assert from 'node:assert/strict';
import { isSwarmtsError, SimulatedClock } from '@swarmts/lib';
import {
  Cluster,
  ClusterSpec,
  ConfigSpec,
  defaults,
  Endpoint,
  NetworkAttachment,
  NetworkSpec,
  Node,
  NodeSpec,
  NodeState,
  NodeStatus,
  observedState,
  PortConfig,
  PublishMode,
  RaftConfig,
  SecretSpec,
  type ServiceSpec,
  TaskSpec,
  TaskState,
  UpdateState,
  UpdateStatus,
} from '@swarmts/proto';
import { VNI_OPTION } from '../allocator/network-allocation.js';
import { testService, testTask } from '../orchestrator/testing.js';
import { localStore } from '../store/store.js';
import { localOperations } from './operations-bed.js';

const DAY_MS = 86_400_000;

async function bed() {
  const clock = new SimulatedClock(1_700_000_000_000);
  const store = localStore(() => clock.now());
  const operations = localOperations(store, clock);
  await store.update((tx) => tx.create('cluster', Cluster.create({ id: 'c' })));
  const addNode = (node: Partial<Node>) =>
    store.update((tx) =>
      tx.create(
        'node',
        Node.create({
          id: 'n1',
          spec: NodeSpec.create({ annotations: { name: '', labels: {} } }),
          status: NodeStatus.create({ state: NodeState.DOWN }),
          ...node,
        }),
      ),
    );
  return { clock, store, operations, addNode, cluster: () => store.view((tx) => tx.list('cluster')[0]) };
}

const annotations = (name: string) => ({ name, labels: {} });

describe('removing a node', () => {
  it('orphans its tasks, however many it has', async () => {
    const { store, operations, addNode } = await bed();
    await addNode({});
    await store.batch(
      Array.from({ length: 500 }, (_, i) => i),
      (tx, i) => tx.create('task', testTask({ id: `t${i}`, slot: i + 1 })),
      (_, e) => assert.fail(String(e)),
    );
    await operations.removeNode({ ref: 'n1', force: false });
    assert.equal(store.get('node', 'n1'), undefined);
    const tasks = store.view((tx) => tx.list('task'));
    assert.ok(tasks.every((t) => observedState(t) === TaskState.ORPHANED));
  });

  it('touches no task of a node that may not be removed', async () => {
    const { store, operations, addNode } = await bed();
    await addNode({ status: NodeStatus.create({ state: NodeState.NODE_READY }) });
    await store.update((tx) => {
      for (let i = 0; i < 50; i++) tx.create('task', testTask({ id: `t${i}`, slot: i + 1 }));
    });
    await assert.rejects(operations.removeNode({ ref: 'n1', force: false }), /is not down/);
    assert.ok(store.view((tx) => tx.list('task')).every((t) => observedState(t) === TaskState.RUNNING));
  });

  it('has its certificate refused until that has ended, and forgets those that have', async () => {
    const { clock, operations, addNode, cluster } = await bed();
    const certificateExpiresAtMs = clock.now() + 90 * DAY_MS;
    await addNode({ certificateExpiresAtMs });
    await operations.removeNode({ ref: 'n1', force: false });
    assert.ok((cluster()?.blacklist.n1?.expiresAtMs ?? 0) >= certificateExpiresAtMs);
    await clock.advance(98 * DAY_MS);
    await addNode({ id: 'n2' });
    await operations.removeNode({ ref: 'n2', force: false });
    assert.deepEqual(Object.keys(cluster()?.blacklist ?? {}), ['n2']);
    const inDefault = clock.now() + defaults.nodeCertExpiryNs / 1e6;
    assert.ok(
      (cluster()?.blacklist.n2?.expiresAtMs ?? 0) >= inDefault,
      'issued by a release that did not note the end',
    );
  });
});

describe('the time that certificates are valid for', () => {
  it('is an hour at least', async () => {
    const { operations, cluster } = await bed();
    const update = (minutes: number) =>
      operations.updateCluster({
        version: cluster()?.meta?.version?.index ?? 0,
        spec: ClusterSpec.create({ ca: { nodeCertExpiryNs: minutes * 60e9, forceRotate: 0, externalCas: [] } }),
        ...{ rotateWorkerToken: false, rotateManagerToken: false, rotateUnlockKey: false },
      });
    const refused = /minimum certificate expiry time is 1 hour, not 900 seconds: --cert-expiry/;
    await assert.rejects(update(15), (e) => isSwarmtsError(e, 'invalid-argument') && refused.test(e.message));
    await update(60);
    assert.equal(cluster()?.spec?.ca?.nodeCertExpiryNs, 3_600e9);
  });
});

describe('the settings of Raft', () => {
  it('that no manager runs with are refused, those that it runs with and none are taken', async () => {
    const { operations, cluster } = await bed();
    const update = (raft: Partial<RaftConfig>) =>
      operations.updateCluster({
        version: cluster()?.meta?.version?.index ?? 0,
        spec: ClusterSpec.create({ raft: RaftConfig.create(raft) }),
        ...{ rotateWorkerToken: false, rotateManagerToken: false, rotateUnlockKey: false },
      });
    for (const [wrong, message] of [
      [{ heartbeatTick: 2 }, /invalid HeartbeatTick 2 of Raft: the managers run with 1/],
      [{ electionTick: 3 }, /invalid ElectionTick 3 of Raft: .* leave it out, or set it to 10$/],
      [{ electionTick: -1 }, /invalid ElectionTick -1/],
    ] as const)
      await assert.rejects(update(wrong), (e) => isSwarmtsError(e, 'invalid-argument') && message.test(e.message));
    await update({ heartbeatTick: 0, electionTick: 0 });
    await update({ heartbeatTick: defaults.heartbeatTick, electionTick: defaults.electionTick });
    assert.equal(cluster()?.spec?.raft?.electionTick, 10);
  });
});

describe('versions of payloads', () => {
  it('may be as large as a config may be', async () => {
    const { operations } = await bed();
    const data = (n: number) => Buffer.alloc(1_000_000, n);
    await operations.createConfig({ spec: ConfigSpec.create({ annotations: annotations('large'), data: data(1) }) });
    const made = await operations.addPayloadVersion({ kind: 'config', ref: 'large', data: data(2), follow: false });
    assert.equal(made.version, 2);
  });

  it('are all removed with the newest, however many there are', async () => {
    const { store, operations } = await bed();
    const spec = SecretSpec.create({ annotations: annotations('db'), data: Buffer.from('0') });
    await operations.createSecret({ spec });
    for (let i = 1; i < 260; i++) {
      const data = Buffer.from(String(i));
      await operations.addPayloadVersion({ kind: 'secret', ref: 'db', data, follow: false });
    }
    await operations.removeSecret({ ref: 'db' });
    assert.equal(store.count('secret'), 0);
  });
});

describe('updating a service', () => {
  const specOf = (image = 'busybox'): ServiceSpec => {
    const { spec } = testService({ image });
    assert.ok(spec);
    return spec;
  };
  const paused = async (state: UpdateState) => {
    const { store, operations } = await bed();
    const { id } = await operations.createService({ spec: specOf() });
    await store.update((tx) => {
      const s = tx.get('service', id);
      if (s) tx.update('service', { ...s, updateStatus: UpdateStatus.create({ state }) });
    });
    const version = store.get('service', id)?.meta?.version?.index ?? 0;
    await operations.updateService({ ref: id, version, spec: specOf(), rollback: false });
    return store.get('service', id)?.updateStatus;
  };

  it('goes on with an update that was paused, also when nothing else is changed', async () => {
    assert.equal(await paused(UpdateState.UPDATE_PAUSED), undefined);
    assert.equal(await paused(UpdateState.ROLLBACK_PAUSED), undefined);
  });

  it('forgets what became of an update before it, also when nothing is changed', async () => {
    assert.equal(await paused(UpdateState.ROLLBACK_COMPLETED), undefined);
    assert.equal(await paused(UpdateState.UPDATE_COMPLETED), undefined);
  });

  it('leaves an update that is under way alone when nothing is changed', async () => {
    assert.equal((await paused(UpdateState.UPDATING))?.state, UpdateState.UPDATING);
  });

  it('refuses a name that is none, however long it is, without delay', async () => {
    const { operations } = await bed();
    const spec = { ...specOf(), annotations: annotations(`${'a'.repeat(60)}.`) };
    await assert.rejects(operations.createService({ spec }), (e) => isSwarmtsError(e, 'invalid-argument'));
  });
});

describe('a list of tasks', () => {
  it('has what stands for a container of no service only where that is asked for', async () => {
    const { store, operations } = await bed();
    const attachment = { containerId: 'c1', containerName: 'x' };
    await store.update((tx) => {
      tx.create('task', testTask({ id: 't', slot: 1 }));
      tx.create('task', { ...testTask({ id: 'a', slot: 0 }), spec: TaskSpec.create({ attachment }) });
    });
    const ids = (withAttachments?: boolean) =>
      operations.listTasks(withAttachments === undefined ? {} : { withAttachments }).map((t) => t.id);
    assert.deepEqual([ids(), ids(false), ids(true).sort()], [['t'], ['t'], ['a', 't']]);
  });
});

describe('removing a network', () => {
  const attached = async (task: Partial<Parameters<typeof testTask>[0]>) => {
    const { store, operations } = await bed();
    const { id } = await operations.createNetwork({ spec: NetworkSpec.create({ annotations: annotations('back') }) });
    await store.update((tx) => {
      const network = tx.get('network', id);
      const networks = [NetworkAttachment.create({ network, addresses: ['10.0.1.3/24'] })];
      tx.create('service', testService());
      tx.create('task', { ...testTask({ id: 't', slot: 1, ...task }), networks });
    });
    return { store, operations, remove: () => operations.removeNetwork({ ref: 'back' }) };
  };

  it('is refused while an update has not come to all tasks that are on it', async () => {
    const { remove } = await attached({});
    await assert.rejects(remove(), /^SwarmtsError: network back is in use by task t$/);
  });

  it('names the service that depends on the routing mesh', async () => {
    const { store, operations } = await bed();
    const spec = NetworkSpec.create({ annotations: annotations('mesh'), ingress: true });
    await operations.createNetwork({ spec });
    const ports = [PortConfig.create({ targetPort: 80, publishedPort: 8080, publishMode: PublishMode.INGRESS })];
    await store.update((tx) => tx.create('service', { ...testService(), endpoint: Endpoint.create({ ports }) }));
    const refused = /^SwarmtsError: ingress network cannot be removed because service web depends on it$/;
    await assert.rejects(operations.removeNetwork({ ref: 'mesh' }), refused);
  });

  it('does not wait for tasks that are about to stop', async () => {
    const { store, remove } = await attached({ desired: TaskState.SHUTDOWN });
    await remove();
    assert.equal(store.count('network'), 0);
  });

  it('leaves its number and addresses alone until its last task has stopped', async () => {
    const { store, operations, remove } = await attached({ desired: TaskState.SHUTDOWN });
    const first = store.view((tx) => tx.list('network')[0]);
    await remove();
    const create = async (name: string) => {
      const { id } = await operations.createNetwork({ spec: NetworkSpec.create({ annotations: annotations(name) }) });
      const n = store.get('network', id);
      return [n?.driverState?.options[VNI_OPTION], n?.ipam?.configs[0]?.subnet];
    };
    const before = [first?.driverState?.options[VNI_OPTION], first?.ipam?.configs[0]?.subnet];
    const next = await create('back');
    assert.ok(
      next.every((v, i) => v !== before[i]),
      `${next} is none of ${before}`,
    );
    await store.update((tx) => tx.remove('task', 't'));
    assert.deepEqual(await create('other'), before);
  });

  it('does not wait for tasks of a service that is gone', async () => {
    const { store, remove } = await attached({});
    await store.update((tx) => tx.remove('service', 'svc'));
    await remove();
    assert.equal(store.count('network'), 0);
  });
});
