import assert from 'node:assert/strict';
import { Network, NetworkSpec, NetworkState } from '@swarmts/proto';
import { applyState, publishesPorts, stateOf } from './network-view.js';
import { endpoint, peers, testState, testView } from './testing.js';

describe('what a node knows of a network', () => {
  it('begins with a full set: changes of an unknown network mean nothing', () => {
    assert.equal(applyState(undefined, NetworkState.create({ networkId: 'net1', endpoints: [] })), undefined);
  });

  it('changes one by one', () => {
    const change = NetworkState.create({
      networkId: 'net1',
      endpoints: [endpoint('t3', 'b', '10.1.0.7')],
      removedEndpointIds: ['t1'],
      removedPeerIds: ['a'],
    });
    const v = applyState(testView(), change);
    assert.deepEqual([...(v?.endpoints.keys() ?? [])], ['t2', 't3']);
    assert.deepEqual([...(v?.peers.keys() ?? [])], ['b']);
    assert.deepEqual([...(v?.services.keys() ?? [])], ['svc']);
  });

  it('forgets with the next full set what is not in it', () => {
    const v = applyState(testView(), testState({ endpoints: [], peers: peers.slice(0, 1) }));
    assert.deepEqual([v?.endpoints.size, v?.peers.size], [0, 1]);
  });

  it('survives a restart as one message', () => {
    const again = NetworkState.decode(NetworkState.encode(stateOf(testView())));
    assert.deepEqual(applyState(undefined, again), testView());
  });
});

describe('the ports of the ingress network', () => {
  const network = Network.create({ id: 'i', spec: NetworkSpec.create({ ingress: true }) });
  const none = { id: 'i', network, endpoints: new Map(), services: new Map(), peers: new Map() };

  it('are published by a service that has any', () => assert.equal(publishesPorts(none), false));

  it('count as published until it is known: a restart takes no route away', () => {
    const untold = { ...none, isUntold: true as const };
    assert.equal(publishesPorts(untold), true);
    const told = applyState(untold, NetworkState.create({ networkId: 'i', complete: true, network }));
    assert.equal(told && publishesPorts(told), false);
  });
});
