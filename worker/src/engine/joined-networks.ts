/** The networks that a container is on, the node's own one among them. Pure. */
import { builtinNetworks } from '@swarmts/proto';
import type { ContainerNetworkInfo } from './container-api.js';
import type { ContainerConfig, NetworkWish } from './container-config.js';
import type { NetworkAttachment } from './container-network.js';

/** An id for the place of a container on a network of this node. */
export function endpointIdOf(networkId: string, containerId: string): string {
  return `${networkId.slice(0, 12)}.${containerId}`;
}

/** Others are those of the managers. */
export function isLocalEndpointId(id: string): boolean {
  return id.includes('.');
}

export function joinedNetworks(containerId: string, attachment: NetworkAttachment): readonly ContainerNetworkInfo[] {
  return attachment.networks ?? [onBridge(containerId, attachment)];
}

/** Those that a container which does not run is to be on: places without endpoints. */
export function wishedNetworks(config: ContainerConfig): readonly ContainerNetworkInfo[] {
  const { networkMode, networkContainer, networkNamespace, networks = [BRIDGE_WISH] } = config;
  if (networkMode !== 'local' || networkContainer || networkNamespace) return [];
  return networks.map(({ target, given, aliases, links = [], mac = '' }) => {
    const known = given?.attachment.network;
    const { bridge } = builtinNetworks;
    const named = known
      ? { id: known.id, name: known.spec?.annotations?.name ?? '' }
      : target === bridge.name
        ? bridge
        : { id: '', name: target };
    return { ...NOWHERE, ...named, aliases, links, mac };
  });
}

const NOWHERE: Omit<ContainerNetworkInfo, 'id' | 'name' | 'aliases'> = {
  endpointId: '',
  address: '',
  prefixLength: 0,
  gateway: '',
  ipv6Address: '',
  ipv6PrefixLength: 0,
  ipv6Gateway: '',
  mac: '',
};

/** A place on the node's own network. */
export function onBridge(
  containerId: string,
  { address, prefixLength, gateway, mac }: Pick<NetworkAttachment, 'address' | 'prefixLength' | 'gateway' | 'mac'>,
): ContainerNetworkInfo {
  const endpointId = endpointIdOf(builtinNetworks.bridge.id, containerId);
  return { ...NOWHERE, ...builtinNetworks.bridge, endpointId, address, prefixLength, gateway, mac, aliases: [] };
}

/** Without any wish a container is on the node's own network. */
export const BRIDGE_WISH: NetworkWish = { target: builtinNetworks.bridge.name, aliases: [], addresses: [] };

export function isWishFor(wish: NetworkWish, network: { readonly id: string; readonly name: string }): boolean {
  const { target, given } = wish;
  return target === network.id || target === network.name || given?.attachment.network?.id === network.id;
}
