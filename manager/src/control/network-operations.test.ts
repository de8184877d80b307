import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { Cluster, Driver, MTU_OPTION, NetworkSpec, Node } from '@swarmts/proto';
import { vniOf } from '../allocator/network-allocation.js';
import { localStore } from '../store/store.js';
import { createAttachment, createNetwork, removeNetwork, renameAttachment } from './network-operations.js';

describe('making a network', () => {
  const store = localStore(() => 0);
  before(() => store.update((tx) => tx.create('cluster', Cluster.create({ id: 'c' }))));

  const make = (spec: Partial<NetworkSpec>) =>
    store.update((tx) => createNetwork(tx, NetworkSpec.create({ annotations: { name: 'back', labels: {} }, ...spec })));

  it('is refused with what is wrong, and leaves nothing', async () => {
    for (const [spec, why] of [
      [{ driver: Driver.create({ options: { [MTU_OPTION]: 'huge' } }) }, /invalid com\.docker.*mtu "huge": a number/],
      [{ annotations: { name: 'no name', labels: {} } }, /name must be valid/],
      [{ ingress: true, attachable: true }, /leave out --attachable/],
      [{ ingress: true, internal: true }, /an ingress network cannot be internal/],
    ] as const) {
      await assert.rejects(make(spec), (e) => isSwarmtsError(e, 'invalid-argument') && why.test(e.message));
    }
    const wire = Driver.create({ name: 'macvlan' });
    await assert.rejects(make({ driver: wire }), /macvlan network back needs a device of every node: -o parent=DEVICE/);
    await assert.rejects(make({ configFrom: 'cfg' }), /--config-from is for networks that each node makes for itself/);
    await assert.rejects(
      make({ driver: wire, configFrom: 'cfg', ipv6Enabled: true }),
      (e) => isSwarmtsError(e, 'permission-denied') && /user specified configurations/.test(e.message),
    );
    await assert.rejects(make({ driver: Driver.create({ name: 'ipvlan' }) }), (e) => isSwarmtsError(e, 'unsupported'));
    assert.equal(store.count('network'), 0);
    await make({});
    await assert.rejects(make({}), (e) => isSwarmtsError(e, 'already-exists'));
  });

  it('leaves addresses to the nodes where each makes it for itself', async () => {
    const spec = { annotations: { name: 'wire', labels: {} }, driver: Driver.create({ name: 'macvlan' }) };
    const network = await make({ ...spec, configFrom: 'cfg' });
    assert.deepEqual([network.ipam?.configs, network.driverState?.name, vniOf(network)], [[], 'macvlan', 0]);
    await store.update((tx) => removeNetwork(tx, network.id));
  });

  it('keeps clear of machines whose agents have not said yet where they are', async () => {
    const fresh = localStore(() => 0);
    await fresh.update((tx) => {
      tx.create('cluster', Cluster.create({ id: 'c' }));
      tx.create(
        'node',
        Node.create({ id: 'n1', managerStatus: { raftId: 1, addr: '10.0.1.5:2377', leader: false, reachability: 0 } }),
      );
    });
    const spec = NetworkSpec.create({ annotations: { name: 'ingress', labels: {} }, ingress: true });
    const network = await fresh.update((tx) => createNetwork(tx, spec));
    assert.deepEqual(
      network.ipam?.configs.map((c) => c.subnet),
      ['10.1.0.0/16'],
    );
  });
});

describe('a container on a network', () => {
  const store = localStore(() => 0);
  const wish = { network: 'wide', containerId: 'c1', containerName: 'one', addresses: [], aliases: [] };
  const nameOf = (id: string) => store.view((tx) => tx.get('task', id)?.spec?.attachment?.containerName);

  it('gets another name from its own node alone', async () => {
    await store.update((tx) => {
      tx.create('cluster', Cluster.create({ id: 'c' }));
      createNetwork(tx, NetworkSpec.create({ annotations: { name: 'wide', labels: {} }, attachable: true }));
    });
    const taskId = await store.update((tx) => createAttachment(tx, { ...wish, nodeId: 'n1' }, 0));
    await store.update((tx) => renameAttachment(tx, { nodeId: 'n2', taskId, containerName: 'two' }));
    assert.equal(nameOf(taskId), 'one');
    await store.update((tx) => renameAttachment(tx, { nodeId: 'n1', taskId, containerName: 'two' }));
    assert.equal(nameOf(taskId), 'two');
    await store.update((tx) => renameAttachment(tx, { nodeId: 'n1', taskId: 'gone', containerName: 'two' }));
  });
});
