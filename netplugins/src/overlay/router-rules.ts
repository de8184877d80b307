/**
 * The nftables rules inside of a router's namespace, as one document that replaces the tables as a whole: VIPs, source checks of
 * the legs, and for the ingress network the marks and zones that bring replies back to the node that a client came through.
 */
import type { NetworkPeer } from '@swarmts/proto';
import { addressesOf, hasVip, readyByService } from './backends.js';
import { familyOf, macOfIndex, markOf, PEER_MARK, UPLINK_MARK, UPLINK_ZONE } from './data-path.js';
import { isIngress, type NetworkView } from './network-view.js';
import { LEG_PREFIX, UPLINK_DEVICE, VXLAN_DEVICE } from './router-spec.js';
import { balance, chain, elements, replaceTable } from './rule-text.js';

/** Tables of routers; those of the host's namespace have other names. */
export const ROUTER_TABLE = 'swarmts';

const FAMILIES = [
  { family: 'ipv4', ip: 'ip', type: 'ipv4_addr', suffix: '4' },
  { family: 'ipv6', ip: 'ip6', type: 'ipv6_addr', suffix: '6' },
] as const;

/** `own` are the addresses of this node's containers. */
export function routerDocument(v: NetworkView, nodeId: string, own: readonly string[]): string {
  const vips = vipRules(v);
  const ingress = isIngress(v);
  const peers = [...v.peers.values()].filter((p) => p.nodeId !== nodeId).sort((a, b) => a.index - b.index);
  const body = [
    ...FAMILIES.flatMap((f) => [
      `set self${f.suffix} { type ${f.type} . ${f.type};${elements(selfPairs(own.filter((a) => familyOf(a) === f.family)))} }`,
      `set empty${f.suffix} { type ${f.type};${elements(vips.empty.filter((a) => familyOf(a) === f.family))} }`,
    ]),
    ...vips.chains,
    ...FAMILIES.map(
      (f) => `map vip${f.suffix} { type ${f.type} : verdict;${elements(vips.elements.filter(ofFamily(f.family)))} }`,
    ),
    ...(ingress ? peerMaps(peers) : []),
    ...chain('sources', 'type filter hook prerouting priority -300; policy accept;', [
      `iifname "${LEG_PREFIX}*" fib saddr . iif oif missing drop`,
      ...(ingress
        ? [
            `iifname "${VXLAN_DEVICE}" ct original zone set ether saddr map @peer_zone`,
            `iifname "${UPLINK_DEVICE}" ct original zone set ${UPLINK_ZONE}`,
          ]
        : []),
    ]),
    ...(ingress ? replyChain() : []),
    ...chain('empty', 'type filter hook prerouting priority -110; policy accept;', [
      ...FAMILIES.flatMap((f) => [
        `${f.ip} daddr @empty${f.suffix} meta l4proto tcp reject with tcp reset`,
        `${f.ip} daddr @empty${f.suffix} reject with icmpx type port-unreachable`,
      ]),
    ]),
    ...(isIsolated(v)
      ? chain('isolation', 'type filter hook forward priority 0; policy accept;', [
          `iifname "${LEG_PREFIX}*" oifname "${LEG_PREFIX}*" drop`,
        ])
      : []),
    ...chain('prerouting', 'type nat hook prerouting priority -100; policy accept;', [
      ...FAMILIES.map((f) => `${f.ip} daddr vmap @vip${f.suffix}`),
    ]),
    ...chain('postrouting', 'type nat hook postrouting priority 100; policy accept;', [
      ...FAMILIES.map((f) => `${f.ip} saddr . ${f.ip} daddr @self${f.suffix} masquerade`),
    ]),
  ];
  const document = replaceTable('inet', ROUTER_TABLE, body);
  return ingress ? document + egressTable(peers) : document;
}

/** `--icc=false` of bridge networks: containers reach the world, and not each other. */
function isIsolated(v: NetworkView): boolean {
  return v.network.driverState?.options['com.docker.network.bridge.enable_icc'] === 'false';
}

const ofFamily = (family: string) => (element: string) => familyOf(element.split(' ')[0] ?? '') === family;

function vipRules(v: NetworkView): {
  readonly chains: readonly string[];
  readonly elements: readonly string[];
  readonly empty: readonly string[];
} {
  const chains: string[] = [];
  const found: string[] = [];
  const empty: string[] = [];
  const ready = readyByService(v);
  const services = [...v.services.values()].filter(hasVip).sort((a, b) => (a.serviceId < b.serviceId ? -1 : 1));
  for (const s of services) {
    const rules: string[] = [];
    for (const vip of s.virtualIps) {
      const family = familyOf(vip);
      const backends = addressesOf(ready.get(s.serviceId) ?? [], family);
      if (backends.length === 0) {
        empty.push(vip);
        continue;
      }
      rules.push(balance(family, backends, ''));
      found.push(`${vip} : goto s_${s.serviceId}`);
    }
    if (rules.length > 0) chains.push(...chain(`s_${s.serviceId}`, '', rules));
  }
  return { chains, elements: found, empty };
}

/** A task that reaches itself through a VIP or a published port would see its own address as the other side's. */
function selfPairs(addresses: readonly string[]): readonly string[] {
  return addresses.map((a) => `${a} . ${a}`).sort();
}

function peerMaps(peers: readonly NetworkPeer[]): string[] {
  const mac = (p: NetworkPeer) => macOfIndex(p.index);
  return [
    `map peer_mark { type ether_addr : mark;${elements(peers.map((p) => `${mac(p)} : ${markOf(p)}`))} }`,
    `map peer_zone { typeof ether saddr : ct zone;${elements(peers.map((p) => `${mac(p)} : ${p.index}`))} }`,
  ];
}

/** A connection remembers where it came from; its replies are routed by that. */
function replyChain(): string[] {
  return chain('origin', 'type filter hook prerouting priority -150; policy accept;', [
    `iifname "${VXLAN_DEVICE}" ct state new ct mark set ether saddr map @peer_mark`,
    `iifname "${UPLINK_DEVICE}" ct state new ct mark set ${UPLINK_MARK}`,
    'ct direction reply ct mark != 0 meta mark set ct mark',
  ]);
}

/** Replies leave for the node that is in their mark: one rule for any number of nodes. */
function egressTable(peers: readonly NetworkPeer[]): string {
  const flag = `0x${PEER_MARK.toString(16)}`;
  return replaceTable('netdev', ROUTER_TABLE, [
    `map peer_mac { type mark : ether_addr;${elements(peers.map((p) => `${markOf(p)} : ${macOfIndex(p.index)}`))} }`,
    ...chain('egress', `type filter hook egress device "${VXLAN_DEVICE}" priority 0; policy accept;`, [
      `meta mark & ${flag} == ${flag} ether daddr set meta mark map @peer_mac`,
    ]),
  ]);
}
