import assert from 'node:assert/strict';
import {
  Cluster,
  ContainerSpec,
  ContainerStatus,
  Driver,
  Endpoint,
  EndpointVip,
  extensionLabels,
  Network,
  NetworkAttachment,
  NetworkAttachmentConfig,
  NetworkSpec,
  type NetworkState,
  Node,
  NodeState,
  NodeStatus,
  PortConfig,
  Service,
  Task,
  TaskSpec,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import { testService } from '../orchestrator/testing.js';
import { localStore, type Store } from '../store/store.js';
import type { WriteTx } from '../store/transaction.js';
import { NetworkAssignments } from './network-assignments.js';
import { NetworkIndex } from './network-index.js';

const network = (id: string, ingress = false) =>
  Network.create({ id, spec: NetworkSpec.create({ annotations: { name: id, labels: {} }, ingress }) });
const node = (id: string, index: number) =>
  Node.create({
    id,
    dataPathIndex: index,
    status: NodeStatus.create({ state: NodeState.NODE_READY, addr: `192.0.2.${index}` }),
  });

/** Two nodes, an ingress network, a network "back" and a service on it. */
class Bed {
  readonly store: Store = localStore(() => 0);
  readonly index = new NetworkIndex();
  readonly a = new NetworkAssignments('a', this.index);

  async start(): Promise<void> {
    const plain = testService();
    const networks = [NetworkAttachmentConfig.create({ target: 'back', aliases: ['db'] })];
    const spec = plain.spec && { ...plain.spec, task: plain.spec.task && { ...plain.spec.task, networks } };
    const endpoint = Endpoint.create({
      virtualIps: [EndpointVip.create({ networkId: 'back', addr: '10.1.0.2/24' })],
      ports: [PortConfig.create({ targetPort: 80, publishedPort: 8080 })],
    });
    await this.write((tx) => {
      tx.create('cluster', Cluster.create({ id: 'c' }));
      for (const n of [network('ingress', true), network('back')]) tx.create('network', n);
      for (const n of [node('a', 2), node('b', 3)]) tx.create('node', n);
      tx.create('service', Service.create({ ...plain, spec, endpoint }));
    });
    this.store.view((tx) => this.index.rebuild(tx));
  }

  async write(fn: (tx: WriteTx) => void): Promise<void> {
    const watch = this.store.watch({
      change: (c) => {
        if (c.kind === 'task') this.index.onTask(c.object, c.action === 'remove');
        if (c.kind === 'node') this.store.view((tx) => this.index.onNode(tx, c.object.id));
        if (c.kind === 'service') this.store.view((tx) => this.index.onService(tx, c.object, c.action === 'remove'));
      },
    });
    await this.store.update(fn);
    watch.close();
  }

  async task(id: string, nodeId: string, state: TaskState, desiredState: TaskState = TaskState.RUNNING): Promise<void> {
    await this.write((tx) => {
      const known = tx.get('task', id);
      const networks = [NetworkAttachment.create({ network: network('back'), addresses: ['10.1.0.5/24'] })];
      const status = TaskStatus.create({ state });
      const task = Task.create({ ...known, id, nodeId, serviceId: 'svc', slot: 1, desiredState, networks, status });
      if (known) tx.update('task', task);
      else tx.create('task', task);
    });
  }

  complete = () => this.store.view((tx) => this.a.complete(tx));
  increment = () => this.store.view((tx) => this.a.increment(tx, this.index.takeTouched()));
}

const shape = (s: NetworkState | undefined) => ({
  id: s?.networkId,
  complete: s?.complete,
  endpoints: s?.endpoints.map((e) => `${e.taskId} ${e.addresses} ${e.ready ? 'ready' : 'not ready'}`),
  gone: s?.removedEndpointIds,
});

describe('what a node is told of networks', () => {
  let bed: Bed;
  beforeEach(async () => {
    bed = new Bed();
    await bed.start();
  });

  it('is nothing of networks that each node makes for itself', async () => {
    const wire = Network.create({ id: 'wire', driverState: Driver.create({ name: 'macvlan' }) });
    await bed.write((tx) => {
      tx.create('network', wire);
      const networks = [NetworkAttachment.create({ network: wire })];
      const status = TaskStatus.create({ state: TaskState.RUNNING });
      tx.create('task', Task.create({ id: 't1', nodeId: 'a', desiredState: TaskState.RUNNING, networks, status }));
      const service = tx.get('service', 'svc');
      const { spec } = service ?? {};
      const on = [NetworkAttachmentConfig.create({ target: 'wire' })];
      if (service && spec?.task) {
        tx.update('service', { ...service, spec: { ...spec, task: { ...spec.task, networks: on } } });
      }
    });
    assert.deepEqual(
      bed.complete().map((n) => n.networkId),
      ['ingress'],
    );
    const fresh = new NetworkIndex();
    bed.store.view((tx) => fresh.rebuild(tx));
    assert.deepEqual([...fresh.serviceIds('wire')], []);
  });

  it('has the ports of services whose labels this manager does not understand', async () => {
    await bed.write((tx) => {
      const service = tx.get('service', 'svc');
      const labels = { [extensionLabels.preferLocal]: 'http' };
      if (service) tx.update('service', { ...service, spec: testService({ labels }).spec });
    });
    const [ingress] = bed.complete();
    assert.deepEqual(
      ingress?.services.flatMap((s) => s.ports.map((p) => [p.publishedPort, p.preferLocal])),
      [[8080, false]],
    );
  });

  it('is the ingress network alone while it has no task, with every node and every published port', () => {
    const [ingress, ...rest] = bed.complete();
    assert.deepEqual(rest, []);
    assert.deepEqual(
      ingress?.peers.map((p) => [p.nodeId, p.addr, p.index]),
      [
        ['a', '192.0.2.2', 2],
        ['b', '192.0.2.3', 3],
      ],
    );
    assert.deepEqual(
      ingress?.services.map((s) => s.ports.map((p) => p.publishedPort)),
      [[8080]],
    );
  });

  it('includes what tasks are called by themselves', async () => {
    bed.complete();
    await bed.task('t1', 'b', TaskState.RUNNING);
    const names = async (containerId: string, hostname: string) => {
      await bed.write((tx) => {
        const t = tx.get('task', 't1') ?? assert.fail();
        const container = ContainerStatus.create({ containerId });
        const status = TaskStatus.create({ ...t.status, container });
        const spec = TaskSpec.create({ ...t.spec, container: ContainerSpec.create({ hostname }) });
        tx.update('task', { ...t, status, spec });
      });
      return bed.store.view((tx) => bed.index.endpoint(tx, 'back', 't1'))?.aliases;
    };
    assert.deepEqual(await names('', ''), []);
    assert.deepEqual(await names('0123456789abcdef', 'db1'), ['0123456789ab', 'db1']);
    assert.deepEqual(await names('0123456789abcdef', 'db-{{.Task.Slot}}'), ['0123456789ab']);
  });

  it('is a network as a whole as soon as a task of it comes, and nothing of it after the last has gone', async () => {
    bed.complete();
    await bed.task('t1', 'b', TaskState.RUNNING);
    assert.deepEqual(
      bed.increment().networks.map((n) => n.networkId),
      ['ingress'].slice(0, 0),
    );
    await bed.task('t2', 'a', TaskState.ASSIGNED);
    const [back] = bed.increment().networks;
    assert.deepEqual(shape(back), {
      id: 'back',
      complete: true,
      endpoints: ['t1 10.1.0.5 ready', 't2 10.1.0.5 not ready'],
      gone: [],
    });
    assert.deepEqual(
      back?.services.map((s) => [s.name, s.virtualIps, s.aliases]),
      [['web', ['10.1.0.2'], ['db']]],
    );
    await bed.task('t2', 'a', TaskState.COMPLETE);
    assert.deepEqual(bed.increment().removedNetworkIds, ['back']);
  });

  it('takes a task out as soon as it is to stop, and forgets it when it has ended', async () => {
    await bed.task('t1', 'b', TaskState.RUNNING);
    await bed.task('t2', 'a', TaskState.RUNNING);
    bed.complete();
    bed.increment();
    await bed.task('t1', 'b', TaskState.RUNNING, TaskState.SHUTDOWN);
    assert.deepEqual(shape(bed.increment().networks[0]).endpoints, ['t1 10.1.0.5 not ready']);
    await bed.task('t1', 'b', TaskState.SHUTDOWN, TaskState.SHUTDOWN);
    const [after] = bed.increment().networks;
    assert.deepEqual(shape(after).gone, ['t1']);
    assert.deepEqual(after?.removedPeerIds, ['b'], 'the last of its node');
  });

  it('leaves out the tasks of a node that is down, until it is back', async () => {
    await bed.task('t1', 'b', TaskState.RUNNING);
    await bed.task('t2', 'a', TaskState.RUNNING);
    bed.complete();
    bed.increment();
    const setState = (state: NodeState) =>
      bed.write((tx) => {
        const n = tx.get('node', 'b') ?? assert.fail();
        tx.update('node', { ...n, status: NodeStatus.create({ ...n.status, state }) });
      });
    await setState(NodeState.DOWN);
    const down = bed.increment().networks.find((n) => n.networkId === 'back');
    assert.deepEqual(shape(down).gone, ['t1']);
    await setState(NodeState.NODE_READY);
    const up = bed.increment().networks.find((n) => n.networkId === 'back');
    assert.deepEqual(shape(up).endpoints, ['t1 10.1.0.5 ready']);
  });

  it('is nothing when nothing of it has changed', async () => {
    await bed.task('t2', 'a', TaskState.RUNNING);
    bed.complete();
    bed.increment();
    assert.deepEqual(bed.increment(), { networks: [], removedNetworkIds: [] });
  });
});
