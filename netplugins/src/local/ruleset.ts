/**
 * The nftables rules of the node's local network, as documents in nft(8)'s syntax. Pure: state in, text out. The number of
 * rules does not depend on the number of containers: published ports are elements of maps. The `swarmts-user` chain is
 * the administrator's, consulted before our own rules and never touched once it exists.
 */
import { isOnIpv6, type PortProtocol, type PublishedPort } from './ports.js';

export interface RulesetOptions {
  /** Name of the table of family inet. */
  readonly table: string;
  /** Subnet of the containers. */
  readonly subnet: string;
  /** Whether containers reach each other. */
  readonly icc: boolean;
  /** Legs are named `<ifacePrefix>...`. */
  readonly ifacePrefix: string;
}

/** A port of another container that is reached although containers do not reach each other. */
export interface LinkedPort {
  readonly address: string;
  readonly protocol: PortProtocol;
  readonly port: number;
}

/** A container that publishes ports, or is linked to others. */
export interface Publication {
  readonly address: string;
  readonly ports: readonly PublishedPort[];
  readonly links?: readonly LinkedPort[];
}

/** Elements by the map or set that they belong to, in the words in which nft lists them. */
export interface Elements {
  /** Protocol and port, on every address of the host -> container. */
  readonly published: readonly string[];
  /** Address of the host, protocol and port -> container. */
  readonly published_on: readonly string[];
  /** Containers that may reach themselves through a published port: masqueraded then. */
  readonly self: readonly string[];
  /** Container, linked container, protocol and port. */
  readonly linked: readonly string[];
}

const ELEMENT_SETS = ['published', 'published_on', 'self', 'linked'] as const;

export function elementsOf(publications: readonly Publication[]): Elements {
  const published: string[] = [];
  const publishedOn: string[] = [];
  const self: string[] = [];
  const linked: string[] = [];
  for (const { address, ports, links = [] } of publications) {
    for (const l of links) linked.push(`${address} . ${l.address} . ${l.protocol} . ${l.port}`);
    if (ports.length > 0) self.push(`${address} . ${address}`);
    // Those on IPv6 addresses are forwarded.
    for (const port of ports.filter((p) => !isOnIpv6(p))) {
      const key = `${port.protocol} . ${port.publishedPort}`;
      const target = `${address} . ${port.targetPort}`;
      if (port.hostIp === '') published.push(`${key} : ${target}`);
      else publishedOn.push(`${port.hostIp} . ${key} : ${target}`);
    }
  }
  return { published, published_on: publishedOn, self, linked };
}

/** What is in the first and not in the second. */
export function elementsWithout(all: Elements, without: Elements): Elements {
  const left = (set: keyof Elements) => {
    const gone = new Set(without[set]);
    return all[set].filter((e) => !gone.has(e));
  };
  return {
    published: left('published'),
    published_on: left('published_on'),
    self: left('self'),
    linked: left('linked'),
  };
}

/** Adds or deletes what one container publishes: one transaction of a command per set. */
export function elementDocument(verb: 'add' | 'delete', table: string, elements: Elements): string {
  return ELEMENT_SETS.filter((set) => elements[set].length > 0)
    .map(
      (set) =>
        `${verb} element inet ${table} ${set} { ${elements[set].map(verb === 'add' ? same : keyOf).join(', ')} }\n`,
    )
    .join('');
}

const same = (element: string): string => element;
const keyOf = (element: string): string => element.split(' : ')[0] ?? element;

interface Chain {
  readonly name: string;
  /** The hook of a base chain, '' for others. */
  readonly hook: string;
  readonly rules: readonly string[];
}

/** Follows the prefix in the names of legs that are a way out only; hexadecimal ids never begin with it. */
export const GATEWAY_MARK = 'g';
/** The operator's chain. */
const USER_CHAIN = 'swarmts-user';

