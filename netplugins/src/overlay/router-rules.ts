/**
 * The nftables rules inside of a router's namespace: VIPs, source checks of the legs, and for the ingress network the marks and
 * zones that bring replies back to the node that a client came through. Connections are tracked only where somebody may have to
 * translate them.
 */
import type { NetworkPeer } from '@swarmts/proto';
import { addressesOf, hasVip, readyByService } from './backends.js';
import {
  backendElements,
  drawingChains,
  FAMILIES,
  type Family,
  familyWords,
  REFUSAL,
  refusalChain,
  verdicts,
} from './balancing.js';
import { substitutesOf } from './client-address.js';
import { familyOf, macOfIndex, markOf, PEER_MARK, UPLINK_MARK, UPLINK_ZONE } from './data-path.js';
import { isIngress, type NetworkView } from './network-view.js';
import { LEG_PREFIX, UPLINK_DEVICE, VXLAN_DEVICE } from './router-spec.js';
import { type Collection, chain, mapOf, type RuleSet, type RuleTable, setOf } from './rule-set.js';

/** Tables of routers; those of the host's namespace have other names. */
export const ROUTER_TABLE = 'swarmts';

/** `own` are the addresses of this node's containers. */
export function routerRules(
  v: NetworkView,
  nodeId: string,
  own: readonly string[],
  keepsClientAddress = true,
): RuleSet {
  const ingress = isIngress(v);
  const marks = ingress && keepsClientAddress;
  const self = ingress && !keepsClientAddress ? v.peers.get(nodeId) : undefined;
  const peers = [...v.peers.values()].filter((p) => p.nodeId !== nodeId).sort((a, b) => a.index - b.index);
  const translated = ingress ? undefined : translatedParties(v);
  const translates = ingress || (translated?.size ?? 0) > 0;
  const families = translates ? FAMILIES.map((f) => vipRules(v, f, own)) : [];
  const table: RuleTable = {
    family: 'inet',
    name: ROUTER_TABLE,
    collections: [
      ...families.flatMap((f) => f.collections),
      ...(translated && translates ? FAMILIES.map((f) => partySet(f, translated)) : []),
      ...(marks ? peerMaps(peers) : []),
    ],
    chains: [
      ...families.flatMap((f) => f.chains),
      ...sourceChain(marks),
      ...(ingress ? replyChain(marks) : []),
      ...(self ? substituteChain(self) : []),
      ...(translates ? translationChains() : []),
      ...(translates && !ingress ? untrackedChain() : []),
      ...(isIsolated(v)
        ? chain('isolation', 'type filter hook forward priority 0; policy accept;', [
            `iifname "${LEG_PREFIX}*" oifname "${LEG_PREFIX}*" drop`,
          ])
        : []),
    ],
  };
  return marks ? [table, egressTable(peers)] : [table];
}

/** `--icc=false` of bridge networks: containers reach the world, and not each other. */
function isIsolated(v: NetworkView): boolean {
  return v.network.driverState?.options['com.docker.network.bridge.enable_icc'] === 'false';
}

/** Virtual addresses, and all who may be behind one, ready or not: their packets may be answers that are to be translated back. */
function translatedParties(v: NetworkView): ReadonlySet<string> {
  const services = new Map([...v.services].filter(([, s]) => hasVip(s)));
  const endpoints = [...v.endpoints.values()].filter((e) => services.has(e.serviceId));
  return new Set([...[...services.values()].flatMap((s) => s.virtualIps), ...endpoints.flatMap((e) => e.addresses)]);
}

function partySet(family: Family, parties: ReadonlySet<string>): Collection {
  const { type, suffix } = familyWords[family];
  return setOf(
    `translated${suffix}`,
    `type ${type}`,
    [...parties].filter((a) => familyOf(a) === family),
  );
}

function vipRules(v: NetworkView, family: Family, own: readonly string[]) {
  const { ip, type, suffix } = familyWords[family];
  const { balance, empty } = vipBackends(v, family);
  const self = own.filter((a) => familyOf(a) === family).sort();
  const key = `typeof ${ip} daddr . numgen random mod 65536 : ${ip} daddr`;
  return {
    collections: [
      // A task that reaches itself through a VIP or a published port would see its own address as the other side's.
      setOf(
        `self${suffix}`,
        `type ${type} . ${type}`,
        self.map((a) => `${a} . ${a}`),
      ),
      setOf(`empty${suffix}`, `type ${type}`, empty),
      mapOf(`backends${suffix}`, key, backendElements(balance)),
      mapOf(`vip${suffix}`, `type ${type} : verdict`, verdicts(family, balance)),
    ],
    chains: drawingChains(family, `${ip} daddr`, `backends${suffix}`, balance),
  };
}

