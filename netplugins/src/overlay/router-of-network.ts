/** From what the managers say of a network to what its router on this node is to look like. Pure. */
import type { NetworkEndpoint, NetworkPeer } from '@swarmts/proto';
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
import { isIngress, mtuOf, type NetworkView, subnetsOf, usesTunnels, vniOf } from './network-view.js';
import {
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
  const subnets = subnetsOf(view.network);
  return {
    netns: input.netns,
    ...(hasVxlan
      ? { vxlan: { vni, port: input.dataPathPort, ...underlayOf(input, self), mac: macOfIndex(self.index), mtu } }
      : {}),
    ...(ingress ? { uplink: uplinkOf(subnets, mtu) } : {}),
    gateways: subnets.map((s) => s.gateway),
    peers: hasVxlan ? [...others.map((p) => peerOf(p, usesTunnels(view))), ...(ingress ? [nobodyPeer] : [])] : [],
    routes: [
      ...[...input.legs.values()].flatMap((l) => l.addresses.map((a) => ({ ...hostRoute(a), device: l.name }))),
      ...[...view.endpoints.values()].flatMap((e) => remoteRoutes(e, input, hasVxlan)),
      ...(ingress ? replyRoutes(hasVxlan) : []),
    ],
    rules: ingress ? replyRules() : [],
    legs: [...input.legs.values()].map((l) => l.name),
  };
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

function uplinkOf(subnets: ReturnType<typeof subnetsOf>, mtu: number) {
  const { host, router } = uplinkAddresses;
  return {
    hostAddresses: [host.ipv4, host.ipv6],
    routerAddresses: [router.ipv4, router.ipv6],
    hostRoutes: subnets.map((s) => ({ subnet: s.cidr, gateway: router[s.family] })),
    mtu,
  };
}

/** What comes from tasks goes out through the host; replies go to where their connection came from. */
function replyRoutes(hasVxlan: boolean): readonly RouteSpec[] {
  return (['ipv4', 'ipv6'] as const).flatMap((family) => {
    const toHost = { destination: 'default', family, device: UPLINK_DEVICE, gateway: uplinkAddresses.host[family] };
    const toPeer = {
      destination: 'default',
      family,
      device: VXLAN_DEVICE,
      gateway: nobody.nextHops[family],
      table: PEER_TABLE,
    };
    return [toHost, { ...toHost, table: UPLINK_TABLE }, ...(hasVxlan ? [toPeer] : [])];
  });
}

const PEER_RULE_PRIORITY = 1000;
const UPLINK_RULE_PRIORITY = 1001;

function replyRules(): readonly RuleSpec[] {
  return (['ipv4', 'ipv6'] as const).flatMap((family) => [
    { family, priority: PEER_RULE_PRIORITY, mark: PEER_MARK, mask: PEER_MARK, table: PEER_TABLE },
    { family, priority: UPLINK_RULE_PRIORITY, mark: UPLINK_MARK, table: UPLINK_TABLE },
  ]);
}
