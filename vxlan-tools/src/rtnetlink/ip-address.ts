/** IP and MAC addresses as text and as network-order bytes. */
import { isIPv4, isIPv6 } from 'node:net';

export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_BRIDGE = 7;
export const AF_INET6 = 10;

/** AF_INET or AF_INET6; throws TypeError for anything that is not an address. */
export function familyOf(address: string): typeof AF_INET | typeof AF_INET6 {
  if (isIPv4(address)) return AF_INET;
  if (isIPv6(address) && !address.includes('%')) return AF_INET6;
  throw new TypeError(`not an IP address: ${JSON.stringify(address)}`);
}

/** 4 or 16 bytes in network order. */
export function encodeAddress(address: string): Buffer {
  if (familyOf(address) === AF_INET) return Buffer.from(address.split('.').map(Number));
  return encodeIPv6(address);
}

function encodeIPv6(address: string): Buffer {
  const [head = '', tail] = withHexTail(address).split('::');
  const left = groupsOf(head);
  const right = tail === undefined ? [] : groupsOf(tail);
  const groups = tail === undefined ? left : [...left, ...new Array(8 - left.length - right.length).fill(0), ...right];
  const bytes = Buffer.alloc(16);
  for (const [i, group] of groups.entries()) bytes.writeUInt16BE(group, 2 * i);
  return bytes;
}

/** ::ffff:1.2.3.4 with its dotted end as two groups. */
function withHexTail(address: string): string {
  const cut = address.lastIndexOf(':') + 1;
  if (!address.includes('.')) return address;
  const v4 = encodeAddress(address.slice(cut));
  return `${address.slice(0, cut)}${v4.readUInt16BE(0).toString(16)}:${v4.readUInt16BE(2).toString(16)}`;
}

function groupsOf(part: string): number[] {
  return part === '' ? [] : part.split(':').map((g) => Number.parseInt(g, 16));
}

/** Canonical text (RFC 5952 for IPv6) of 4 or 16 bytes. */
export function decodeAddress(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new RangeError(`an IP address has 4 or 16 bytes, not ${bytes.length}`);
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i));
  const { start, length } = longestZeroRun(groups);
  const hex = groups.map((g) => g.toString(16));
  if (length < 2) return hex.join(':');
  return `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= groups.length; i++) {
    if (groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  return best;
}

export function encodeMac(mac: string): Buffer {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac)) throw new TypeError(`not a MAC address: ${JSON.stringify(mac)}`);
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

export function decodeMac(bytes: Buffer): string {
  return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join(':');
}

export interface Prefix {
  readonly address: string;
  readonly prefixLength: number;
}

/** "10.0.0.0/24" or "fd00::1" (a host prefix) in parts. */
export function parsePrefix(textual: string): Prefix {
  const [address = '', length] = textual.split('/');
  const bits = familyOf(address) === AF_INET ? 32 : 128;
  const prefixLength = length === undefined ? bits : Number(length);
  if (!Number.isInteger(prefixLength) || prefixLength < 0 || prefixLength > bits || length === '') {
    throw new TypeError(`not a prefix: ${JSON.stringify(textual)}`);
  }
  return { address, prefixLength };
}
