import assert from 'node:assert/strict';
import { NetworkSpec } from '@swarmts/proto';
import { keepsClientAddress } from './client-address.js';
import { routerOf } from './router-of-network.js';
import { routerRules } from './router-rules.js';
import { documentOf } from './rule-set.js';
import { endpoint, testNetwork, testView } from './testing.js';

describe('the address of clients', () => {
  it('is kept from Linux 5.16 on', () => {
    for (const release of ['5.16.0', '5.16', '6.1.0-18-amd64', '10.2', 'unknown'])
      assert.ok(keepsClientAddress(release), release);
    for (const release of ['5.15.0-91-generic', '5.10.0', '4.19']) assert.ok(!keepsClientAddress(release), release);
  });

  const view = testView({
    network: testNetwork(NetworkSpec.create({ ingress: true })),
    endpoints: [endpoint('t2', 'b', '10.1.0.6')],
  });
  const router = (keeps: boolean) =>
    routerOf({
      view,
      nodeId: 'a',
      netns: '/run/r/net1',
      tunnels: '/run/r/tunnels',
      dataPathPort: 4789,
      mtu: 1450,
      legs: new Map(),
      keepsClientAddress: keeps,
    });

  it('is replaced before by one of the node, which all others have a route to', () => {
    assert.match(
      documentOf(routerRules(view, 'a', [], false)),
      /iifname "up0" oifname "vx0" meta nfproto ipv4 snat ip to 169\.254\.0\.2/,
    );
    assert.ok(router(false).gateways.includes('169.254.0.2'));
    assert.ok(router(false).routes.some((r) => r.destination === '169.254.0.3/32' && r.gateway === '169.254.0.3'));
    assert.doesNotMatch(documentOf(routerRules(view, 'a', [], false)), /netdev|zone|peer_mark/);
    assert.deepEqual(
      router(false).rules.map((r) => r.table),
      [101, 101],
      'what came from the host goes back there',
    );
  });

  it('needs none of that where it is kept', () => {
    assert.doesNotMatch(documentOf(routerRules(view, 'a', [], true)), /snat/);
    assert.ok(!router(true).routes.some((r) => r.destination === '169.254.0.3/32'));
  });
});
