/** SCTP through published ports, virtual addresses and the routing mesh. Needs root. */
import assert from 'node:assert/strict';
import { LocalNetwork } from '@swarmts/netplugins';
import {
  Driver,
  IpamConfig,
  IpamOptions,
  Network,
  NetworkEndpoint,
  NetworkPeer,
  NetworkService,
  NetworkSpec,
  NetworkState,
  PortConfig,
  PortProtocol,
  PublishMode,
} from '@swarmts/proto';
import { startTestHost } from './test-host.js';
import { askSctp, serveSctp } from './test-sctp.js';
import { startTwoHosts, tell } from './test-two-hosts.js';

const PORT = 2905;
const VIP = '10.9.0.100';
const ADDRESSES = { a: '10.9.0.5', b: '10.9.0.6' };

function stateOf(ingress: boolean, ready = true): { readonly network: Network; readonly state: NetworkState } {
  const network = Network.create({
    id: 'net1',
    spec: NetworkSpec.create({ annotations: { name: 'net', labels: {} }, ingress }),
    driverState: Driver.create({ options: { 'com.docker.network.driver.overlay.vxlanid_list': '4100' } }),
    ipam: IpamOptions.create({ configs: [IpamConfig.create({ subnet: '10.9.0.0/24', gateway: '10.9.0.1' })] }),
  });
  const ports = [
    PortConfig.create({
      protocol: PortProtocol.SCTP,
      targetPort: PORT,
      publishedPort: 8000,
      publishMode: PublishMode.INGRESS,
    }),
  ];
  const endpoint = (node: 'a' | 'b', serviceId: string) =>
    NetworkEndpoint.create({
      taskId: `t-${node}`,
      nodeId: node,
      serviceId,
      name: node,
      addresses: [ADDRESSES[node]],
      ready,
    });
  const service = { serviceId: 'svc', name: 'sig', ...(ingress ? { ports } : { virtualIps: [VIP] }) };
  const state = NetworkState.create({
    networkId: 'net1',
    complete: true,
    network,
    endpoints: [endpoint('a', ''), endpoint('b', 'svc')],
    services: [NetworkService.create(service)],
    peers: [
      NetworkPeer.create({ nodeId: 'a', addr: '192.0.2.1', index: 2 }),
      NetworkPeer.create({ nodeId: 'b', addr: '192.0.2.2', index: 3 }),
    ],
  });
  return { network, state };
}

describe('SCTP', function () {
  this.timeout(60_000);

  it('reaches a container through a port of its host, and not any other way', async () => {
    const host = await startTestHost();
    try {
      const outside = host.joinOutside('outside', '198.51.100');
      const local = new LocalNetwork(host.helper, { probe: () => Promise.resolve(true) });
      await local.restore([]);
      const { netns } = await local.attach('c', { netns: host.path('c') });
      await local.publish('c', [{ protocol: 'sctp', publishedPort: 8000, targetPort: PORT }]);
      const server = await serveSctp(host, netns, PORT);
      assert.equal(await askSctp(host, outside, '198.51.100.1', 8000), '198.51.100.1:8000');
      assert.deepEqual(server.clients(), ['198.51.100.2']);
      await local.unpublish('c');
      assert.equal(await askSctp(host, outside, '198.51.100.1', 8000), undefined);
      await server.stop();
    } finally {
      await host.close();
    }
  });

  it('reaches a service by its virtual address, until it has no task', async () => {
    const { network, state } = stateOf(false);
    const hosts = await startTwoHosts(network, state, ADDRESSES);
    try {
      const { a, b } = hosts;
      const server = await serveSctp(b.host, b.container, PORT);
      assert.equal(await askSctp(a.host, a.container, VIP, PORT), `${VIP}:${PORT}`);
      assert.deepEqual(server.clients(), [a.address]);
      tell(a, stateOf(false, false).state);
      await a.networks.settled();
      assert.equal(await askSctp(a.host, a.container, VIP, PORT, 40_001), undefined);
      assert.equal(server.clients().length, 1);
      await server.stop();
    } finally {
      await hosts.close();
    }
  });

  it('reaches a task through every node with the client’s own address', async () => {
    const { network, state } = stateOf(true);
    const hosts = await startTwoHosts(network, state, ADDRESSES);
    try {
      const { a, b } = hosts;
      const client = a.host.joinOutside('client', '198.51.100');
      const server = await serveSctp(b.host, b.container, PORT);
      // Through the node without the task, over the network to the other one, and back the same way.
      assert.equal(await askSctp(a.host, client, '198.51.100.1', 8000), '198.51.100.1:8000');
      assert.equal(await askSctp(a.host, a.host.netns, '192.0.2.2', 8000), '192.0.2.2:8000');
      assert.deepEqual(server.clients(), ['198.51.100.2', '192.0.2.1']);
      tell(a, stateOf(true, false).state);
      await a.networks.settled();
      assert.equal(await askSctp(a.host, client, '198.51.100.1', 8000, 40_001), undefined);
      await server.stop();
    } finally {
      await hosts.close();
    }
  });
});
