/** The leg that a container has of the node's local network: a place on it, or only its way out. Pure. */
import { createHash } from 'node:crypto';
import { macOf } from '../mac-address.js';
import { GATEWAY_MARK } from './ruleset.js';

const CONTAINER_IFACE = 'eth0';
const GATEWAY_IFACE = 'gw';
const MAX_IFACE_BYTES = 15;

export interface LegWish {
  /** The container is on other networks and only gets out, and its published ports in, through this one. */
  readonly gatewayOnly?: boolean;
  /** Name of a place on the network in the container; default eth0. */
  readonly iface?: string;
  /** Default: made of the address. */
  readonly mac?: string;
}

export interface LocalLeg {
  readonly hostIface: string;
  readonly containerIface: string;
  readonly mac: string;
}

export function legOf(prefix: string, containerId: string, address: string, wish: LegWish): LocalLeg {
  const { gatewayOnly = false, iface = CONTAINER_IFACE, mac = macOf(address) } = wish;
  return {
    hostIface: hostIfaceOf(gatewayOnly ? `${prefix}${GATEWAY_MARK}` : prefix, containerId),
    containerIface: gatewayOnly ? GATEWAY_IFACE : iface,
    mac: mac.toLowerCase().replaceAll('-', ':'),
  };
}

/** Whether the container is on the network itself, and does not only go out through it. */
export function isOnLocalNetwork(leg: Pick<LocalLeg, 'containerIface'>): boolean {
  return leg.containerIface !== GATEWAY_IFACE;
}

/** Starts with the container's id where that is hexadecimal, so that `ip link` tells whose leg it is. */
export function hostIfaceOf(prefix: string, containerId: string): string {
  const room = MAX_IFACE_BYTES - prefix.length;
  const hex = /^[0-9a-f]{12,}$/.test(containerId)
    ? containerId
    : createHash('sha256').update(containerId).digest('hex');
  return prefix + hex.slice(0, room);
}
