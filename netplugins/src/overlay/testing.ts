/** Networks as the managers describe them, for tests. */
import {
  Driver,
  EndpointMode,
  IpamConfig,
  IpamOptions,
  Network,
  NetworkEndpoint,
  NetworkPeer,
  NetworkService,
  NetworkSpec,
  NetworkState,
  PortConfig,
} from '@swarmts/proto';
import { applyState, type NetworkView } from './network-view.js';

export function testNetwork(spec: Partial<NetworkSpec> = {}, vni = 4097): Network {
  return Network.create({
    id: 'net1',
    spec: NetworkSpec.create({ annotations: { name: 'back', labels: {} }, ...spec }),
    driverState: Driver.create({
      name: 'overlay',
      options: vni > 0 ? { 'com.docker.network.driver.overlay.vxlanid_list': String(vni) } : {},
    }),
    ipam: IpamOptions.create({ configs: [IpamConfig.create({ subnet: '10.1.0.0/24', gateway: '10.1.0.1' })] }),
  });
}

export const peers = [
  NetworkPeer.create({ nodeId: 'a', addr: '192.0.2.1', index: 2 }),
  NetworkPeer.create({ nodeId: 'b', addr: '192.0.2.2', index: 3 }),
];

export function endpoint(taskId: string, nodeId: string, address: string, more: Partial<NetworkEndpoint> = {}) {
  const name = `web.${taskId}`;
  return NetworkEndpoint.create({ taskId, nodeId, serviceId: 'svc', name, addresses: [address], ready: true, ...more });
}

export function service(more: Partial<NetworkService> = {}): NetworkService {
  return NetworkService.create({
    serviceId: 'svc',
    name: 'web',
    mode: EndpointMode.VIP,
    virtualIps: ['10.1.0.2'],
    aliases: ['www'],
    ...more,
  });
}

export const port = (more: Partial<PortConfig> = {}) =>
  PortConfig.create({ targetPort: 80, publishedPort: 8080, ...more });

/** Two nodes, a service with a task on each. */
export function testState(more: Partial<NetworkState> = {}): NetworkState {
  return NetworkState.create({
    networkId: 'net1',
    complete: true,
    network: testNetwork(),
    endpoints: [endpoint('t1', 'a', '10.1.0.5'), endpoint('t2', 'b', '10.1.0.6')],
    services: [service()],
    peers,
    ...more,
  });
}

export function testView(more: Partial<NetworkState> = {}): NetworkView {
  const view = applyState(undefined, testState(more));
  if (!view) throw new Error('a complete state makes a view');
  return view;
}