function vipBackends(v: NetworkView, family: Family) {
  const balance = new Map<string, readonly string[]>();
  const empty: string[] = [];
  const ready = readyByService(v);
  for (const s of [...v.services.values()].filter(hasVip).sort((a, b) => (a.serviceId < b.serviceId ? -1 : 1))) {
    const backends = addressesOf(ready.get(s.serviceId) ?? [], family);
    for (const vip of s.virtualIps.filter((a) => familyOf(a) === family)) {
      if (backends.length === 0) empty.push(vip);
      else balance.set(vip, backends);
    }
  }
  return { balance, empty };
}

function sourceChain(ingress: boolean): string[] {
  return chain('sources', 'type filter hook prerouting priority -300; policy accept;', [
    `iifname "${LEG_PREFIX}*" fib saddr . iif oif missing drop`,
    ...(ingress
      ? [
          `iifname "${VXLAN_DEVICE}" ct original zone set ether saddr map @peer_zone`,
          `iifname "${UPLINK_DEVICE}" ct original zone set ${UPLINK_ZONE}`,
        ]
      : []),
  ]);
}

/** Errors stay tracked, because they may be about a connection that is. */
function untrackedChain(): string[] {
  return chain('untracked', 'type filter hook prerouting priority -310; policy accept;', [
    'meta l4proto != { tcp, udp, sctp } accept',
    ...FAMILIES.map((f) => {
      const { ip, suffix } = familyWords[f];
      return `${ip} saddr != @translated${suffix} ${ip} daddr != @translated${suffix} notrack`;
    }),
  ]);
}

function translationChains(): string[] {
  const each = (rule: (ip: string, suffix: string) => string[]) =>
    FAMILIES.flatMap((f) => rule(familyWords[f].ip, familyWords[f].suffix));
  return [
    ...refusalChain(),
    ...chain(
      'empty',
      'type filter hook prerouting priority -110; policy accept;',
      each((ip, suffix) => [`${ip} daddr @empty${suffix} goto ${REFUSAL}`]),
    ),
    ...chain(
      'prerouting',
      'type nat hook prerouting priority -100; policy accept;',
      each((ip, suffix) => [`${ip} daddr vmap @vip${suffix}`]),
    ),
    ...chain(
      'postrouting',
      'type nat hook postrouting priority 100; policy accept;',
      each((ip, suffix) => [`${ip} saddr . ${ip} daddr @self${suffix} masquerade`]),
    ),
  ];
}

function peerMaps(peers: readonly NetworkPeer[]): Collection[] {
  const mac = (p: NetworkPeer) => macOfIndex(p.index);
  return [
    mapOf(
      'peer_mark',
      'type ether_addr : mark',
      peers.map((p) => [mac(p), markOf(p)]),
    ),
    mapOf(
      'peer_zone',
      'typeof ether saddr : ct zone',
      peers.map((p) => [mac(p), String(p.index)]),
    ),
  ];
}

/** Clients of this node, on their way to tasks of others: the answers have to come back here. */
function substituteChain(self: NetworkPeer): string[] {
  const own = substitutesOf(self.index);
  return chain('clients', 'type nat hook postrouting priority 90; policy accept;', [
    ...FAMILIES.map(
      (f) =>
        `iifname "${UPLINK_DEVICE}" oifname "${VXLAN_DEVICE}" meta nfproto ${f} snat ${familyWords[f].ip} to ${own[f]}`,
    ),
  ]);
}

/** A connection remembers where it came from; its replies are routed by that. */
function replyChain(marks: boolean): string[] {
  return chain('origin', 'type filter hook prerouting priority -150; policy accept;', [
    ...(marks ? [`iifname "${VXLAN_DEVICE}" ct state new ct mark set ether saddr map @peer_mark`] : []),
    `iifname "${UPLINK_DEVICE}" ct state new ct mark set ${UPLINK_MARK}`,
    'ct direction reply ct mark != 0 meta mark set ct mark',
  ]);
}

/** Replies leave for the node that is in their mark: one rule for any number of nodes. */
function egressTable(peers: readonly NetworkPeer[]): RuleTable {
  const flag = `0x${PEER_MARK.toString(16)}`;
  return {
    family: 'netdev',
    name: ROUTER_TABLE,
    collections: [
      mapOf(
        'peer_mac',
        'type mark : ether_addr',
        peers.map((p) => [markOf(p), macOfIndex(p.index)]),
      ),
    ],
    chains: chain('egress', `type filter hook egress device "${VXLAN_DEVICE}" priority 0; policy accept;`, [
      `meta mark & ${flag} == ${flag} ether daddr set meta mark map @peer_mac`,
    ]),
  };
}
