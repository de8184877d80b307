/**
 * The numbers of a node's data path, all made of what the managers say about it: MAC of its VXLAN devices, the mark and conntrack
 * zone of connections that came through it, and the addresses that routes name as next hop.
 */
import type { NetworkPeer } from '@swarmts/proto';

/** Set in the mark of every connection that came through another node. */
export const PEER_MARK = 0x10000;
/** The mark of connections that came from this node's own host. */
export const UPLINK_MARK = 1;
/** Conntrack zone of what comes from this node's own host; peers have their index. */
export const UPLINK_ZONE = 1;
/** Routing tables of a router for replies. */
export const PEER_TABLE = 100;
export const UPLINK_TABLE = 101;
/** Index that no node has; replies are routed to it, and get the right MAC on their way out. */
const NOBODY = 0xfeff;

export function macOfIndex(index: number): string {
  const hex = index.toString(16).padStart(4, '0');
  return `02:53:57:52:${hex.slice(0, 2)}:${hex.slice(2)}`;
}

export function markOf(peer: NetworkPeer): string {
  return `0x${(PEER_MARK + peer.index).toString(16).padStart(8, '0')}`;
}

/** Link-local addresses by index: outside of every pool, and never on a wire. */
export function nextHopsOf(index: number): { readonly ipv4: string; readonly ipv6: string } {
  const ipv4 = `169.254.${index >> 8}.${index & 255}`;
  return { ipv4, ipv6: `fe80::5357:${index.toString(16)}` };
}

export const nobody = { mac: macOfIndex(NOBODY), nextHops: nextHopsOf(NOBODY) };

/** The uplink between the host and the router of the ingress network. Its addresses lie outside of the next hops. */
export const uplinkAddresses = {
  host: { ipv4: '169.254.255.1', ipv6: 'fe80::5358:1' },
  router: { ipv4: '169.254.255.2', ipv6: 'fe80::5358:2' },
} as const;

/** Of an address that the managers have checked. Asked for every endpoint at every change: it is not parsed again. */
export function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}
