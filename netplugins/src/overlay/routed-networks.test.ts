import assert from 'node:assert/strict';
import { setImmediate as immediate } from 'node:timers/promises';
import { NetworkAttachment, type NetworkEndpoint, PortProtocol } from '@swarmts/proto';
import { RoutedNetworks } from './routed-networks.js';
import type { RouterExecutor, RouterSpec } from './router-spec.js';
import { endpoint, port, service, testNetwork, testState } from './testing.js';

function setUp() {
  const asked: string[] = [];
  const flushed: string[] = [];
  const ensured: RouterSpec[] = [];
  const found = { hasLostVxlan: false };
  const failing = new Set<string>();
  /** What happens while the executor is at something. */
  const during = new Map<string, () => Promise<void>>();
  const executor = new Proxy({} as RouterExecutor, {
    get:
      (_, method) =>
      async (...args: unknown[]) => {
        asked.push(String(method));
        if (method === 'ensureRouter') ensured.push(args[0] as RouterSpec);
        await during.get(String(method))?.();
        if (failing.delete(String(method))) throw new Error('no helper');
        if (method === 'flushConnections') flushed.push(JSON.stringify(args[0]));
        if (method === 'observeTunnels' || method === 'ensureTunnels') return [];
        return method === 'ensureRouter' ? { missingLegs: [], madeVxlan: found.hasLostVxlan } : 'token';
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
  return { asked, during, ensured, failing, flushed, found, networks, request };
}

describe('a leg of a network', () => {
  it('is known to what is done beside its making', async () => {
    const { asked, networks, request } = setUp();
    await networks.attach({ ...request, containerId: 'c0', endpointId: 't0' });
    await networks.settled();
    asked.length = 0;
    let planned: string | undefined;
    const made = await networks.attach(request, async ({ leg }) => {
      assert.deepEqual(asked, ['attachLeg'], 'the executor does not wait for it');
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

  it('is taken off by the next look at the router where that did not work at once', async () => {
    const { asked, ensured, failing, networks, request } = setUp();
    await networks.attach({ ...request, containerId: 'c0', endpointId: 't0' });
    await networks.settled();
    failing.add('attachLeg').add('ensureRouter').add('detachLeg');
    await assert.rejects(networks.attach(request), /no helper/);
    await networks.settled();
    assert.ok(asked.includes('detachLeg'));
    await networks.repair();
    const [kept] = networks.attachments();
    assert.deepEqual([ensured.at(-1)?.legs, networks.attachments().length], [[kept?.leg.leg], 1]);
  });

  it('of a network without a router is taken out by the next repair', async () => {
    const { asked, failing, networks, request } = setUp();
    const driverState = { name: 'macvlan', options: { parent: 'eth0' } };
    const attachment = NetworkAttachment.create({
      network: { ...testNetwork({ driver: driverState }, 0), driverState },
      addresses: ['10.1.0.5/24'],
    });
    failing.add('attachMacvlan').add('detachDevice');
    await assert.rejects(networks.attach({ ...request, attachment }), /no helper/);
    asked.length = 0;
    await networks.repair();
    await networks.repair();
    assert.deepEqual(
      asked.filter((a) => a === 'detachDevice'),
      ['detachDevice'],
    );
  });

  it('of a network that is not encrypted is made though tunnels cannot be', async () => {
    const { failing, networks, request } = setUp();
    const secret = testNetwork({ driver: { name: 'overlay', options: { encrypted: '' } } });
    const state = testState({ network: { ...secret, id: 'secret' }, networkId: 'secret' });
    networks.apply({ complete: true, networks: [state], removedNetworkIds: [], dataPathPort: 4789 });
    const attachment = NetworkAttachment.create({ network: { ...secret, id: 'secret' }, addresses: ['10.1.0.5/24'] });
    const inSecret = { ...request, attachment };
    failing.add('ensureTunnels').add('observeTunnels');
    await assert.rejects(networks.attach(inSecret), /no helper/);
    await networks.attach({ ...inSecret, endpointId: 't0' }).catch(() => undefined);
    failing.add('ensureTunnels').add('observeTunnels');
    await networks.attach(request);
    assert.ok(networks.attachments().some((a) => a.endpointId === request.endpointId));
  });

  it('of an encrypted network is made after its tunnels, also where it comes while other networks are looked at', async () => {
    const { asked, during, ensured, networks, request } = setUp();
    const secret = { ...testNetwork({ driver: { name: 'overlay', options: { encrypted: '' } } }), id: 'secret' };
    const attachment = NetworkAttachment.create({ network: secret, addresses: ['10.1.0.5/24'] });
    let attached: Promise<unknown> | undefined;
    // Nothing of an encrypted network is here yet.
    during.set('removeTunnels', async () => {
      attached = networks.attach({ ...request, attachment });
      await immediate();
    });
    const state = testState({ network: secret, networkId: 'secret' });
    networks.apply({ complete: true, networks: [state], removedNetworkIds: [], dataPathPort: 4789 });
    await networks.settled();
    await attached;
    assert.ok(ensured[0]?.vxlan?.underlay);
    assert.ok(asked.indexOf('ensureTunnels') < asked.indexOf('ensureRouter'), asked.join());
  });

  it('stays when it could not be taken off', async () => {
    const { failing, networks, request } = setUp();
    const made = await networks.attach(request);
    failing.add('detachLeg');
    await assert.rejects(networks.disconnect(made), /no helper/);
    await networks.settled();
    assert.deepEqual(networks.attachments(), [made]);
    await networks.disconnect(made);
    assert.deepEqual(networks.attachments(), []);
  });

  it('is made without a look at rules that stay the same', async () => {
    const { asked, networks, request } = setUp();
    await networks.attach(request);
    asked.length = 0;
    await networks.attach({ ...request, containerId: 'c2', endpointId: 't2' });
    assert.deepEqual(asked, ['attachLeg']);
  });
});

describe('connections to endpoints that are gone', () => {
  it('are cut by the next repair where that did not work at once', async () => {
    const { asked, failing, networks, request } = setUp();
    await networks.attach(request);
    const tell = (endpoints: readonly NetworkEndpoint[]) => {
      const state = testState({ network: testNetwork(), endpoints: [...endpoints] });
      networks.apply({ complete: true, networks: [state], removedNetworkIds: [], dataPathPort: 0 });
      return networks.settled();
    };
    await tell([endpoint('t2', 'b', '10.1.0.6')]);
    asked.length = 0;
    failing.add('flushBackends');
    await tell([]);
    await networks.repair();
    await networks.repair();
    assert.equal(asked.filter((method) => method === 'flushBackends').length, 2);
  });
});

describe('what is kept over a restart', () => {
  it('is what the managers said, and nothing that they did not', async () => {
    const { networks, request } = setUp();
    const attachment = NetworkAttachment.create({ network: testNetwork(), addresses: ['10.1.0.5/24'] });
    await networks.attach({ ...request, attachment });
    assert.deepEqual(networks.states(), []);
    networks.apply({ complete: true, networks: [testState()], removedNetworkIds: [], dataPathPort: 0 });
    assert.deepEqual(
      networks.states().map((s) => s.networkId),
      ['net1'],
    );
  });
});

describe('rules of a router', () => {
  it('are written as a whole where the device is another one that they hung on', async () => {
    const { asked, found, networks, request } = setUp();
    await networks.attach(request);
    await networks.repair();
    asked.length = 0;
    await networks.repair();
    assert.ok(!asked.includes('writeRules'));
    found.hasLostVxlan = true;
    asked.length = 0;
    await networks.repair();
    assert.ok(asked.includes('writeRules'));
  });
});

describe('ports that the mesh publishes', () => {
  it('are seen by those who have been sending there before, and others go on', async () => {
    const { failing, flushed, networks } = setUp();
    const tell = async (...published: readonly (readonly [PortProtocol, number])[]) => {
      const ports = published.map(([protocol, publishedPort]) => port({ protocol, publishedPort }));
      const ingress = testState({ network: testNetwork({ ingress: true }), services: [service({ ports })] });
      networks.apply({ complete: true, networks: [ingress], removedNetworkIds: [], dataPathPort: 0 });
      await networks.settled();
    };
    await tell([PortProtocol.UDP, 53]);
    assert.deepEqual(flushed, [], 'of a daemon that was restarted nothing is new');
    failing.add('flushConnections');
    await tell([PortProtocol.UDP, 53], [PortProtocol.UDP, 5353], [PortProtocol.TCP, 80], [PortProtocol.SCTP, 7]);
    assert.deepEqual(flushed, [], 'the helper was away');
    await networks.repair();
    assert.deepEqual(flushed, ['{"protocol":"udp","destinationPort":5353}', '{"protocol":"sctp","destinationPort":7}']);
    await tell([PortProtocol.UDP, 53]);
    assert.equal(flushed.length, 2);
    assert.deepEqual(
      [networks.publisherOf('udp', 53), networks.publisherOf('tcp', 53), networks.publisherOf('udp', 5353)],
      ['web', undefined, undefined],
    );
  });
});
