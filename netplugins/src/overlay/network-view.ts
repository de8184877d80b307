/**
 * What the managers say of one network, as this node keeps it: the full set first, then changes. Unknown networks are those that
 * the node does not take part in. The state survives a restart of the daemon as one message.
 */
import { parseIp, parseIpPrefix, prefixContains, SwarmtsError } from '@swarmts/lib';
import {
  isEncrypted,
  type Network,
  type NetworkEndpoint,
  type NetworkPeer,
  type NetworkService,
  NetworkState,
  wishedMtu,
} from '@swarmts/proto';

export interface NetworkView {
  readonly id: string;
  readonly network: Network;
  readonly endpoints: ReadonlyMap<string, NetworkEndpoint>;
  readonly services: ReadonlyMap<string, NetworkService>;
  readonly peers: ReadonlyMap<string, NetworkPeer>;
  /** A container that was found is on it, and what the managers said of it is not known yet. */
  readonly isUntold?: true;
}

/** The view after a message; undefined when there is nothing yet that it could change. */
export function applyState(view: NetworkView | undefined, s: NetworkState): NetworkView | undefined {
  const base = s.complete ? undefined : view;
  const network = s.network ?? base?.network ?? view?.network;
  if (!network || (!s.complete && !view)) return undefined;
  return {
    id: s.networkId,
    network,
    endpoints: merged(base?.endpoints, s.endpoints, (e) => e.taskId, s.removedEndpointIds),
    services: merged(base?.services, s.services, (x) => x.serviceId, s.removedServiceIds),
    peers: merged(base?.peers, s.peers, (p) => p.nodeId, s.removedPeerIds),
  };
}

function merged<T>(
  base: ReadonlyMap<string, T> | undefined,
  changed: readonly T[],
  idOf: (t: T) => string,
  removed: readonly string[],
): ReadonlyMap<string, T> {
  const map = new Map(base);
  for (const c of changed) map.set(idOf(c), c);
  for (const id of removed) map.delete(id);
  return map;
}

/** The whole view as one message. */
export function stateOf(v: NetworkView): NetworkState {
  return NetworkState.create({
    networkId: v.id,
    complete: true,
    network: v.network,
    endpoints: [...v.endpoints.values()],
    services: [...v.services.values()],
    peers: [...v.peers.values()],
  });
}

const VNI_OPTION = 'com.docker.network.driver.overlay.vxlanid_list';

/** 0 for a network of this node alone. */
export function vniOf(n: Network): number {
  return Number(n.driverState?.options[VNI_OPTION] ?? 0);
}

/** What the user asked for; undefined leaves it to the underlay. */
export function mtuOf(n: Network): number | undefined {
  return wishedMtu(n.driverState?.options ?? {}) ?? wishedMtu(n.spec?.driver?.options ?? {});
}

const MACVLAN_MODES = ['private', 'vepa', 'bridge', 'passthru'] as const;

/** How a network of driver macvlan shares a device of the node; undefined for other drivers. */
export function macvlanOf(
  n: Network,
): { readonly parent: string; readonly mode: (typeof MACVLAN_MODES)[number] } | undefined {
  if (n.driverState?.name !== 'macvlan') return undefined;
  const options = n.driverState.options;
  const mode = MACVLAN_MODES.find((m) => m === (options.macvlan_mode ?? 'bridge'));
  if (!mode) {
    throw new SwarmtsError(
      'invalid-argument',
      `unknown macvlan mode ${JSON.stringify(options.macvlan_mode)}: one of ${MACVLAN_MODES.join(', ')}`,
    );
  }
  return { parent: options.parent ?? '', mode };
}

export interface Subnet {
  readonly cidr: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly bits: number;
  readonly gateway: string;
}

export function subnetsOf(n: Network): readonly Subnet[] {
  return (n.ipam?.configs ?? []).map((c) => {
    const { family, bits } = parseIpPrefix(c.subnet);
    return { cidr: c.subnet, family: family === 6 ? 'ipv6' : 'ipv4', bits, gateway: c.gateway };
  });
}

/** Of the subnet that the address lies in. */
export function gatewayFor(address: string, subnets: readonly Subnet[]): string {
  const own = subnets.find((s) => prefixContains(parseIpPrefix(s.cidr), parseIp(address)));
  return (own ?? subnets[0])?.gateway ?? '';
}

export function nameOf(v: NetworkView): string {
  return v.network.spec?.annotations?.name ?? '';
}

/** Its VXLAN goes through the tunnels between the nodes. */
export function usesTunnels(v: NetworkView): boolean {
  return vniOf(v.network) > 0 && isEncrypted(v.network.spec);
}

/** Of the ingress network: whether anybody is reached through it, or still has connections. Yes, while that is not known. */
export function publishesPorts(v: NetworkView): boolean {
  return v.isUntold || v.endpoints.size > 0 || [...v.services.values()].some((s) => s.ports.length > 0);
}

export function isIngress(v: NetworkView): boolean {
  return v.network.spec?.ingress ?? false;
}
