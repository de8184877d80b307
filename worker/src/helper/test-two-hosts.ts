/** Two test hosts with a wire between them, and a container on each that is on one network over both. */
import { join } from 'node:path';
import { RoutedNetworks } from '@swarmts/netplugins';
import { type Network, NetworkAttachment, type NetworkState } from '@swarmts/proto';
import { startTestHost, type TestHost } from './test-host.js';
import { joinHosts } from './test-wire.js';

export interface Side {
  readonly name: 'a' | 'b';
  readonly host: TestHost;
  readonly networks: RoutedNetworks;
  readonly container: string;
  readonly address: string;
}

/** Of the two containers. */
interface Addresses {
  readonly a: string;
  readonly b: string;
}

export interface TwoHosts {
  /** 192.0.2.1 */
  readonly a: Side;
  /** 192.0.2.2 */
  readonly b: Side;
  close(): Promise<void>;
}

/** The endpoints of the containers in `state` are "t-a" and "t-b". */
export async function startTwoHosts(
  network: Network,
  state: NetworkState,
  addresses: Addresses,
  ipv6?: Addresses,
): Promise<TwoHosts> {
  const a = await newSide('a', addresses.a);
  const b = await newSide('b', addresses.b);
  joinHosts(a.host.netns, b.host.netns);
  for (const side of [a, b]) {
    side.networks.setNode(side.name);
    tell(side, state);
    await attach(side, network, ipv6 && `${ipv6[side.name]}/64`);
  }
  return {
    a,
    b,
    async close() {
      for (const side of [a, b]) {
        await side.networks.leave();
        await side.host.helper.detachLocal(side.container);
        await side.host.close();
      }
    },
  };
}

export function tell(side: Side, state: NetworkState): void {
  side.networks.apply({ complete: true, networks: [state], removedNetworkIds: [], dataPathPort: 4789 });
}

async function newSide(name: 'a' | 'b', address: string): Promise<Side> {
  const host = await startTestHost();
  const networks = new RoutedNetworks({ executor: host.helper, dir: join(host.dir, 'routers') });
  return { name, host, networks, address, container: host.path('container') };
}

async function attach(side: Side, network: Network, ipv6: string | undefined): Promise<void> {
  await side.host.helper.createNetns(side.container);
  const addresses = [`${side.address}/24`, ...(ipv6 === undefined ? [] : [ipv6])];
  await side.networks.attach({
    containerId: `container-${side.name}`,
    containerNetns: side.container,
    endpointId: `t-${side.name}`,
    attachment: NetworkAttachment.create({ network, addresses }),
    iface: 'eth0',
  });
}
