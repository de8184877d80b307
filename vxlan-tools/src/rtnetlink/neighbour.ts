/**
 * Neighbours (ARP/NDP entries) and the forwarding database of vxlan devices and bridges: RTM_NEWNEIGH, RTM_DELNEIGH,
 * RTM_GETNEIGH (linux/neighbour.h). FDB entries are neighbours of family AF_BRIDGE.
 */
import {
  type Attribute,
  type Message,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  parseAttributes,
  type Request,
  readU32,
  u16be,
  u32,
} from '../netlink/message.js';
import {
  AF_BRIDGE,
  AF_INET,
  AF_INET6,
  decodeAddress,
  decodeMac,
  encodeAddress,
  encodeMac,
  familyOf,
} from './ip-address.js';

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
export const RTM_GETNEIGH = 30;

const NDA_DST = 1;
const NDA_LLADDR = 2;
const NDA_PORT = 6;
const NDA_VNI = 7;
const NDA_IFINDEX = 8;
const NTF_SELF = 0x02;

/** NUD_* states. */
export const neighbourState = { reachable: 0x02, stale: 0x04, failed: 0x20, noArp: 0x40, permanent: 0x80 } as const;

function ndMessage(family: number, index: number, state: number, flags: number): Buffer {
  const b = Buffer.alloc(12);
  b.writeUInt8(family, 0);
  b.writeInt32LE(index, 4);
  b.writeUInt16LE(state, 8);
  b.writeUInt8(flags, 10);
  return b;
}

export interface Neighbour {
  readonly index: number;
  readonly address: string;
  readonly mac: string;
  readonly state?: number;
}

/** Creates or replaces a neighbour entry, permanent unless told otherwise. */
export function setNeighbour(n: Neighbour): Request {
  return {
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    header: ndMessage(familyOf(n.address), n.index, n.state ?? neighbourState.permanent, 0),
    attributes: [
      [NDA_DST, encodeAddress(n.address)],
      [NDA_LLADDR, encodeMac(n.mac)],
    ],
    operation: `set neighbour ${n.address} on link #${n.index}`,
  };
}

export function deleteNeighbour(index: number, address: string): Request {
  return {
    type: RTM_DELNEIGH,
    flags: 0,
    header: ndMessage(familyOf(address), index, 0, 0),
    attributes: [[NDA_DST, encodeAddress(address)]],
    operation: `delete neighbour ${address} on link #${index}`,
  };
}

/** All neighbours of a family, or those of one link. */
export function dumpNeighbours(family: 'ipv4' | 'ipv6', index?: number): Request {
  return {
    type: RTM_GETNEIGH,
    flags: 0,
    header: ndMessage(family === 'ipv6' ? AF_INET6 : AF_INET, 0, 0, 0),
    attributes: index === undefined ? [] : [[NDA_IFINDEX, u32(index)]],
    operation: `list ${family} neighbours`,
  };
}

export interface FdbEntry {
  readonly index: number;
  readonly mac: string;
  /** Underlay address of the remote VTEP. */
  readonly destination: string;
  readonly vni?: number;
  readonly port?: number;
}

function fdbAttributes(entry: FdbEntry): Attribute[] {
  const attributes: Attribute[] = [
    [NDA_LLADDR, encodeMac(entry.mac)],
    [NDA_DST, encodeAddress(entry.destination)],
  ];
  if (entry.port !== undefined) attributes.push([NDA_PORT, u16be(entry.port)]);
  if (entry.vni !== undefined) attributes.push([NDA_VNI, u32(entry.vni)]);
  return attributes;
}

/**
 * Sets where a vxlan device sends frames for a MAC. `append` adds a further destination, which the kernel allows for
 * the all-zero MAC only; otherwise an entry that exists is replaced.
 */
export function setFdb(entry: FdbEntry, mode: 'create' | 'replace' | 'append' = 'replace'): Request {
  const flags = { create: NLM_F_EXCL, replace: NLM_F_REPLACE, append: NLM_F_APPEND }[mode];
  return {
    type: RTM_NEWNEIGH,
    flags: NLM_F_CREATE | flags,
    header: ndMessage(AF_BRIDGE, entry.index, neighbourState.permanent | neighbourState.noArp, NTF_SELF),
    attributes: fdbAttributes(entry),
    operation: `set fdb ${entry.mac} to ${entry.destination} on link #${entry.index}`,
  };
}

export function deleteFdb(entry: FdbEntry): Request {
  return {
    type: RTM_DELNEIGH,
    flags: 0,
    header: ndMessage(AF_BRIDGE, entry.index, 0, NTF_SELF),
    attributes: fdbAttributes(entry),
    operation: `delete fdb ${entry.mac} on link #${entry.index}`,
  };
}

/** FDB entries of one device (vxlan or bridge port). */
export function dumpFdb(index: number): Request {
  return {
    type: RTM_GETNEIGH,
    flags: 0,
    header: ndMessage(AF_BRIDGE, index, 0, 0),
    attributes: [],
    operation: `list fdb of link #${index}`,
  };
}

export interface FoundNeighbour {
  readonly family: 'ipv4' | 'ipv6' | 'fdb';
  readonly index: number;
  /** The neighbour's address; of an FDB entry the remote VTEP's. */
  readonly address: string;
  readonly mac: string;
  readonly state: number;
  readonly vni: number | undefined;
  readonly port: number | undefined;
}

export function parseNeighbour(message: Message): FoundNeighbour | undefined {
  if (message.type !== RTM_NEWNEIGH) return undefined;
  const { payload } = message;
  const family = payload.readUInt8(0);
  const a = parseAttributes(payload.subarray(12));
  const destination = a.get(NDA_DST);
  const mac = a.get(NDA_LLADDR);
  return {
    family: family === AF_BRIDGE ? 'fdb' : family === AF_INET6 ? 'ipv6' : 'ipv4',
    index: payload.readInt32LE(4),
    address: destination === undefined ? '' : decodeAddress(destination),
    mac: mac === undefined ? '' : decodeMac(mac),
    state: payload.readUInt16LE(8),
    vni: readU32(a.get(NDA_VNI)),
    port: a.get(NDA_PORT)?.readUInt16BE(0),
  };
}
