import assert from 'node:assert/strict';
import { applyState } from '@swarmts/netplugins';
import {
  EndpointMode,
  Network,
  NetworkEndpoint,
  NetworkPeer,
  NetworkService,
  NetworkState,
  PortConfig,
} from '@swarmts/proto';
import { joinedNetwork } from './joined-network.js';

describe('a network that a node takes part in', () => {
  it('is told with its nodes, its services and their tasks that are ready', () => {
    const endpoint = (taskId: string, nodeId: string, address: string, ready: boolean) =>
      NetworkEndpoint.create({ taskId, nodeId, serviceId: 's', name: `web.${taskId}`, addresses: [address], ready });
    const view = applyState(
      undefined,
      NetworkState.create({
        networkId: 'net1',
        complete: true,
        network: Network.create({ id: 'net1' }),
        peers: [
          NetworkPeer.create({ nodeId: 'a', addr: '192.0.2.1' }),
          NetworkPeer.create({ nodeId: 'b', addr: '192.0.2.2' }),
        ],
        endpoints: [
          endpoint('2', 'b', '10.1.0.6', true),
          endpoint('1', 'a', '10.1.0.5', true),
          endpoint('3', 'a', '10.1.0.7', false),
        ],
        services: [
          NetworkService.create({
            serviceId: 's',
            name: 'web',
            mode: EndpointMode.VIP,
            virtualIps: ['10.1.0.2'],
            ports: [PortConfig.create({ targetPort: 80, publishedPort: 8080 })],
          }),
          NetworkService.create({ serviceId: 'd', name: 'db', mode: EndpointMode.DNSRR }),
        ],
      }),
    );
    assert.ok(view);
    const { network, peers, services } = joinedNetwork(view);
    assert.equal(network.id, 'net1');
    assert.deepEqual(peers, [
      { name: 'a', address: '192.0.2.1' },
      { name: 'b', address: '192.0.2.2' },
    ]);
    assert.deepEqual(services, [
      {
        name: 'web',
        virtualIp: '10.1.0.2',
        ports: [{ targetPort: 80, publishedPort: 8080 }],
        tasks: [
          { name: 'web.1', endpointId: '1', address: '10.1.0.5', hostAddress: '192.0.2.1' },
          { name: 'web.2', endpointId: '2', address: '10.1.0.6', hostAddress: '192.0.2.2' },
        ],
      },
      { name: 'db', virtualIp: '', ports: [], tasks: [] },
    ]);
  });
});
