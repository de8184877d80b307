import assert from 'node:assert/strict';
import { isSwarmtsError, SimulatedClock, silentLogger } from '@swarmts/lib';
import {
  Cluster,
  DataPathKey,
  Driver,
  Network,
  NetworkSpec,
  Node,
  NodeDescription,
  NodeState,
  NodeStatus,
} from '@swarmts/proto';
import { createNetwork } from '../control/network-operations.js';
import { localStore } from '../store/store.js';
import { NetworkKeyRenewal } from './network-key-renewal.js';

const HOUR_MS = 3_600_000;
const encrypted = (value = '') =>
  NetworkSpec.create({
    annotations: { name: 'back', labels: {} },
    driver: Driver.create({ name: 'overlay', options: { encrypted: value } }),
  });

describe('the renewal of network keys', () => {
  async function start(networks: readonly Network[]) {
    const clock = new SimulatedClock();
    const store = localStore(() => clock.now());
    await store.update((tx) => {
      tx.create('cluster', Cluster.create({ id: 'c' }));
      for (const n of networks) tx.create('network', n);
    });
    const onStuck = (e: unknown) => assert.fail(String(e));
    const renewal = new NetworkKeyRenewal({ store, clock, random: () => 0.5, log: silentLogger, onStuck });
    renewal.start();
    const generation = () => store.view((tx) => tx.list('cluster')[0]?.networkKeyGeneration);
    return { clock, store, renewal, generation };
  }
  const network = Network.create({ id: 'n', spec: encrypted() });

  it('begins with the first encrypted network, and goes on in its period', async () => {
    const { clock, renewal, generation } = await start([network]);
    await clock.advance(1_000);
    assert.equal(generation(), 1);
    await clock.advance(11 * HOUR_MS);
    assert.equal(generation(), 1);
    await clock.advance(HOUR_MS + 1_000);
    assert.equal(generation(), 2);
    await renewal.stop();
  });

  const nodeWith = (state: NodeState, ...generations: readonly number[]) =>
    Node.create({
      id: 'a',
      status: NodeStatus.create({ state }),
      description: NodeDescription.create({
        dataPathKeys: generations.map((generation) => DataPathKey.create({ generation })),
      }),
    });
  const untilFirstAnswer = async (node: Node) => {
    const started = await start([network]);
    await started.clock.advance(1_000);
    await started.store.update((tx) => tx.create('node', node));
    return started;
  };

  it('waits for a node that has not answered the last one, and goes on when it has', async () => {
    const { clock, store, renewal, generation } = await untilFirstAnswer(nodeWith(NodeState.NODE_READY, 0));
    await clock.advance(13 * HOUR_MS);
    assert.equal(generation(), 1);
    const { description } = nodeWith(NodeState.NODE_READY, 0, 1);
    await store.update((tx) => {
      const node = tx.get('node', 'a') ?? assert.fail();
      tx.update('node', { ...node, description });
    });
    await clock.advance(1_000);
    assert.equal(generation(), 2);
    await renewal.stop();
  });

  it('waits for nobody longer than a second period', async () => {
    const { clock, renewal, generation } = await untilFirstAnswer(nodeWith(NodeState.UNKNOWN, 0));
    await clock.advance(24 * HOUR_MS - 10_000);
    assert.equal(generation(), 1);
    await clock.advance(10_000);
    assert.equal(generation(), 2);
    await renewal.stop();
  });

  it('does not wait for nodes that are down, or have no tunnels', async () => {
    for (const node of [nodeWith(NodeState.DOWN, 0), nodeWith(NodeState.NODE_READY)]) {
      const { clock, renewal, generation } = await untilFirstAnswer(node);
      await clock.advance(12 * HOUR_MS);
      assert.equal(generation(), 2);
      await renewal.stop();
    }
  });

  it('does nothing without an encrypted network', async () => {
    const { clock, renewal, generation } = await start([Network.create({ id: 'n', spec: encrypted('false') })]);
    await clock.advance(13 * HOUR_MS);
    assert.equal(generation(), 0);
    await renewal.stop();
  });
});

describe('an encrypted network', () => {
  const create = async (encryption: string) => {
    const store = localStore(() => 0);
    return store.update((tx) => {
      tx.create('cluster', Cluster.create({ id: 'c', defaultAddressPools: ['10.0.0.0/8'], subnetSize: 24 }));
      tx.create(
        'node',
        Node.create({ id: 'a', description: NodeDescription.create({ dataPathEncryption: encryption }) }),
      );
      return createNetwork(tx, encrypted());
    });
  };

  it('is made where a node can encrypt', async () => {
    assert.equal((await create('wireguard-go')).spec?.driver?.options.encrypted, '');
  });

  it('is refused where none can, with what to install', async () => {
    await assert.rejects(create(''), (e) => isSwarmtsError(e, 'failed-precondition') && /wireguard-go/.test(e.message));
  });
});
