/** The networks that a container is on, the node's own one among them. Pure. */
import { builtinNetworks } from '@swarmts/proto';
import type { ContainerNetworkInfo } from './container-api.js';
import type { NetworkWish } from './container-config.js';
import type { NetworkAttachment } from './container-network.js';

/** An id for the place of a container on a network of this node. */
export function endpointIdOf(networkId: string, containerId: string): string {
  return `${networkId.slice(0, 12)}.${containerId}`;
}

export function joinedNetworks(containerId: string, attachment: NetworkAttachment): readonly ContainerNetworkInfo[] {
  return attachment.networks ?? [onBridge(containerId, attachment)];
}

/** A place on the node's own network. */
export function onBridge(
  containerId: string,
  { address, prefixLength, gateway, mac }: Pick<NetworkAttachment, 'address' | 'prefixLength' | 'gateway' | 'mac'>,
): ContainerNetworkInfo {
  return {
    ...builtinNetworks.bridge,
    endpointId: endpointIdOf(builtinNetworks.bridge.id, containerId),
    address,
    prefixLength,
    gateway,
    ipv6Address: '',
    ipv6PrefixLength: 0,
    ipv6Gateway: '',
    mac,
    aliases: [],
  };
}

/** Without any wish a container is on the node's own network. */
export const BRIDGE_WISH: NetworkWish = { target: builtinNetworks.bridge.name, aliases: [], addresses: [] };

export function isWishFor(wish: NetworkWish, network: { readonly id: string; readonly name: string }): boolean {
  const { target, given } = wish;
  return target === network.id || target === network.name || given?.attachment.network?.id === network.id;
}
