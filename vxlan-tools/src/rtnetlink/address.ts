/** Addresses of links: RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR (linux/if_addr.h), IPv4 and IPv6 alike. */
import {
  type Attribute,
  type Message,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  parseAttributes,
  type Request,
  readU32,
  u32,
} from '../netlink/message.js';
import { AF_INET, AF_UNSPEC, decodeAddress, encodeAddress, familyOf } from './ip-address.js';

export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
export const RTM_GETADDR = 22;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_FLAGS = 8;
const IFA_F_NODAD = 0x02;
const IFA_F_NOPREFIXROUTE = 0x200;

/** RT_SCOPE_*: how far an address or a route reaches. */
export const scope = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;

export interface NewAddress {
  readonly index: number;
  readonly address: string;
  readonly prefixLength: number;
  readonly scope?: number;
  readonly broadcast?: string;
  /** No route for the prefix: everything goes where routes say. */
  readonly noPrefixRoute?: boolean;
  /** IPv6: usable at once, without duplicate address detection. */
  readonly noDad?: boolean;
  /** Success when the link has the address already. */
  readonly replace?: boolean;
}

function ifAddr(family: number, prefixLength: number, addressScope: number, index: number, flags = 0): Buffer {
  const b = Buffer.alloc(8);
  b.writeUInt8(family, 0);
  b.writeUInt8(prefixLength, 1);
  b.writeUInt8(flags & 0xff, 2);
  b.writeUInt8(addressScope, 3);
  b.writeUInt32LE(index, 4);
  return b;
}

export function addAddress(a: NewAddress): Request {
  const bytes = encodeAddress(a.address);
  const attributes: Attribute[] = [
    [IFA_LOCAL, bytes],
    [IFA_ADDRESS, bytes],
  ];
  if (a.broadcast !== undefined) attributes.push([IFA_BROADCAST, encodeAddress(a.broadcast)]);
  const flags = (a.noPrefixRoute === true ? IFA_F_NOPREFIXROUTE : 0) | (a.noDad === true ? IFA_F_NODAD : 0);
  // The header has room for the lowest eight of them.
  if (flags > 0xff) attributes.push([IFA_FLAGS, u32(flags)]);
  return {
    type: RTM_NEWADDR,
    flags: NLM_F_CREATE | (a.replace === true ? NLM_F_REPLACE : NLM_F_EXCL),
    header: ifAddr(familyOf(a.address), a.prefixLength, a.scope ?? scope.universe, a.index, flags),
    attributes,
    operation: `add address ${a.address}/${a.prefixLength} to link #${a.index}`,
  };
}

export function deleteAddress(index: number, address: string, prefixLength: number): Request {
  return {
    type: RTM_DELADDR,
    flags: 0,
    header: ifAddr(familyOf(address), prefixLength, 0, index),
    attributes: [[IFA_LOCAL, encodeAddress(address)]],
    operation: `delete address ${address}/${prefixLength} from link #${index}`,
  };
}

/** All addresses, or those of one link. */
export function dumpAddresses(index = 0): Request {
  return {
    type: RTM_GETADDR,
    flags: 0,
    header: ifAddr(AF_UNSPEC, 0, 0, index),
    attributes: [],
    operation: 'list addresses',
  };
}

export interface LinkAddress {
  readonly index: number;
  readonly address: string;
  readonly prefixLength: number;
  readonly scope: number;
  readonly noPrefixRoute: boolean;
}

export function parseAddress(message: Message): LinkAddress | undefined {
  if (message.type !== RTM_NEWADDR) return undefined;
  const { payload } = message;
  const a = parseAttributes(payload.subarray(8));
  const bytes = (payload.readUInt8(0) === AF_INET ? a.get(IFA_LOCAL) : undefined) ?? a.get(IFA_ADDRESS);
  if (bytes === undefined) return undefined;
  return {
    index: payload.readUInt32LE(4),
    address: decodeAddress(bytes),
    prefixLength: payload.readUInt8(1),
    scope: payload.readUInt8(3),
    noPrefixRoute: ((readU32(a.get(IFA_FLAGS)) ?? 0) & IFA_F_NOPREFIXROUTE) !== 0,
  };
}
