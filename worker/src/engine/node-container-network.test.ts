/** What is left of a container's networks when one step of joining one more fails. */
import assert from 'node:assert/strict';
import { isSwarmtsError, silentLogger } from '@swarmts/lib';
import type { DnsContainer, LocalNetwork, RoutedAttachment, RoutedNetworks } from '@swarmts/netplugins';
import { Network, NetworkAttachment } from '@swarmts/proto';
import { NodeContainerNetwork } from './node-container-network.js';

const REQUEST = { netnsPath: '/n/c', ports: [], name: 'box' };
const PLAIN = {
  address: '172.30.0.2',
  prefixLength: 16,
  gateway: '172.30.0.1',
  mac: '',
  ports: [],
  details: { containerIface: 'eth0' },
};

function setUp() {
  const calls: string[] = [];
  let fails = '';
  const step = (name: string) => {
    calls.push(name);
    if (fails !== '' && name.startsWith(fails)) throw new Error(`${name} failed`);
  };
  const routed = {
    async attach(...[o, beside]: Parameters<RoutedNetworks['attach']>): Promise<RoutedAttachment> {
      step('attach');
      const network = o.attachment.network ?? assert.fail();
      const leg = { iface: o.iface, addresses: [], mac: '' } as unknown as RoutedAttachment['leg'];
      const made = { networkId: network.id, networkName: 'back', endpointId: 'e1', network, leg, aliases: [] };
      await beside?.(made);
      return made;
    },
    disconnect: async () => step('disconnect'),
  };
  const network = new NodeContainerNetwork({
    // Only what joining asks for.
    local: { endpoint: () => undefined } as unknown as LocalNetwork,
    routed: routed as unknown as RoutedNetworks,
    helper: { createNetns: async () => step('createNetns'), detachLocal: async () => step('detachLocal') },
    source: {
      async obtain() {
        step('obtain');
        return { endpointId: 'e1', attachment: NetworkAttachment.create({ network: Network.create({ id: 'net1' }) }) };
      },
      giveBack: async (id: string) => step(`giveBack ${id}`),
    },
    names: {
      put: async (c: DnsContainer) => step(`names ${c.networkIds.join()}`),
      remove: (id: string) => step(`forget ${id}`),
    },
    logger: silentLogger,
  });
  const planned: (string | undefined)[] = [];
  const connect = (target: string) =>
    network.connect('c', PLAIN, REQUEST, { target, aliases: [], addresses: [] }, async (p) => {
      planned.push(p.networks?.[0]?.id);
    });
  return { calls, planned, connect, fail: (name: string) => (fails = name) };
}

describe('a container that joins a further network', () => {
  it('is attached and named at the same time', async () => {
    const { calls, planned, connect } = setUp();
    const joined = await connect('back');
    assert.deepEqual(planned, ['net1']);
    assert.deepEqual([joined.networks?.[0]?.id, joined.nameserver], ['net1', '127.0.0.11']);
    assert.deepEqual(calls, ['obtain', 'attach', 'names net1']);
  });

  it('is off it again when it got no name', async () => {
    const { calls, connect, fail } = setUp();
    fail('names');
    await assert.rejects(connect('back'), /names net1 failed/);
    assert.deepEqual(calls.slice(3), ['disconnect', 'forget c', 'giveBack e1']);
  });

  it('gives its address back when it was not attached', async () => {
    const { calls, connect, fail } = setUp();
    fail('attach');
    await assert.rejects(connect('back'), /attach failed/);
    assert.deepEqual(calls.slice(3), ['forget c', 'giveBack e1']);
  });

  it('keeps its address when it is on the network already, by whatever name', async () => {
    const { calls, connect } = setUp();
    await connect('back');
    for (const target of ['back', 'net1', 'net']) {
      await assert.rejects(connect(target), (e) => isSwarmtsError(e, 'conflict') && /already/.test(e.message));
    }
    assert.deepEqual(
      calls.filter((c) => /giveBack|disconnect|forget/.test(c)),
      [],
    );
  });
});
