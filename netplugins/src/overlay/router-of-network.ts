/** From what the managers say of a network to what its router on this node is to look like. Pure. */
import type { NetworkEndpoint, NetworkPeer } from '@swarmts/proto';
import { FAMILIES } from './balancing.js';
import { substitutesOf } from './client-address.js';
import {
  familyOf,
  macOfIndex,
  nextHopsOf,
  nobody,
  PEER_MARK,
  PEER_TABLE,
  UPLINK_MARK,
  UPLINK_TABLE,
  uplinkAddresses,
} from './data-path.js';
import { isIngress, mtuOf, type NetworkView, publishesPorts, subnetsOf, usesTunnels, vniOf } from './network-view.js';
import {
  LEG_PREFIX,
  type PeerSpec,
  type RouterSpec,
  type RouteSpec,
  type RuleSpec,
  UPLINK_DEVICE,
  VXLAN_DEVICE,
  type VxlanSpec,
} from './router-spec.js';
import { tunnelAddressOf } from './tunnel-plan.js';

export interface RouterInput {
  readonly view: NetworkView;
  readonly nodeId: string;
  readonly netns: string;
  readonly dataPathPort: number;
  /** Whether tasks see the addresses of a published port's clients. */
  readonly keepsClientAddress: boolean;
  /** Namespace of the encrypted tunnels. */
  readonly tunnels: string;
  /** MTU of a leg where the network says nothing: the underlay's without the tunnel's headers. */
  readonly mtu: number;
  /** Legs of this node's containers by the id of their endpoint. They count, whatever the managers say of the endpoint. */
  readonly legs: ReadonlyMap<string, { readonly name: string; readonly addresses: readonly string[] }>;
}

/** IPv4, UDP, VXLAN and the inner Ethernet header; twenty more for IPv6. */
export function tunnelBytes(underlay: string): number {
  return familyOf(underlay) === 'ipv4' ? 50 : 70;
}

export function routerOf(input: RouterInput): RouterSpec {
  const { view, nodeId } = input;
  const self = view.peers.get(nodeId);
  const others = [...view.peers.values()].filter((p) => p.nodeId !== nodeId);
  const vni = vniOf(view.network);
  const mtu = mtuOf(view.network) ?? input.mtu;
  const hasVxlan = vni > 0 && self !== undefined;
  const ingress = isIngress(view);
  const marks = ingress && input.keepsClientAddress;
  const substitutes = ingress && !input.keepsClientAddress;
  const subnets = subnetsOf(view.network);
  return {
    netns: input.netns,
    ...(hasVxlan
      ? { vxlan: { vni, port: input.dataPathPort, ...underlayOf(input, self), mac: macOfIndex(self.index), mtu } }
      : {}),
    ...(ingress ? { uplink: uplinkOf(view, subnets, mtu) } : {}),
    gateways: [
      ...subnets.map((s) => s.gateway),
      ...(substitutes && self ? Object.values(substitutesOf(self.index)) : []),
    ],
    peers: hasVxlan ? [...others.map((p) => peerOf(p, usesTunnels(view))), ...(marks ? [nobodyPeer] : [])] : [],
    routes: [
      ...[...input.legs.values()].flatMap((l) => l.addresses.map((a) => ({ ...hostRoute(a), device: l.name }))),
      ...[...view.endpoints.values()].flatMap((e) => remoteRoutes(e, input, hasVxlan)),
      ...(ingress ? uplinkRoutes() : []),
      ...(marks && hasVxlan ? peerRoutes() : []),
      ...(substitutes && hasVxlan ? others.flatMap(substituteRoutes) : []),
    ],
    rules: ingress ? replyRules(marks) : [],
    legs: [...input.legs.values()].map((l) => l.name),
  };
}

/** What differs only by legs and their routes is alike: those come and go by themselves, and need no look at the router. */
export function coreOf(spec: RouterSpec): string {
  const routes = spec.routes.filter((r) => !r.device.startsWith(LEG_PREFIX));
  return JSON.stringify({ ...spec, legs: [], routes });
}

