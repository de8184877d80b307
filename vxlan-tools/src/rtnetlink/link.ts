/**
 * Links: RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK (linux/if_link.h, linux/veth.h). Creation covers veth, vxlan, bridge, dummy,
 * macvlan and wireguard. A veth's peer is created in the same message and may sit in another namespace, but cannot be up in it.
 */
import {
  type Attribute,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  parseAttributes,
  type Request,
  readText,
  readU32,
  text,
  u8,
  u16be,
  u32,
} from '../netlink/message.js';
import {
  AF_BRIDGE,
  AF_INET,
  AF_INET6,
  AF_UNSPEC,
  decodeAddress,
  decodeMac,
  encodeAddress,
  encodeMac,
  familyOf,
} from './ip-address.js';

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
export const RTM_GETLINK = 18;
export const RTM_SETLINK = 19;

const IFF_UP = 1;
const IFF_RUNNING = 0x40;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_TXQLEN = 13;
const IFLA_LINKINFO = 18;
const IFLA_AF_SPEC = 26;
const IFLA_NET_NS_FD = 28;
const IFLA_LINK_NETNSID = 37;

const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFLA_INET_CONF = 1;
const IFLA_INET6_ADDR_GEN_MODE = 8;
const IN6_ADDR_GEN_MODE_NONE = 1;

const IFLA_VXLAN_ID = 1;
const IFLA_VXLAN_LINK = 3;
const IFLA_VXLAN_LOCAL = 4;
const IFLA_VXLAN_TTL = 5;
const IFLA_VXLAN_LEARNING = 7;
const IFLA_VXLAN_PORT = 15;
const IFLA_VXLAN_LOCAL6 = 17;

const IFLA_MACVLAN_MODE = 1;

const IFLA_BR_STP_STATE = 5;
const IFLA_BR_VLAN_FILTERING = 7;

/** What a link of any kind can be given at creation. */
interface LinkBase {
  readonly name: string;
  /** A fixed interface index, so that later messages of the same batch can name it. */
  readonly index?: number;
  readonly mtu?: number;
  readonly mac?: string;
  readonly txQueueLength?: number;
  /** Open file descriptor of the namespace to create it in. */
  readonly netnsFd?: number;
}

export interface VethLink extends LinkBase {
  readonly kind: 'veth';
  readonly peer: LinkBase;
}

export interface VxlanLink extends LinkBase {
  readonly kind: 'vxlan';
  readonly vni: number;
  readonly port: number;
  readonly local?: string;
  readonly underlayIndex?: number;
  readonly ttl?: number;
  readonly learning?: boolean;
}

/** MACVLAN_MODE_* (linux/if_link.h). */
export const macvlanMode = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;

export interface MacvlanLink extends LinkBase {
  readonly kind: 'macvlan';
  /** The device that it shares, in the namespace of the socket. */
  readonly parentIndex: number;
  readonly mode: keyof typeof macvlanMode;
}

export interface PlainLink extends LinkBase {
  readonly kind: 'bridge' | 'dummy' | 'wireguard';
}

export type NewLink = VethLink | VxlanLink | MacvlanLink | PlainLink;

/** A link by index or by name. */
export type LinkTarget = { readonly index: number } | { readonly name: string };

export interface LinkChanges {
  readonly up?: boolean;
  readonly mtu?: number;
  readonly mac?: string;
  readonly newName?: string;
  /** Index of the bridge to join; 0 leaves it. */
  readonly masterIndex?: number;
  readonly netnsFd?: number;
  /** IPv4 interface settings by IPV4_DEVCONF number: see ipv4Setting. */
  readonly ipv4?: Readonly<Record<number, number>>;
  /** Keeps the kernel from giving the link an IPv6 link-local address. Refused where IPv6 is off. */
  readonly noIpv6LinkLocal?: boolean;
}

/** IPV4_DEVCONF_* numbers: what /proc/sys/net/ipv4/conf/DEV/ has, settable in the message that brings a link up. */
export const ipv4Setting = {
  forwarding: 1,
  proxyArp: 3,
  acceptRedirects: 4,
  sendRedirects: 6,
  rpFilter: 8,
  arpFilter: 13,
  arpAnnounce: 18,
  arpIgnore: 19,
  routeLocalnet: 26,
} as const;

