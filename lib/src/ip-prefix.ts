/** IP addresses and prefixes as numbers: what pools and overlap checks count with. IPv4 and IPv6 alike; no I/O. */
import { isIPv4, isIPv6 } from 'node:net';
import { SwarmtsError } from './errors.js';

export interface IpAddress {
  readonly family: 4 | 6;
  readonly value: bigint;
}

/** A subnet; the bits behind `bits` of `base` are zero. */
export interface IpPrefix {
  readonly family: 4 | 6;
  readonly base: bigint;
  readonly bits: number;
}

const widthOf = (family: 4 | 6): number => (family === 4 ? 32 : 128);

/** Throws SwarmtsError 'invalid-argument' for what is no address. */
export function parseIp(text: string): IpAddress {
  if (isIPv4(text)) return { family: 4, value: text.split('.').reduce((n, p) => n * 256n + BigInt(p), 0n) };
  if (isIPv6(text) && !text.includes('%')) return { family: 6, value: parseIpv6(text) };
  throw new SwarmtsError('invalid-argument', `${JSON.stringify(text)} is not an IP address`);
}

function parseIpv6(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  let plain = text;
  if (dotted) {
    const v4 = parseIp(dotted[2] ?? '').value;
    plain = `${dotted[1]}${(v4 >> 16n).toString(16)}:${(v4 & 0xffffn).toString(16)}`;
  }
  const [head = '', tail] = plain.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((g) => BigInt(`0x${g}`)));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const zeros = new Array<bigint>(8 - left.length - right.length).fill(0n);
  return [...left, ...zeros, ...right].reduce((n, g) => (n << 16n) | g, 0n);
}

/** Dotted quad, or RFC 5952's canonical text. */
export function formatIp({ family, value }: IpAddress): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((s) => (value >> s) & 255n).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(112 - 16 * i)) & 0xffffn));
  let best = { start: 0, length: 0 };
  let start = 0;
  for (let i = 0; i <= 8; i++) {
    if (i < 8 && groups[i] === 0) continue;
    if (i - start > best.length) best = { start, length: i - start };
    start = i + 1;
  }
  const hex = groups.map((g) => g.toString(16));
  if (best.length < 2) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}

/** "10.0.0.0/24". `strict` refuses bits behind the prefix; otherwise they are cut off. */
export function parseIpPrefix(text: string, strict = false): IpPrefix {
  const [address = '', length = ''] = text.split('/');
  const ip = parseIp(address);
  const width = widthOf(ip.family);
  const bits = Number(length);
  if (!/^\d{1,3}$/.test(length) || bits > width || text.split('/').length !== 2) {
    throw new SwarmtsError('invalid-argument', `${JSON.stringify(text)} is not a subnet such as 10.0.0.0/24`);
  }
  const base = prefixOf(ip, bits);
  if (strict && base.base !== ip.value) {
    throw new SwarmtsError(
      'invalid-argument',
      `${text} has bits behind its prefix: did you mean ${formatIpPrefix(base)}?`,
    );
  }
  return base;
}

export function prefixOf(ip: IpAddress, bits: number): IpPrefix {
  const rest = BigInt(widthOf(ip.family) - bits);
  return { family: ip.family, base: (ip.value >> rest) << rest, bits };
}

export function formatIpPrefix(p: IpPrefix): string {
  return `${formatIp({ family: p.family, value: p.base })}/${p.bits}`;
}

/** Number of addresses in it. */
export function prefixSize(p: IpPrefix): bigint {
  return 1n << BigInt(widthOf(p.family) - p.bits);
}

export function prefixContains(p: IpPrefix, ip: IpAddress): boolean {
  return p.family === ip.family && ip.value >= p.base && ip.value < p.base + prefixSize(p);
}

export function prefixesOverlap(a: IpPrefix, b: IpPrefix): boolean {
  return a.family === b.family && a.base < b.base + prefixSize(b) && b.base < a.base + prefixSize(a);
}

/** The lowest subnet of `bits` bits in the pool that overlaps nothing of what is in the way; undefined when there is none. */
export function firstFreePrefix(pool: IpPrefix, bits: number, inTheWay: readonly IpPrefix[]): IpPrefix | undefined {
  const step = prefixSize({ ...pool, bits });
  const end = pool.base + prefixSize(pool);
  const near = inTheWay.filter((t) => prefixesOverlap(t, pool));
  let base = pool.base;
  while (base < end) {
    const candidate: IpPrefix = { family: pool.family, base, bits };
    const clash = near.find((t) => prefixesOverlap(t, candidate));
    if (!clash) return candidate;
    // Jumps over what is in the way.
    const behind = clash.base + prefixSize(clash);
    base = behind <= base + step ? base + step : ((behind + step - 1n) / step) * step;
  }
  return undefined;
}