function chains({ subnet, icc, ifacePrefix }: RulesetOptions): Chain[] {
  const legs = `"${ifacePrefix}*"`;
  const gateways = `"${ifacePrefix}${GATEWAY_MARK}*"`;
  return [
    {
      name: 'published_ports',
      hook: '',
      rules: [
        'dnat ip to ip daddr . meta l4proto . th dport map @published_on',
        'dnat ip to meta l4proto . th dport map @published',
      ],
    },
    {
      // Loopback addresses are routable on the legs (route_localnet), but for the host itself only.
      name: 'guard',
      hook: 'type filter hook prerouting priority raw; policy accept;',
      rules: [`iifname ${legs} ip daddr 127.0.0.0/8 drop`, `iifname ${legs} ip saddr 127.0.0.0/8 drop`],
    },
    {
      name: 'prerouting',
      hook: 'type nat hook prerouting priority dstnat; policy accept;',
      rules: ['meta nfproto ipv4 fib daddr type local jump published_ports'],
    },
    {
      name: 'output',
      hook: 'type nat hook output priority -100; policy accept;',
      rules: ['meta nfproto ipv4 fib daddr type local jump published_ports'],
    },
    {
      name: 'postrouting',
      hook: 'type nat hook postrouting priority srcnat; policy accept;',
      rules: [
        `ip saddr ${subnet} oifname != ${legs} masquerade`,
        `ip saddr 127.0.0.0/8 oifname ${legs} masquerade`,
        `ip saddr . ip daddr @self oifname ${legs} masquerade`,
      ],
    },
    {
      name: 'forward',
      hook: 'type filter hook forward priority filter; policy accept;',
      rules: [
        `jump ${USER_CHAIN}`,
        `oifname ${legs} ct state established,related accept`,
        `oifname ${legs} ct status dnat accept`,
        // Containers of other networks do not meet here.
        `iifname ${gateways} oifname ${legs} drop`,
        `iifname ${legs} oifname ${gateways} drop`,
        ...(icc
          ? [`iifname ${legs} oifname ${legs} accept`]
          : [
              `iifname ${legs} oifname ${legs} ip saddr . ip daddr . meta l4proto . th dport @linked accept`,
              `iifname ${legs} oifname ${legs} drop`,
            ]),
        // Ports that are not published are not reached from outside, whatever routes others may have.
        `oifname ${legs} drop`,
        // A container that is gone: without this its packets would follow the host's default route.
        `iifname ${legs} ip daddr ${subnet} reject with icmp type host-unreachable`,
      ],
    },
  ];
}

/** The whole table in one transaction, whatever is there now; only the operator's chain stays as it is. */
export function tableDocument(options: RulesetOptions, elements: Elements): string {
  const { table } = options;
  const own = chains(options);
  const lines = [
    `add table inet ${table}`,
    `add map inet ${table} published { type inet_proto . inet_service : ipv4_addr . inet_service; }`,
    `add map inet ${table} published_on { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }`,
    `add set inet ${table} self { type ipv4_addr . ipv4_addr; }`,
    `add set inet ${table} linked { type ipv4_addr . ipv4_addr . inet_proto . inet_service; }`,
    `add chain inet ${table} ${USER_CHAIN}`,
    ...own.map(({ name, hook }) => `add chain inet ${table} ${name}${hook === '' ? '' : ` { ${hook} }`}`),
    ...own.map(({ name }) => `flush chain inet ${table} ${name}`),
    `flush map inet ${table} published`,
    `flush map inet ${table} published_on`,
    `flush set inet ${table} self`,
    `flush set inet ${table} linked`,
    ...own.flatMap(({ name, rules }) => rules.map((rule) => `add rule inet ${table} ${name} ${rule}`)),
  ];
  return `${lines.join('\n')}\n${elementDocument('add', table, elements)}`;
}

/** Removes the table, whether or not it is there. */
export function removalDocument(table: string): string {
  return `add table inet ${table}\ndelete table inet ${table}\n`;
}

/** What `list table` printed, taken apart: the fixed part as one string, and the elements of each set. */
export interface ListedTable {
  readonly layout: string;
  readonly elements: Elements;
}

/** Reads the listing of our table. The operator chain is left out: it may be whatever its owner wants. */
export function parseListing(listing: string): ListedTable {
  const found: Record<string, string[]> = {};
  const withoutElements = listing.replace(
    /\t(map|set) (\w+) \{([\s\S]*?)\n\t\}\n/g,
    (_block, kind: string, name: string, body: string) => {
      const elements = /elements = \{([\s\S]*?)\}/.exec(body);
      found[name] = (elements?.[1] ?? '')
        .split(',')
        .map((e) => e.trim())
        .filter((e) => e !== '');
      return `\t${kind} ${name} {${body.replace(/\n\t\telements = \{[\s\S]*?\}/, '')}\n\t}\n`;
    },
  );
  const layout = withoutElements.replace(/\tchain swarmts-user \{[\s\S]*?\n\t\}\n/, '\tchain swarmts-user\n');
  return {
    layout,
    elements: {
      published: found.published ?? [],
      published_on: found.published_on ?? [],
      self: found.self ?? [],
      linked: found.linked ?? [],
    },
  };
}

export function sameElements(a: Elements, b: Elements): boolean {
  return ELEMENT_SETS.every((set) => {
    const left = new Set(a[set]);
    return left.size === new Set(b[set]).size && b[set].every((e) => left.has(e));
  });
}