function ifInfo(family: number, index: number, flags: number, change: number): Buffer {
  const b = Buffer.alloc(16);
  b.writeUInt8(family, 0);
  b.writeInt32LE(index, 4);
  b.writeUInt32LE(flags, 8);
  b.writeUInt32LE(change, 12);
  return b;
}

const MAX_NAME_BYTES = 15;

function nameAttribute(name: string): Attribute {
  if (name === '' || Buffer.byteLength(name) > MAX_NAME_BYTES || /[\s/:]/.test(name)) {
    throw new TypeError(`not an interface name: ${JSON.stringify(name)}`);
  }
  return [IFLA_IFNAME, text(name)];
}

function baseAttributes(link: LinkBase): Attribute[] {
  const attributes: Attribute[] = [];
  if (link.mtu !== undefined) attributes.push([IFLA_MTU, u32(link.mtu)]);
  if (link.mac !== undefined) attributes.push([IFLA_ADDRESS, encodeMac(link.mac)]);
  attributes.push(nameAttribute(link.name));
  if (link.txQueueLength !== undefined) attributes.push([IFLA_TXQLEN, u32(link.txQueueLength)]);
  if (link.netnsFd !== undefined) attributes.push([IFLA_NET_NS_FD, u32(link.netnsFd)]);
  return attributes;
}

/** The peer's data is an ifinfomsg followed by attributes, which only veth does. */
function peerData(peer: LinkBase): Buffer {
  const parts: Buffer[] = [ifInfo(AF_UNSPEC, peer.index ?? 0, 0, 0)];
  for (const [type, value] of baseAttributes(peer)) {
    if (!Buffer.isBuffer(value)) continue;
    const attribute = Buffer.alloc((4 + value.length + 3) & ~3);
    attribute.writeUInt16LE(4 + value.length, 0);
    attribute.writeUInt16LE(type, 2);
    value.copy(attribute, 4);
    parts.push(attribute);
  }
  return Buffer.concat(parts);
}

function kindData(link: NewLink): Attribute[] {
  switch (link.kind) {
    case 'veth':
      return [[VETH_INFO_PEER, peerData(link.peer)]];
    case 'vxlan':
      return vxlanData(link);
    case 'macvlan':
      return [[IFLA_MACVLAN_MODE, u32(macvlanMode[link.mode])]];
    case 'bridge':
    case 'dummy':
    case 'wireguard':
      return [];
  }
}

function vxlanData(link: VxlanLink): Attribute[] {
  const data: Attribute[] = [[IFLA_VXLAN_ID, u32(link.vni)]];
  if (link.underlayIndex !== undefined) data.push([IFLA_VXLAN_LINK, u32(link.underlayIndex)]);
  if (link.local !== undefined) {
    const v6 = familyOf(link.local) === AF_INET6;
    data.push([v6 ? IFLA_VXLAN_LOCAL6 : IFLA_VXLAN_LOCAL, encodeAddress(link.local)]);
  }
  if (link.ttl !== undefined) data.push([IFLA_VXLAN_TTL, u8(link.ttl)]);
  data.push([IFLA_VXLAN_LEARNING, u8(link.learning === true ? 1 : 0)], [IFLA_VXLAN_PORT, u16be(link.port)]);
  return data;
}

/** Creates a link, down. EEXIST when the name is taken. */
export function createLink(link: NewLink): Request {
  const data = kindData(link);
  const info: Attribute[] = [[IFLA_INFO_KIND, Buffer.from(link.kind)]];
  if (data.length > 0) info.push([IFLA_INFO_DATA, data]);
  return {
    type: RTM_NEWLINK,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    header: ifInfo(AF_UNSPEC, link.index ?? 0, 0, 0),
    attributes: [...baseAttributes(link), ...parentAttribute(link), [IFLA_LINKINFO, info]],
    operation: `create ${link.kind} ${link.name}`,
  };
}

function parentAttribute(link: NewLink): Attribute[] {
  return link.kind === 'macvlan' ? [[IFLA_LINK, u32(link.parentIndex)]] : [];
}

