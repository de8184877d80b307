/**
 * What a network's router on this node is to look like, and what was found: plain data between the planner, the driver and the
 * helper. A router is a network namespace with one leg per container, a VXLAN device towards the other nodes, and for the
 * ingress network an uplink to the host.
 */

import type { ConnectionFilter } from '../net-executor.js';
import type { TunnelExecutor } from './encrypted-tunnels.js';

/** Names inside of a router's namespace. */
export const VXLAN_DEVICE = 'vx0';
export const UPLINK_DEVICE = 'up0';
/** Legs of containers; rules match them by this prefix. */
export const LEG_PREFIX = 'l';
/** Digits that follow. */
export const LEG_HASH_DIGITS = 13;
/** The mesh's end of the uplink in the host's namespace; the prefix makes the node's local rules treat it as a leg. */
export const MESH_DEVICE = 'swlmesh0';

export interface VxlanSpec {
  readonly vni: number;
  /** UDP port. */
  readonly port: number;
  /** This node's underlay address, or the one in the tunnels where the network is encrypted. */
  readonly local: string;
  /** Namespace in which it sends and receives; '' is the host's. */
  readonly underlay: string;
  readonly mac: string;
  readonly mtu: number;
}

export interface UplinkSpec {
  readonly hostAddresses: readonly string[];
  readonly routerAddresses: readonly string[];
  /** Subnets that the host reaches through the router, each with the router's address of that family. */
  /** Whether any port is published; without one the host has no routes to the network, and need not forward. */
  readonly isUsed: boolean;
  readonly hostRoutes: readonly { readonly subnet: string; readonly gateway: string }[];
  readonly mtu: number;
}

export interface PeerSpec {
  readonly mac: string;
  readonly vtep: string;
  /** Addresses that routes name as next hop: never on the wire, only looked up as neighbours. */
  readonly nextHops: readonly string[];
}

export interface RouteSpec {
  /** "10.1.0.5/32", or "default" with `family`. */
  readonly destination: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly device: string;
  readonly gateway?: string;
  /** Default: the main table. */
  readonly table?: number;
}

export interface RuleSpec {
  readonly family: 'ipv4' | 'ipv6';
  readonly priority: number;
  readonly table: number;
  readonly mark?: number;
  readonly mask?: number;
  /** Only somebody else's rules have one of these. */
  readonly source?: string;
  readonly action?: number;
}

export interface RouterSpec {
  /** Namespace file. */
  readonly netns: string;
  readonly vxlan?: VxlanSpec;
  readonly uplink?: UplinkSpec;
  /** The gateways' addresses, which every node has. */
  readonly gateways: readonly string[];
  readonly peers: readonly PeerSpec[];
  readonly routes: readonly RouteSpec[];
  /** Beside those of the kernel. */
  readonly rules: readonly RuleSpec[];
  /** Legs that should be there: made by attaching containers, listed here so that lost ones are noticed. */
  readonly legs: readonly string[];
}

/** Whether a device of a router is one of a container's, by its name. */
export function isLeg(device: string): boolean {
  return device.startsWith(LEG_PREFIX) && device.length === LEG_PREFIX.length + LEG_HASH_DIGITS;
}

/** What was found on the way to a router that is as it should be. */
export interface EnsuredRouter {
  readonly missingLegs: readonly string[];
  /** The VXLAN device was made just now: rules that hung on one before are gone with it. */
  readonly madeVxlan: boolean;
}

/** A container's leg: both ends. */
export interface LegSpec {
  readonly routerNetns: string;
  readonly containerNetns: string;
  /** Name in the router's namespace. */
  readonly leg: string;
  /** Name in the container. */
  readonly iface: string;
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly {
    readonly address: string;
    readonly prefixLength: number;
    readonly gateway: string;
    /** What the container reaches through this leg. */
    readonly subnets: readonly string[];
  }[];
  /** The container's default route leads here. */
  readonly isDefault: boolean;
  /** On a network of the node's own devices: it leads elsewhere. */
  readonly leavesDefault?: boolean;
  /** The leg that had the default route before: what comes in there is still answered there. */
  readonly formerDefault?: { readonly iface: string; readonly address: string; readonly gateway: string };
}

/** A container's place on a network of the node's own devices (macvlan): there is no router. */
export interface MacvlanSpec {
  readonly containerNetns: string;
  readonly iface: string;
  readonly mac: string;
  /** Device of the host that it shares. */
  readonly parent: string;
  readonly mode: 'private' | 'vepa' | 'bridge' | 'passthru';
  readonly mtu?: number;
  readonly addresses: readonly { readonly address: string; readonly prefixLength: number; readonly gateway: string }[];
}

/** Rules of one namespace. */
export interface RulesSpec {
  /** Namespace file; '' is the host's. */
  readonly netns: string;
  /** For `changeRules` what has changed, '' to look whether they are still there; else the whole. */
  readonly document: string;
}

/** What the driver asks of the privileged helper. */
export interface RouterExecutor extends TunnelExecutor {
  /** Makes or repairs a router. */
  ensureRouter(spec: RouterSpec): Promise<EnsuredRouter>;
  removeRouter(netns: string): Promise<void>;
  attachLeg(spec: LegSpec): Promise<void>;
  detachLeg(routerNetns: string, leg: string): Promise<void>;
  /** 'not-found' when there is no such parent. */
  attachMacvlan(spec: MacvlanSpec): Promise<void>;
  /** Takes a device out of a container that goes on. */
  detachDevice(netns: string, iface: string): Promise<void>;
  /** Writes the rules as a whole. Resolves to a token of the namespace's rules as they are now. */
  writeRules(spec: RulesSpec): Promise<string>;
  /** Changes rules that `token` was given for. Resolves to the next token; '' when they are not there as they were. */
  changeRules(spec: RulesSpec, token: string): Promise<string>;
  removeRules(netns: string, tables: readonly string[]): Promise<void>;
  /** MTU of the link that has the address; 0 when there is none. */
  underlayMtu(address: string): Promise<number>;
  /** Forgets tracked connections that are answered by one of the addresses. */
  flushBackends(netns: string, addresses: readonly string[]): Promise<void>;
  /** Forgets tracked connections of the host's namespace. */
  flushConnections(filter: ConnectionFilter): Promise<void>;
}

export interface FoundLink {
  readonly name: string;
  /** Takes what is to be forwarded, whatever its source: the rules look at that. */
  readonly forwards: boolean;
  readonly up: boolean;
  readonly mac: string;
  readonly mtu: number;
  readonly vxlan?: { readonly vni: number; readonly port: number; readonly local: string };
}

export interface FoundRoute {
  readonly destination: string;
  readonly family: 'ipv4' | 'ipv6';
  readonly device: string;
  readonly gateway: string;
  readonly table: number;
}

/** A router's namespace as the kernel has it. */
export interface ObservedRouter {
  readonly loopbackIsUp: boolean;
  /** But the loopback. */
  readonly links: readonly FoundLink[];
  /** Addresses of the loopback device, without 127.0.0.1 and ::1. */
  readonly gateways: readonly string[];
  readonly uplinkAddresses: readonly string[];
  /** Static routes only. */
  readonly routes: readonly FoundRoute[];
  /** Permanent neighbours of the VXLAN device. */
  readonly neighbours: readonly { readonly address: string; readonly mac: string }[];
  readonly fdb: readonly { readonly mac: string; readonly vtep: string }[];
  readonly rules: readonly RuleSpec[];
}
