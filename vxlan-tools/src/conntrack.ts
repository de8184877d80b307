/**
 * Tracked connections (ctnetlink, linux/netfilter/nfnetlink_conntrack.h): listing by what their tuples say, and deleting. A
 * connection keeps the address translation of its first packet; a UDP flow that never pauses keeps it for ever, unless its
 * entry is deleted.
 */
import { type Attribute, type Message, parseAttributes, type Request, u8, u16be, u32 } from './netlink/message.js';
import type { NetlinkSocket } from './netlink/socket.js';
import { AF_INET, AF_INET6, decodeAddress, encodeAddress, familyOf } from './rtnetlink/ip-address.js';

const NFNL_SUBSYS_CTNETLINK = 1 << 8;
const IPCTNL_MSG_CT_NEW = NFNL_SUBSYS_CTNETLINK | 0;
const IPCTNL_MSG_CT_GET = NFNL_SUBSYS_CTNETLINK | 1;
const IPCTNL_MSG_CT_DELETE = NFNL_SUBSYS_CTNETLINK | 2;

const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_ID = 12;
const CTA_ZONE = 18;
const CTA_FILTER = 25;
const CTA_FILTER_ORIG_FLAGS = 1;
const CTA_FILTER_REPLY_FLAGS = 2;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;

/** Which parts of a tuple the kernel compares (CTA_FILTER_F_*). */
const FILTER_SOURCE = 1 << 0;
const FILTER_PROTOCOL = 1 << 3;
const FILTER_DESTINATION_PORT = 1 << 5;

/** IPPROTO_*. */
export const ipProtocol = { icmp: 1, tcp: 6, udp: 17, sctp: 132 } as const;

/** One direction of a connection. Ports are 0 for protocols without them. */
export interface Tuple {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export interface Connection {
  readonly original: Tuple;
  /** As the answers look: with translated destinations its source is the backend. */
  readonly reply: Tuple;
  /** The attributes that name the entry in a delete request, as they came. */
  readonly key: readonly Attribute[];
  readonly family: number;
}

/** By the address that answers (a backend), or by protocol and the port that the first packet was sent to. */
export type ConnectionQuery =
  | { readonly backend: string }
  | { readonly family?: 'ipv4' | 'ipv6'; readonly protocol: number; readonly destinationPort: number };

function nfHeader(family: number): Buffer {
  return Buffer.from([family, 0, 0, 0]);
}

/** The kernel (5.8 or newer) applies the query; older ones list everything, so filter with `matches` too. */
export function dumpConnections(query: ConnectionQuery): Request {
  const family = queryFamily(query);
  const ip = (bytes: Buffer): Attribute => [
    CTA_TUPLE_IP,
    [[family === AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, bytes]],
  ];
  const attributes: Attribute[] =
    'backend' in query
      ? [
          [CTA_TUPLE_REPLY, [ip(encodeAddress(query.backend))]],
          [CTA_FILTER, filterFlags(0, FILTER_SOURCE)],
        ]
      : [
          [
            CTA_TUPLE_ORIG,
            [
              [
                CTA_TUPLE_PROTO,
                [
                  [CTA_PROTO_NUM, u8(query.protocol)],
                  [CTA_PROTO_DST_PORT, u16be(query.destinationPort)],
                ],
              ],
            ],
          ],
          [CTA_FILTER, filterFlags(FILTER_PROTOCOL | FILTER_DESTINATION_PORT, 0)],
        ];
  return { type: IPCTNL_MSG_CT_GET, flags: 0, header: nfHeader(family), attributes, operation: 'list connections' };
}

function queryFamily(query: ConnectionQuery): number {
  if ('backend' in query) return familyOf(query.backend);
  return query.family === 'ipv6' ? AF_INET6 : AF_INET;
}

function filterFlags(original: number, reply: number): Attribute[] {
  return [
    [CTA_FILTER_ORIG_FLAGS, u32(original)],
    [CTA_FILTER_REPLY_FLAGS, u32(reply)],
  ];
}

export function parseConnection(message: Message): Connection | undefined {
  if (message.type !== IPCTNL_MSG_CT_NEW) return undefined;
  const a = parseAttributes(message.payload.subarray(4));
  const original = a.get(CTA_TUPLE_ORIG);
  const reply = a.get(CTA_TUPLE_REPLY);
  if (original === undefined || reply === undefined) return undefined;
  const key: Attribute[] = [[CTA_TUPLE_ORIG | NESTED, original]];
  for (const type of [CTA_ID, CTA_ZONE]) {
    const value = a.get(type);
    if (value !== undefined) key.push([type, value]);
  }
  return {
    original: parseTuple(original),
    reply: parseTuple(reply),
    key,
    family: message.payload.readUInt8(0),
  };
}

/** The tuple goes back as the bytes that it came in, so the bit that marks a nest is set by hand. */
const NESTED = 0x8000;

function parseTuple(bytes: Buffer): Tuple {
  const parts = parseAttributes(bytes);
  const ip = parseAttributes(parts.get(CTA_TUPLE_IP) ?? Buffer.alloc(0));
  const protocol = parseAttributes(parts.get(CTA_TUPLE_PROTO) ?? Buffer.alloc(0));
  const address = (value: Buffer | undefined) => (value === undefined ? '' : decodeAddress(value));
  return {
    source: address(ip.get(CTA_IP_V4_SRC) ?? ip.get(CTA_IP_V6_SRC)),
    destination: address(ip.get(CTA_IP_V4_DST) ?? ip.get(CTA_IP_V6_DST)),
    protocol: protocol.get(CTA_PROTO_NUM)?.readUInt8(0) ?? 0,
    sourcePort: protocol.get(CTA_PROTO_SRC_PORT)?.readUInt16BE(0) ?? 0,
    destinationPort: protocol.get(CTA_PROTO_DST_PORT)?.readUInt16BE(0) ?? 0,
  };
}

export function matches(connection: Connection, query: ConnectionQuery): boolean {
  if ('backend' in query) return connection.reply.source === query.backend;
  return (
    connection.original.protocol === query.protocol && connection.original.destinationPort === query.destinationPort
  );
}

/** Deletes one entry; ENOENT when it is gone already. */
export function deleteConnection(connection: Connection): Request {
  const { source, destination } = connection.original;
  return {
    type: IPCTNL_MSG_CT_DELETE,
    flags: 0,
    header: nfHeader(connection.family),
    attributes: connection.key,
    operation: `delete connection ${source} to ${destination}`,
  };
}

/** Deletes all connections that match and returns how many there were. `socket` is one of NETLINK_NETFILTER. */
export function flushConnections(socket: NetlinkSocket, query: ConnectionQuery): number {
  const found: Connection[] = [];
  for (const message of socket.dump(dumpConnections(query))) {
    const connection = parseConnection(message);
    if (connection !== undefined && matches(connection, query)) found.push(connection);
  }
  for (const error of socket.batch(found.map(deleteConnection))) {
    if (error !== undefined && error.code !== 'ENOENT') throw error;
  }
  return found.length;
}