function targetIndex(target: LinkTarget): number {
  return 'index' in target ? target.index : 0;
}

function targetAttributes(target: LinkTarget): Attribute[] {
  return 'name' in target ? [nameAttribute(target.name)] : [];
}

function targetText(target: LinkTarget): string {
  return 'name' in target ? target.name : `#${target.index}`;
}

/** Changes an existing link. */
export function setLink(target: LinkTarget, changes: LinkChanges): Request {
  const attributes = targetAttributes(target);
  if (changes.newName !== undefined) {
    if ('name' in target) throw new TypeError('rename a link by its index');
    attributes.push(nameAttribute(changes.newName));
  }
  if (changes.mtu !== undefined) attributes.push([IFLA_MTU, u32(changes.mtu)]);
  if (changes.mac !== undefined) attributes.push([IFLA_ADDRESS, encodeMac(changes.mac)]);
  if (changes.masterIndex !== undefined) attributes.push([IFLA_MASTER, u32(changes.masterIndex)]);
  if (changes.netnsFd !== undefined) attributes.push([IFLA_NET_NS_FD, u32(changes.netnsFd)]);
  const perFamily: Attribute[] = [];
  if (changes.ipv4 !== undefined) {
    const settings = Object.entries(changes.ipv4).map(([id, value]): Attribute => [Number(id), u32(value)]);
    perFamily.push([AF_INET, [[IFLA_INET_CONF, settings]]]);
  }
  if (changes.noIpv6LinkLocal === true) {
    perFamily.push([AF_INET6, [[IFLA_INET6_ADDR_GEN_MODE, u8(IN6_ADDR_GEN_MODE_NONE)]]]);
  }
  if (perFamily.length > 0) attributes.push([IFLA_AF_SPEC, perFamily]);
  const change = changes.up === undefined ? 0 : IFF_UP;
  return {
    type: RTM_NEWLINK,
    flags: 0,
    header: ifInfo(AF_UNSPEC, targetIndex(target), changes.up === true ? IFF_UP : 0, change),
    attributes,
    operation: `set link ${targetText(target)}`,
  };
}

/** Deletes a link. For a veth prefer to drop its namespace: this one holds the RTNL lock for 20-60 ms. */
export function deleteLink(target: LinkTarget): Request {
  return {
    type: RTM_DELLINK,
    flags: 0,
    header: ifInfo(AF_UNSPEC, targetIndex(target), 0, 0),
    attributes: targetAttributes(target),
    operation: `delete link ${targetText(target)}`,
  };
}

const IFLA_EXT_MASK = 29;
const RTEXT_FILTER_SKIP_STATS = 8;
/** They are most of what the kernel would gather, of every processor, and nobody here reads them. */
const WITHOUT_COUNTERS: Attribute = [IFLA_EXT_MASK, u32(RTEXT_FILTER_SKIP_STATS)];

export function getLink(target: LinkTarget): Request {
  return {
    type: RTM_GETLINK,
    flags: 0,
    header: ifInfo(AF_UNSPEC, targetIndex(target), 0, 0),
    attributes: [...targetAttributes(target), WITHOUT_COUNTERS],
    operation: `get link ${targetText(target)}`,
  };
}

export function dumpLinks(): Request {
  const header = ifInfo(AF_UNSPEC, 0, 0, 0);
  return { type: RTM_GETLINK, flags: 0, header, attributes: [WITHOUT_COUNTERS], operation: 'list links' };
}

export interface BridgeChanges {
  readonly stp?: boolean;
  readonly vlanFiltering?: boolean;
}

export function setBridge(name: string, index: number, changes: BridgeChanges): Request {
  const data: Attribute[] = [];
  if (changes.stp !== undefined) data.push([IFLA_BR_STP_STATE, u32(changes.stp ? 1 : 0)]);
  if (changes.vlanFiltering !== undefined) data.push([IFLA_BR_VLAN_FILTERING, u8(changes.vlanFiltering ? 1 : 0)]);
  return {
    type: RTM_NEWLINK,
    flags: 0,
    header: ifInfo(AF_UNSPEC, index, 0, 0),
    attributes: [
      [
        IFLA_LINKINFO,
        [
          [IFLA_INFO_KIND, Buffer.from('bridge')],
          [IFLA_INFO_DATA, data],
        ],
      ],
    ],
    operation: `set bridge ${name}`,
  };
}

