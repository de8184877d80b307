import assert from 'node:assert/strict';
import { SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import {
  Cluster,
  Driver,
  Endpoint,
  EndpointMode,
  EndpointSpec,
  IpamConfig,
  IpamOptions,
  NetworkAttachmentConfig,
  NetworkSpec,
  Node,
  observedState,
  PortConfig,
  Service,
  type Task,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import { createNetwork } from '../control/network-operations.js';
import { newTask } from '../orchestrator/new-task.js';
import { testService } from '../orchestrator/testing.js';
import { localStore, type Store } from '../store/store.js';
import { Allocator } from './allocator.js';

class Bed {
  readonly clock = new SimulatedClock();
  readonly store: Store = localStore(() => this.clock.now());
  allocator = this.#newAllocator();

  #newAllocator(): Allocator {
    return new Allocator({
      store: this.store,
      clock: this.clock,
      random: seededRandom(1),
      log: silentLogger,
      onStuck: (e) => assert.fail(String(e)),
    });
  }

  async start(subnet = '', ingressSubnet = ''): Promise<string> {
    const id = await this.store.update((tx) => {
      tx.create('cluster', Cluster.create({ id: 'c', defaultAddressPools: ['10.0.0.0/8'], subnetSize: 24 }));
      tx.create('node', Node.create({ id: 'n1' }));
      const ipam = (of: string) =>
        IpamOptions.create({ configs: of === '' ? [] : [IpamConfig.create({ subnet: of })] });
      const annotations = (name: string) => ({ name, labels: {} });
      createNetwork(
        tx,
        NetworkSpec.create({ annotations: annotations('ingress'), ingress: true, ipam: ipam(ingressSubnet) }),
      );
      return createNetwork(tx, NetworkSpec.create({ annotations: annotations('back'), ipam: ipam(subnet) })).id;
    });
    this.allocator.start();
    await this.settle();
    return id;
  }

  /** Another leader takes over: nothing but the store remains. */
  async changeLeader(): Promise<void> {
    await this.allocator.stop();
    this.allocator = this.#newAllocator();
    this.allocator.start();
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await this.clock.advance(10);
  }

  /** Another network with one address for containers. */
  tinyNetwork(): Promise<string> {
    const ipam = IpamOptions.create({ configs: [IpamConfig.create({ subnet: '10.9.0.0/30' })] });
    return this.store.update(
      (tx) => createNetwork(tx, NetworkSpec.create({ annotations: { name: 'tiny', labels: {} }, ipam })).id,
    );
  }

  async service(networkIds: string | readonly string[], endpoint?: EndpointSpec): Promise<Service> {
    const plain = testService();
    const networks = [networkIds]
      .flat()
      .filter((target) => target !== '')
      .map((target) => NetworkAttachmentConfig.create({ target, aliases: ['db'] }));
    const task = plain.spec?.task && { ...plain.spec.task, networks };
    const spec = plain.spec && { ...plain.spec, task, endpoint };
    const ports = endpoint?.ports ?? [];
    await this.store.update((tx) =>
      tx.create('service', Service.create({ ...plain, spec, endpoint: Endpoint.create({ spec: endpoint, ports }) })),
    );
    await this.settle();
    return this.stored();
  }

  async change(change: Partial<Service>): Promise<void> {
    await this.store.update((tx) => tx.update('service', { ...this.stored(), ...change }));
    await this.settle();
  }

  stored(): Service {
    return this.store.get('service', 'svc') ?? assert.fail('no service');
  }

  async tasks(count: number): Promise<readonly string[]> {
    const made: Task[] = Array.from({ length: count }, (_, i) =>
      newTask(this.stored(), { slot: i + 1, nodeId: '' }, TaskState.RUNNING, this.clock.now()),
    );
    await this.store.batch(
      made,
      (tx, t) => tx.create('task', t),
      (_t, e) => assert.fail(String(e)),
    );
    await this.settle();
    return made.map((t) => t.id);
  }

  task(id: string | undefined): Task {
    return this.store.get('task', id ?? '') ?? assert.fail('no task');
  }

  async end(ids: readonly string[]): Promise<void> {
    await this.store.batch(
      ids,
      (tx, id) => {
        const t = tx.get('task', id) ?? assert.fail();
        tx.update('task', { ...t, status: TaskStatus.create({ ...t.status, state: TaskState.SHUTDOWN }) });
      },
      (_id, e) => assert.fail(String(e)),
    );
    await this.settle();
  }
}

describe('the allocator', () => {
  it('gives a service one VIP per network and its tasks addresses and aliases', async () => {
    const bed = new Bed();
    const back = await bed.start();
    const service = await bed.service(back);
    assert.deepEqual(
      service.endpoint?.virtualIps.map((v) => [v.networkId, v.addr]),
      [[back, '10.1.0.2/24']],
    );
    const [a, b] = await bed.tasks(2);
    assert.deepEqual(
      bed.task(a).networks.map((n) => [n.network?.id, n.addresses, n.aliases]),
      [[back, ['10.1.0.3/24'], ['db']]],
    );
    assert.deepEqual(bed.task(b).networks[0]?.addresses, ['10.1.0.4/24']);
    assert.equal(observedState(bed.task(a)), TaskState.PENDING);
    await bed.allocator.stop();
  });

  it('gives neither VIP nor addresses where each node has its own', async () => {
    const bed = new Bed();
    const back = await bed.start();
    const driver = Driver.create({ name: 'macvlan', options: { parent: 'eth0' } });
    const wire = await bed.store.update(
      (tx) => createNetwork(tx, NetworkSpec.create({ annotations: { name: 'wire', labels: {} }, driver })).id,
    );
    const service = await bed.service([wire, back]);
    assert.deepEqual(
      service.endpoint?.virtualIps.map((v) => v.networkId),
      [back],
    );
    const [id] = await bed.tasks(1);
    assert.deepEqual(
      bed.task(id).networks.map((n) => [n.network?.id, n.addresses, n.aliases]),
      [
        [wire, [], ['db']],
        [back, ['10.1.0.3/24'], ['db']],
      ],
    );
    await bed.allocator.stop();
  });

  it('gives no VIP with dnsrr, and takes it back when the mode changes', async () => {
    const bed = new Bed();
    const back = await bed.start();
    const service = await bed.service(back);
    const dnsrr = EndpointSpec.create({ mode: EndpointMode.DNSRR });
    await bed.store.update((tx) =>
      tx.update('service', { ...service, spec: service.spec && { ...service.spec, endpoint: dnsrr } }),
    );
    await bed.settle();
    assert.deepEqual(bed.stored().endpoint?.virtualIps, []);
    await bed.allocator.stop();
  });

  it('puts tasks with ports in ingress mode onto the ingress network', async () => {
    const bed = new Bed();
    await bed.start();
    await bed.service('', EndpointSpec.create({ ports: [PortConfig.create({ targetPort: 80, publishedPort: 8080 })] }));
    const [a] = await bed.tasks(1);
    assert.deepEqual(
      bed.task(a).networks.map((n) => [n.network?.spec?.annotations?.name, n.addresses]),
      [['ingress', ['10.0.0.3/16']]],
    );
    await bed.allocator.stop();
  });

  it('gives a service with ports in ingress mode a VIP there, for as long as it has some', async () => {
    const bed = new Bed();
    const back = await bed.start();
    const published = EndpointSpec.create({ ports: [PortConfig.create({ targetPort: 80, publishedPort: 8080 })] });
    await bed.service(back, published);
    const names = () =>
      (bed.stored().endpoint?.virtualIps ?? []).map((v) => [
        bed.store.get('network', v.networkId)?.spec?.annotations?.name,
        v.addr,
      ]);
    assert.deepEqual(names(), [
      ['ingress', '10.0.0.2/16'],
      ['back', '10.1.0.2/24'],
    ]);
    const withPorts = bed.stored();
    await bed.change({ endpoint: Endpoint.create({ ...withPorts.endpoint, ports: [] }) });
    assert.deepEqual(names(), [['back', '10.1.0.2/24']]);
    await bed.changeLeader();
    await bed.change({ endpoint: Endpoint.create({ ...withPorts.endpoint, virtualIps: [] }) });
    assert.deepEqual(names()[0], ['ingress', '10.0.0.2/16'], 'the address was free again');
    await bed.allocator.stop();
  });

  it('goes without a VIP on a full ingress network, and gives it when there is room', async () => {
    const bed = new Bed();
    const back = await bed.start('', '10.2.0.0/29');
    const ports = [PortConfig.create({ targetPort: 80, publishedPort: 8080 })];
    await bed.service(back, EndpointSpec.create({ ports }));
    const vips = () => bed.stored().endpoint?.virtualIps.length;
    const tasks = await bed.tasks(5);
    assert.equal(vips(), 2);
    // The fifth task gets the address that is given back.
    await bed.change({ endpoint: Endpoint.create({ ...bed.stored().endpoint, ports: [] }) });
    await bed.change({ endpoint: Endpoint.create({ ...bed.stored().endpoint, ports }) });
    assert.equal(observedState(bed.task(tasks[4])), TaskState.PENDING);
    assert.equal(vips(), 1, 'that of the other network alone');
    await bed.end(tasks.slice(0, 1));
    assert.equal(vips(), 2);
    await bed.allocator.stop();
  });

  /** The network that is full, and one with five addresses. */
  async function full(bed: Bed): Promise<{ readonly back: string; readonly tiny: string }> {
    const back = await bed.start('10.1.0.0/29');
    const tiny = await bed.tinyNetwork();
    const owner = await bed.service(tiny);
    await bed.store.update((tx) => tx.create('service', Service.create({ ...owner, id: 'owner' })));
    await bed.store.update((tx) => tx.remove('service', 'svc'));
    await bed.changeLeader();
    return { back, tiny };
  }

  it('keeps no address for a service that cannot have them all', async () => {
    const bed = new Bed();
    const { back, tiny } = await full(bed);
    await bed.service([back, tiny]);
    assert.deepEqual(bed.stored().endpoint?.virtualIps, []);
    await bed.store.update((tx) => tx.remove('service', 'svc'));
    await bed.settle();
    await bed.service(back, EndpointSpec.create({ mode: EndpointMode.DNSRR }));
    const tasks = await bed.tasks(5);
    assert.equal(tasks.filter((id) => observedState(bed.task(id)) === TaskState.PENDING).length, 5);
    await bed.allocator.stop();
  });

  it('gives nobody a VIP of a service that does not get the one it is to have instead', async () => {
    const bed = new Bed();
    const { back, tiny } = await full(bed);
    const { spec } = await bed.service(back);
    const networks = [NetworkAttachmentConfig.create({ target: tiny })];
    await bed.change({ spec: spec && { ...spec, task: spec.task && { ...spec.task, networks } } });
    assert.equal(bed.stored().endpoint?.virtualIps[0]?.networkId, back);
    await bed.change({ spec: spec && { ...spec, endpoint: EndpointSpec.create({ mode: EndpointMode.VIP }) } });
    const vip = bed.stored().endpoint?.virtualIps[0]?.addr;
    const tasks = await bed.tasks(5);
    const addresses = tasks.flatMap((id) => bed.task(id).networks[0]?.addresses ?? []);
    assert.deepEqual([addresses.length, addresses.includes(vip ?? '')], [4, false]);
    await bed.allocator.stop();
  });

  it('says on the task at once that there is no address left, and goes on when there is one', async () => {
    const bed = new Bed();
    const back = await bed.start('10.1.0.0/29');
    await bed.service(back);
    const ids = await bed.tasks(6);
    const starved = ids.filter((id) => observedState(bed.task(id)) === TaskState.NEW);
    assert.equal(starved.length, 2);
    assert.match(bed.task(starved[0]).status?.err ?? '', /all addresses of 10\.1\.0\.0\/29 are in use/);
    await bed.end(ids.filter((id) => !starved.includes(id)).slice(0, 2));
    for (const id of starved) {
      assert.equal(observedState(bed.task(id)), TaskState.PENDING);
      assert.equal(bed.task(id).status?.err, '');
    }
    await bed.allocator.stop();
  });

  it('hands out nothing twice after a change of leader, and has everything back in the end', async () => {
    const bed = new Bed();
    const back = await bed.start();
    await bed.service(back);
    const first = await bed.tasks(100);
    await bed.changeLeader();
    const second = await bed.tasks(100);
    const addresses = [...first, ...second].flatMap((id) => bed.task(id).networks.flatMap((n) => n.addresses));
    assert.equal(new Set(addresses).size, 200);
    await bed.end([...first, ...second]);
    await bed.store.update((tx) => tx.remove('service', 'svc'));
    await bed.settle();
    await bed.service(back);
    const third = await bed.tasks(252);
    assert.equal(third.filter((id) => observedState(bed.task(id)) === TaskState.PENDING).length, 252);
    await bed.allocator.stop();
  });

  it('has every address back after ten thousand tasks have come and gone', async () => {
    const bed = new Bed();
    const back = await bed.start();
    await bed.service(back);
    for (let round = 0; round < 50; round++) {
      const ids = await bed.tasks(200);
      await bed.end(ids);
      await bed.store.batch(
        ids,
        (tx, id) => tx.remove('task', id),
        (_id, e) => assert.fail(String(e)),
      );
    }
    const last = await bed.tasks(252);
    assert.equal(last.filter((id) => observedState(bed.task(id)) === TaskState.PENDING).length, 252);
    await bed.allocator.stop();
  }).timeout(60_000);

  it('numbers the nodes', async () => {
    const bed = new Bed();
    await bed.start();
    await bed.store.update((tx) => tx.create('node', Node.create({ id: 'n2' })));
    await bed.settle();
    assert.deepEqual(
      ['n1', 'n2'].map((id) => bed.store.get('node', id)?.dataPathIndex),
      [2, 3],
    );
    await bed.allocator.stop();
  });

  it('sees what is changed while it writes for many others', async () => {
    const bed = new Bed();
    const network = await bed.start();
    const other = await bed.tinyNetwork();
    await bed.settle();
    const on = (s: Service, ids: readonly string[]): Service => {
      const networks = ids.map((target) => NetworkAttachmentConfig.create({ target }));
      return { ...s, spec: s.spec && { ...s.spec, task: s.spec.task && { ...s.spec.task, networks } } };
    };
    let changed: Promise<void> | undefined;
    bed.store.watch({
      change: (c) => {
        if (c.kind !== 'service' || c.object.id !== 's0' || c.object.endpoint?.virtualIps.length !== 1) return;
        changed ??= bed.store.update((tx) => {
          const service = tx.get('service', 's0') ?? assert.fail('no service');
          tx.update('service', on(service, [network, other]));
        });
      },
    });
    await bed.store.update((tx) => {
      // More than one transaction takes.
      for (let i = 0; i < 199; i++)
        tx.create('service', on({ ...testService(), id: `s${i}`, endpoint: Endpoint.create({}) }, [network]));
    });
    await bed.settle();
    await changed;
    await bed.settle();
    const networks = bed.store.get('service', 's0')?.endpoint?.virtualIps.map((v) => v.networkId);
    assert.deepEqual(networks, [network, other]);
    await bed.allocator.stop();
  });
});
