/** What the helper's network parts have in common: a socket for the namespace of the moment, links by name, checked batches. */
import { existsSync } from 'node:fs';
import { decodeMac, encodeAddress, getLink, type Link, NetlinkError, NetlinkSocket, parseLink } from 'vxlan-tools';

/** RFC 8200. Linux gives devices with less no IPv6 at all, and refuses settings, addresses and routes of it there. */
const SMALLEST_IPV6_MTU = 1_280;
const kernelHasIpv6 = existsSync('/proc/sys/net/ipv6');

/** Whether a device of the MTU can have IPv6. */
export function hasIpv6(mtu: number): boolean {
  return kernelHasIpv6 && mtu >= SMALLEST_IPV6_MTU;
}

/** Opens a socket in the namespace of the moment. */
export function withSocket<T>(fn: (socket: NetlinkSocket) => T): T {
  const socket = new NetlinkSocket();
  try {
    return fn(socket);
  } finally {
    socket.close();
  }
}

export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    return parseLink(socket.get(getLink({ name })));
  } catch (e) {
    if (e instanceof NetlinkError && e.code === 'ENODEV') return undefined;
    throw e;
  }
}

export function requireAll(results: readonly (NetlinkError | undefined)[]): void {
  for (const error of results) if (error !== undefined) throw error;
}

/**
 * Every leg of a network has the same MAC on the host's or router's side: each is a link of its own, and both ends know the other
 * one's MAC from the start, so there is no ARP that a container's odd source address could break.
 */
export function gatewayMac(gateway: string): string {
  return decodeMac(Buffer.concat([Buffer.from([0x02, 0x42]), encodeAddress(gateway).subarray(-4)]));
}
