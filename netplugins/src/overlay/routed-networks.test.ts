import assert from 'node:assert/strict';
import { NetworkAttachment } from '@swarmts/proto';
import { RoutedNetworks } from './routed-networks.js';
import type { RouterExecutor } from './router-spec.js';
import { testNetwork } from './testing.js';

function setUp() {
  const asked: string[] = [];
  const executor = new Proxy({} as RouterExecutor, {
    get: (_, method) => async () => {
      asked.push(String(method));
      return method === 'ensureRouter' ? [] : 'token';
    },
  });
  const networks = new RoutedNetworks({ executor, dir: '/run/r' });
  networks.setNode('a');
  const request = {
    containerId: 'c1',
    containerNetns: '/run/c1',
    endpointId: 't1',
    attachment: NetworkAttachment.create({ network: testNetwork({}, 0), addresses: ['10.1.0.5/24'] }),
    iface: 'eth0',
  };
  return { asked, networks, request };
}

describe('a leg of a network', () => {
  it('is known to what is done beside its making', async () => {
    const { asked, networks, request } = setUp();
    let planned: string | undefined;
    const made = await networks.attach(request, async ({ leg }) => {
      assert.ok(!asked.includes('attachLeg'));
      planned = leg.addresses[0]?.address;
    });
    assert.deepEqual([planned, made.leg.addresses[0]?.address], ['10.1.0.5', '10.1.0.5']);
    assert.ok(asked.includes('attachLeg'));
  });

  it('is taken off again when what was done beside it failed, and its router with it', async () => {
    const { asked, networks, request } = setUp();
    const attached = networks.attach(request, async () => Promise.reject(new Error('disk full')));
    await assert.rejects(attached, /disk full/);
    await networks.settled();
    const from = asked.indexOf('attachLeg');
    assert.deepEqual(asked.slice(from, from + 3), ['attachLeg', 'detachLeg', 'removeRouter']);
    assert.deepEqual(networks.attachments(), []);
  });
});