/** The vxlan settings of an existing link. */
export interface VxlanInfo {
  readonly vni: number;
  readonly port: number;
  readonly local: string;
  readonly learning: boolean;
}

export interface Link {
  readonly index: number;
  readonly name: string;
  readonly kind: string;
  readonly up: boolean;
  readonly running: boolean;
  readonly mtu: number;
  readonly mac: string;
  readonly masterIndex: number;
  /** Index of a veth's peer (in the namespace `peerNetnsId`) or of the underlay. */
  readonly linkIndex: number;
  /** Id of the namespace that holds the peer; undefined when it is this one. */
  readonly peerNetnsId: number | undefined;
  readonly vxlan: VxlanInfo | undefined;
  /** Of the settings that `ipv4Setting` names; those of a device without IPv4 are all off. */
  readonly ipv4: { readonly forwarding: boolean; readonly rpFilter: number; readonly routeLocalnet: boolean };
}

/** Reads an RTM_NEWLINK; undefined for other messages (AF_BRIDGE ones describe ports). */
export function parseLink(message: Message): Link | undefined {
  if (message.type !== RTM_NEWLINK || message.payload.readUInt8(0) === AF_BRIDGE) return undefined;
  const flags = message.payload.readUInt32LE(8);
  const a = parseAttributes(message.payload.subarray(16));
  const info = parseAttributes(a.get(IFLA_LINKINFO) ?? Buffer.alloc(0));
  const kind = readText(info.get(IFLA_INFO_KIND));
  const mac = a.get(IFLA_ADDRESS);
  const data = info.get(IFLA_INFO_DATA);
  return {
    index: message.payload.readInt32LE(4),
    name: readText(a.get(IFLA_IFNAME)),
    kind,
    up: (flags & IFF_UP) !== 0,
    running: (flags & IFF_RUNNING) !== 0,
    mtu: readU32(a.get(IFLA_MTU)) ?? 0,
    mac: mac === undefined ? '' : decodeMac(mac),
    masterIndex: readU32(a.get(IFLA_MASTER)) ?? 0,
    linkIndex: readU32(a.get(IFLA_LINK)) ?? 0,
    peerNetnsId: a.get(IFLA_LINK_NETNSID)?.readInt32LE(0),
    ipv4: parseIpv4Settings(parseAttributes(a.get(IFLA_AF_SPEC) ?? Buffer.alloc(0))),
    vxlan: kind === 'vxlan' && data !== undefined ? parseVxlan(parseAttributes(data)) : undefined,
  };
}

/** The kernel lists all settings as numbers in a row; the first one is number 1. */
function parseIpv4Settings(perFamily: ReadonlyMap<number, Buffer>): Link['ipv4'] {
  const all = parseAttributes(perFamily.get(AF_INET) ?? Buffer.alloc(0)).get(IFLA_INET_CONF) ?? Buffer.alloc(0);
  const value = (id: number) => (all.length >= id * 4 ? all.readUInt32LE((id - 1) * 4) : 0);
  return {
    forwarding: value(ipv4Setting.forwarding) !== 0,
    rpFilter: value(ipv4Setting.rpFilter),
    routeLocalnet: value(ipv4Setting.routeLocalnet) !== 0,
  };
}

function parseVxlan(data: ReadonlyMap<number, Buffer>): VxlanInfo {
  const local = data.get(IFLA_VXLAN_LOCAL) ?? data.get(IFLA_VXLAN_LOCAL6);
  return {
    vni: readU32(data.get(IFLA_VXLAN_ID)) ?? 0,
    port: data.get(IFLA_VXLAN_PORT)?.readUInt16BE(0) ?? 0,
    local: local === undefined ? '' : decodeAddress(local),
    learning: data.get(IFLA_VXLAN_LEARNING)?.readUInt8(0) === 1,
  };
}
