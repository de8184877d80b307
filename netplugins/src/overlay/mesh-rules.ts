/**
 * The rules of the host's namespace for all networks: ports that services publish on every node, and who may speak to the VXLAN
 * port. One table, replaced as a whole. The client's address is kept: nothing is masqueraded on the way in.
 */
import { type PortConfig, PortProtocol } from '@swarmts/proto';
import { addressesOf, backendsOfPort, readyByService } from './backends.js';
import { familyOf } from './data-path.js';
import { type NetworkView, subnetsOf } from './network-view.js';
import { MESH_DEVICE } from './router-spec.js';
import { balance, chain, elements, replaceTable } from './rule-text.js';

/** Begins with the name of the local network's table, which knows its relatives by that. */
export const MESH_TABLE = 'swarmts-mesh';

const PROTOCOL_NAMES: Readonly<Record<number, string>> = {
  [PortProtocol.TCP]: 'tcp',
  [PortProtocol.UDP]: 'udp',
  [PortProtocol.SCTP]: 'sctp',
};

export interface MeshInput {
  readonly nodeId: string;
  /** The ingress network; undefined where there is none. */
  readonly ingress: NetworkView | undefined;
  /** UDP port of the VXLAN data path. */
  readonly dataPathPort: number;
  /** Underlay addresses of the other nodes of all networks. */
  readonly vteps: readonly string[];
}

export function meshDocument(m: MeshInput): string {
  const ports = m.ingress ? publishedPorts(m.ingress, m.nodeId) : { chains: [], elements: [], empty: [] };
  const v4 = m.vteps.filter((a) => familyOf(a) === 'ipv4');
  const v6 = m.vteps.filter((a) => familyOf(a) === 'ipv6');
  const toPort = 'fib daddr type local meta l4proto . th dport';
  return replaceTable('inet', MESH_TABLE, [
    `set vteps4 { type ipv4_addr;${elements(v4)} }`,
    `set vteps6 { type ipv6_addr;${elements(v6)} }`,
    `set empty { type inet_proto . inet_service;${elements(ports.empty)} }`,
    ...ports.chains,
    `map published { type inet_proto . inet_service : verdict;${elements(ports.elements)} }`,
    ...chain('members', 'type filter hook prerouting priority -300; policy accept;', [
      `udp dport ${m.dataPathPort} fib daddr type local ip saddr != @vteps4 drop`,
      `udp dport ${m.dataPathPort} fib daddr type local ip6 saddr != @vteps6 drop`,
    ]),
    ...chain('empty_in', 'type filter hook prerouting priority -110; policy accept;', rejects(toPort)),
    ...chain('empty_out', 'type filter hook output priority -110; policy accept;', rejects(toPort)),
    ...chain('prerouting', 'type nat hook prerouting priority -100; policy accept;', [`${toPort} vmap @published`]),
    ...chain('output', 'type nat hook output priority -100; policy accept;', [`${toPort} vmap @published`]),
    ...chain('postrouting', 'type nat hook postrouting priority 100; policy accept;', [
      ...(m.ingress ? subnetsOf(m.ingress.network) : []).map((s) => {
        const ip = s.family === 'ipv4' ? 'ip' : 'ip6';
        return `${ip} saddr ${s.cidr} oifname != "${MESH_DEVICE}" oifname != "swl*" masquerade`;
      }),
    ]),
    ...chain('forward', 'type filter hook forward priority 0; policy accept;', [
      // Tasks are reached through published ports only, and reach only what lies outside of the node.
      'ct state != new accept',
      'ct status dnat accept',
      `oifname "${MESH_DEVICE}" drop`,
      `iifname "${MESH_DEVICE}" oifname "swl*" drop`,
    ]),
  ]);
}

function rejects(toPort: string): string[] {
  return [
    `${toPort} @empty meta l4proto tcp reject with tcp reset`,
    `${toPort} @empty reject with icmpx type port-unreachable`,
  ];
}

function publishedPorts(v: NetworkView, nodeId: string) {
  const chains: string[] = [];
  const found: string[] = [];
  const empty: string[] = [];
  const ready = readyByService(v);
  for (const s of [...v.services.values()].sort((a, b) => (a.serviceId < b.serviceId ? -1 : 1))) {
    for (const p of s.ports) {
      const backends = backendsOfPort(p, ready.get(s.serviceId) ?? [], nodeId);
      const key = `${protocolName(p)} . ${p.publishedPort}`;
      const rules = (['ipv4', 'ipv6'] as const).flatMap((family) => {
        const addresses = addressesOf(backends, family);
        return addresses.length === 0
          ? []
          : [`meta l4proto ${protocolName(p)} ${balance(family, addresses, String(p.targetPort))}`];
      });
      if (rules.length === 0) {
        empty.push(key);
        continue;
      }
      const name = `p_${protocolName(p)}_${p.publishedPort}`;
      chains.push(...chain(name, '', rules));
      found.push(`${key} : goto ${name}`);
    }
  }
  return { chains, elements: found, empty };
}

export function protocolName(p: PortConfig): string {
  return PROTOCOL_NAMES[p.protocol] ?? 'tcp';
}
