/**
 * Netlink messages as bytes (RFC 3549, linux/netlink.h): the 16-byte header, a family header, and attributes in
 * type-length-value form, each padded to 4 bytes. Integers are in host order, and every supported host is little endian.
 */
import { endianness } from 'node:os';

if (endianness() !== 'LE') throw new Error('vxlan-tools supports little-endian machines only');

export const HEADER_BYTES = 16;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_DUMP = 0x300;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_APPEND = 0x800;
/** In an acknowledgement: the original message is not echoed / attributes follow. */
export const NLM_F_CAPPED = 0x100;
export const NLM_F_ACK_TLVS = 0x200;

/** The kernel wants this bit on attributes that contain attributes; it is masked out on receipt. */
export const NLA_F_NESTED = 0x8000;
const NLA_TYPE_MASK = 0x3fff;

/** An attribute to send: a leaf with bytes, or a nest. */
export type Attribute = readonly [type: number, value: Buffer | readonly Attribute[]];

/** A request, without the sequence number that the socket adds. */
export interface Request {
  readonly type: number;
  /** NLM_F_* in addition to REQUEST and ACK. */
  readonly flags: number;
  /** Family header (ifinfomsg, rtmsg, ...). */
  readonly header: Buffer;
  readonly attributes: readonly Attribute[];
  /** What it does, for error messages: "create link veth0". */
  readonly operation: string;
}

/** A received message. `payload` is everything behind the netlink header. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly payload: Buffer;
}

export const u8 = (value: number): Buffer => Buffer.from([value]);

export function u16(value: number): Buffer {
  const b = Buffer.allocUnsafe(2);
  b.writeUInt16LE(value);
  return b;
}

export function u16be(value: number): Buffer {
  const b = Buffer.allocUnsafe(2);
  b.writeUInt16BE(value);
  return b;
}

export function u32(value: number): Buffer {
  const b = Buffer.allocUnsafe(4);
  b.writeUInt32LE(value >>> 0);
  return b;
}

export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`, 'utf8');
}

const align4 = (n: number): number => (n + 3) & ~3;

function attributesLength(attributes: readonly Attribute[]): number {
  let total = 0;
  for (const [, value] of attributes) total += align4(4 + valueLength(value));
  return total;
}

function valueLength(value: Attribute[1]): number {
  return Buffer.isBuffer(value) ? value.length : attributesLength(value);
}

function writeAttributes(into: Buffer, start: number, attributes: readonly Attribute[]): number {
  let at = start;
  for (const [type, value] of attributes) {
    const length = 4 + valueLength(value);
    into.writeUInt16LE(length, at);
    if (Buffer.isBuffer(value)) {
      into.writeUInt16LE(type, at + 2);
      value.copy(into, at + 4);
    } else {
      into.writeUInt16LE(type | NLA_F_NESTED, at + 2);
      writeAttributes(into, at + 4, value);
    }
    at += align4(length);
  }
  return at;
}

/** The bytes of one request. */
export function encodeRequest(request: Request, sequence: number, extraFlags: number): Buffer {
  const headerEnd = HEADER_BYTES + align4(request.header.length);
  const bytes = Buffer.alloc(headerEnd + attributesLength(request.attributes));
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(request.type, 4);
  bytes.writeUInt16LE(NLM_F_REQUEST | request.flags | extraFlags, 6);
  bytes.writeUInt32LE(sequence >>> 0, 8);
  request.header.copy(bytes, HEADER_BYTES);
  writeAttributes(bytes, headerEnd, request.attributes);
  return bytes;
}

/** Splits a datagram into messages. Bytes that do not form a whole message are an error. */
export function parseMessages(datagram: Buffer): Message[] {
  const messages: Message[] = [];
  let at = 0;
  while (at < datagram.length) {
    if (datagram.length - at < HEADER_BYTES) throw new RangeError(`netlink: ${datagram.length - at} stray bytes`);
    const length = datagram.readUInt32LE(at);
    if (length < HEADER_BYTES || at + length > datagram.length) {
      throw new RangeError(`netlink: message of ${length} bytes at ${at} in a datagram of ${datagram.length}`);
    }
    messages.push({
      type: datagram.readUInt16LE(at + 4),
      flags: datagram.readUInt16LE(at + 6),
      sequence: datagram.readUInt32LE(at + 8),
      payload: datagram.subarray(at + HEADER_BYTES, at + length),
    });
    at += align4(length);
  }
  return messages;
}

/** Attributes by type; of a type that comes twice the last one counts. A truncated attribute is an error. */
export function parseAttributes(bytes: Buffer): Map<number, Buffer> {
  return new Map(parseAttributeList(bytes));
}

/** Attributes in the order in which they came: arrays have elements of one type. */
export function parseAttributeList(bytes: Buffer): [type: number, value: Buffer][] {
  const attributes: [number, Buffer][] = [];
  let at = 0;
  while (at + 4 <= bytes.length) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) {
      throw new RangeError(`netlink: attribute of ${length} bytes at ${at} in ${bytes.length}`);
    }
    attributes.push([bytes.readUInt16LE(at + 2) & NLA_TYPE_MASK, bytes.subarray(at + 4, at + length)]);
    at += align4(length);
  }
  return attributes;
}

export function readText(value: Buffer | undefined): string {
  if (value === undefined) return '';
  const end = value.indexOf(0);
  return value.toString('utf8', 0, end < 0 ? value.length : end);
}

export function readU32(value: Buffer | undefined): number | undefined {
  return value !== undefined && value.length >= 4 ? value.readUInt32LE(0) : undefined;
}

/** What an NLMSG_ERROR says: errno 0 is an acknowledgement, `detail` the kernel's sentence from the extended ack. */
export function parseAcknowledgement(message: Message): { readonly errno: number; readonly detail: string } {
  const { payload, flags } = message;
  if (payload.length < 4 + HEADER_BYTES) throw new RangeError('netlink: short acknowledgement');
  const errno = -payload.readInt32LE(0);
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, detail: '' };
  const echoed = (flags & NLM_F_CAPPED) !== 0 ? HEADER_BYTES : align4(payload.readUInt32LE(4));
  const attributes = parseAttributes(payload.subarray(Math.min(4 + echoed, payload.length)));
  return { errno, detail: readText(attributes.get(NLMSGERR_ATTR_MSG)) };
}

const NLMSGERR_ATTR_MSG = 1;
