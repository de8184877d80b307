/**
 * The rules of the host's namespace for all networks: ports that services publish on every node, and who may speak to the VXLAN
 * port. The client's address is kept: nothing is masqueraded on the way in.
 */
import { type PortConfig, PortProtocol } from '@swarmts/proto';
import type { ConnectionFilter } from '../net-executor.js';
import { addressesOf, backendsOfPort, readyByService } from './backends.js';
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
import { familyOf } from './data-path.js';
import { isIngress, type NetworkView, subnetsOf } from './network-view.js';
import { type LegSpec, MESH_DEVICE } from './router-spec.js';
import { chain, mapOf, type RuleSet, type RuleTable, setOf } from './rule-set.js';

/** Begins with the name of the local network's table, which knows its relatives by that. */
export const MESH_TABLE = 'swarmts-mesh';

/** The maps of published ports, by family. */
const PUBLISHED = 'published';

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
  /** Of this node's tasks: the address of their way out, by that on the ingress network. */
  readonly shortcuts: ReadonlyMap<string, string>;
}

/** From the legs of the ingress network. A container that has no other way out has no shortcut. */
export function shortcutsOf(legs: readonly LegSpec[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { addresses, formerDefault } of legs) {
    const own = addresses.find((a) => familyOf(a.address) === 'ipv4');
    if (own && formerDefault) found.set(own.address, formerDefault.address);
  }
  return found;
}

export function meshRules(m: MeshInput): RuleSet {
  const ports = publishedPorts(m);
  const families = FAMILIES.map((f) => portRules(ports, f, m.shortcuts));
  const toPort = 'fib daddr type local meta l4proto . th dport';
  const translate = FAMILIES.map((f) => `meta nfproto ${f} ${toPort} vmap @${PUBLISHED}${familyWords[f].suffix}`);
  const table: RuleTable = {
    family: 'inet',
    name: MESH_TABLE,
    collections: [
      ...FAMILIES.map((f) => {
        const { type, suffix } = familyWords[f];
        return setOf(
          `vteps${suffix}`,
          `type ${type}`,
          m.vteps.filter((a) => familyOf(a) === f),
        );
      }),
      setOf('empty', 'type inet_proto . inet_service', emptyPorts(ports)),
      // A task that asks for itself would see its own address as the other side's.
      setOf(
        'self',
        'type ipv4_addr . ipv4_addr',
        [...m.shortcuts].map(([address, local]) => `${address} . ${local}`),
      ),
      ...families.flatMap((f) => f.collections),
    ],
    chains: [
      ...families.flatMap((f) => f.chains),
      // Every packet of the node comes by here: what most are comes first.
      ...chain('members', 'type filter hook prerouting priority -300; policy accept;', [
        'meta l4proto != udp accept',
        `udp dport != ${m.dataPathPort} accept`,
        'ip saddr @vteps4 accept',
        'ip6 saddr @vteps6 accept',
        'fib daddr type local drop',
        // Those of containers would leave with this node's address, and be a member's.
        'ip daddr @vteps4 drop',
        'ip6 daddr @vteps6 drop',
      ]),
      ...refusalChain(),
      ...chain('empty_in', 'type filter hook prerouting priority -110; policy accept;', [REFUSE_EMPTY]),
      ...chain('empty_out', 'type filter hook output priority -110; policy accept;', [REFUSE_EMPTY]),
      ...chain('prerouting', `type nat hook prerouting ${BEHIND_LOCAL}; policy accept;`, translate),
      ...chain('output', `type nat hook output ${BEHIND_LOCAL}; policy accept;`, translate),
      ...chain('postrouting', 'type nat hook postrouting priority 100; policy accept;', [
        'ip saddr . ip daddr @self masquerade',
        ...(m.ingress ? subnetsOf(m.ingress.network) : []).map((s) => {
          const { ip } = familyWords[s.family];
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
    ],
  };
  return [table];
}

/** A container of this node that had the port before a service got it keeps it, as with Docker. */
const BEHIND_LOCAL = 'priority -99';

/** Every packet comes by here: the set, which is empty most of the time, is asked before the routes. */
const REFUSE_EMPTY = `meta l4proto . th dport @empty ct state new fib daddr type local goto ${REFUSAL}`;

interface PublishedPort {
  /** Protocol and port. */
  readonly key: string;
  readonly port: PortConfig;
  readonly backends: ReturnType<typeof backendsOfPort>;
}

/** Ports of the ingress network's services, with the endpoints behind each. */
function publishedPorts(m: MeshInput): readonly PublishedPort[] {
  if (!m.ingress) return [];
  const ready = readyByService(m.ingress);
  const found: PublishedPort[] = [];
  for (const s of m.ingress.services.values()) {
    for (const port of s.ports) {
      const key = `${protocolName(port)} . ${port.publishedPort}`;
      found.push({ key, port, backends: backendsOfPort(port, ready.get(s.serviceId) ?? [], m.nodeId) });
    }
  }
  return found;
}

/** Of the rules: ports with somebody behind them whose packets make no connections, as keys such as "udp . 53". */
export function datagramPorts(rules: RuleSet): ReadonlySet<string> {
  const published = rules.flatMap((t) => t.collections).filter((c) => c.name.startsWith(PUBLISHED));
  return new Set(published.flatMap((c) => [...c.elements.keys()].filter((key) => !key.startsWith('tcp'))));
}

export function connectionsTo(key: string): ConnectionFilter {
  const [protocol, port] = key.split(' . ');
  return { protocol: protocol === 'sctp' ? 'sctp' : 'udp', destinationPort: Number(port) };
}

function emptyPorts(ports: readonly PublishedPort[]): string[] {
  return ports.filter((p) => p.backends.every((e) => e.addresses.length === 0)).map((p) => p.key);
}

/**
 * TCP goes to a task of this node by its way out instead of through the router of the ingress network: it answers there what was asked there.
 * With other protocols the routes choose the address that it answers from.
 */
function portRules(ports: readonly PublishedPort[], family: Family, shortcuts: MeshInput['shortcuts']) {
  const { ip, suffix } = familyWords[family];
  const balance = new Map<string, readonly string[]>();
  for (const { key, port, backends } of ports) {
    const way = (a: string) => (port.protocol === PortProtocol.TCP ? (shortcuts.get(a) ?? a) : a);
    const addresses = addressesOf(backends, family).map((a) => `${way(a)} . ${port.targetPort}`);
    if (addresses.length > 0) balance.set(key, addresses);
  }
  const key = `typeof meta l4proto . th dport . numgen random mod 65536 : ${ip} daddr . th dport`;
  return {
    collections: [
      mapOf(`backends${suffix}`, key, backendElements(balance)),
      mapOf(`${PUBLISHED}${suffix}`, 'type inet_proto . inet_service : verdict', verdicts(family, balance)),
    ],
    chains: drawingChains(family, 'meta l4proto . th dport', `backends${suffix}`, balance),
  };
}

/** A port that a service has on every node. */
export interface MeshPort {
  readonly service: string;
  readonly protocol: string;
  readonly port: number;
}

export function meshPorts(views: readonly NetworkView[]): readonly MeshPort[] {
  return [...(views.find(isIngress)?.services.values() ?? [])].flatMap((s) =>
    s.ports.map((p) => ({ service: s.name, protocol: protocolName(p), port: p.publishedPort })),
  );
}

export function protocolName(p: PortConfig): string {
  return PROTOCOL_NAMES[p.protocol] ?? 'tcp';
}