function underlayOf(input: RouterInput, self: NetworkPeer): Pick<VxlanSpec, 'local' | 'underlay'> {
  if (!usesTunnels(input.view)) return { local: self.addr, underlay: '' };
  return { local: tunnelAddressOf(self.index), underlay: input.tunnels };
}

function peerOf(p: NetworkPeer, encrypted: boolean): PeerSpec {
  const hops = nextHopsOf(p.index);
  const vtep = encrypted ? tunnelAddressOf(p.index) : p.addr;
  return { mac: macOfIndex(p.index), vtep, nextHops: [hops.ipv4, hops.ipv6] };
}

/** Frames to it get another MAC before they leave; those that do not go nowhere (TEST-NET-1). */
const nobodyPeer: PeerSpec = {
  mac: nobody.mac,
  vtep: '192.0.2.255',
  nextHops: [nobody.nextHops.ipv4, nobody.nextHops.ipv6],
};

function remoteRoutes(e: NetworkEndpoint, input: RouterInput, hasVxlan: boolean): readonly RouteSpec[] {
  const peer = input.view.peers.get(e.nodeId);
  if (!hasVxlan || !peer || e.nodeId === input.nodeId || input.legs.has(e.taskId)) return [];
  const hops = nextHopsOf(peer.index);
  return e.addresses.map((a) => {
    const route = hostRoute(a);
    return { ...route, device: VXLAN_DEVICE, gateway: hops[route.family] };
  });
}

function hostRoute(address: string): { readonly destination: string; readonly family: 'ipv4' | 'ipv6' } {
  const family = familyOf(address);
  return { destination: `${address}/${family === 'ipv4' ? 32 : 128}`, family };
}

function uplinkOf(view: NetworkView, subnets: ReturnType<typeof subnetsOf>, mtu: number) {
  const { host, router } = uplinkAddresses;
  return {
    hostAddresses: [host.ipv4, host.ipv6],
    routerAddresses: [router.ipv4, router.ipv6],
    isUsed: publishesPorts(view),
    hostRoutes: subnets.map((s) => ({ subnet: s.cidr, gateway: router[s.family] })),
    mtu,
  };
}

/** What comes from tasks goes out through the host, and so do replies to what came from there, whatever their address. */
function uplinkRoutes(): readonly RouteSpec[] {
  return FAMILIES.flatMap((family) => {
    const toHost = { destination: 'default', family, device: UPLINK_DEVICE, gateway: uplinkAddresses.host[family] };
    return [toHost, { ...toHost, table: UPLINK_TABLE }];
  });
}

/** Replies to a peer's clients, by the address that it has put in their place. */
function substituteRoutes(p: NetworkPeer): readonly RouteSpec[] {
  const hops = nextHopsOf(p.index);
  return Object.values(substitutesOf(p.index)).map((address) => {
    const route = hostRoute(address);
    return { ...route, device: VXLAN_DEVICE, gateway: hops[route.family] };
  });
}

/** Replies to what came through another node go back there. */
function peerRoutes(): readonly RouteSpec[] {
  return FAMILIES.map((family) => ({
    destination: 'default',
    family,
    device: VXLAN_DEVICE,
    gateway: nobody.nextHops[family],
    table: PEER_TABLE,
  }));
}

const PEER_RULE_PRIORITY = 1000;
const UPLINK_RULE_PRIORITY = 1001;

function replyRules(marks: boolean): readonly RuleSpec[] {
  return FAMILIES.flatMap((family) => [
    ...(marks ? [{ family, priority: PEER_RULE_PRIORITY, mark: PEER_MARK, mask: PEER_MARK, table: PEER_TABLE }] : []),
    { family, priority: UPLINK_RULE_PRIORITY, mark: UPLINK_MARK, table: UPLINK_TABLE },
  ]);
}
