/** Ports of a service: [[IP:]PUBLISHED:]TARGET[/PROTOCOL] with ranges, or the long form. Pure. */
import type { Port } from './model.js';

const MAX_PORT = 65535;

/** One entry may be a range and so several ports. Throws Error naming the entry. */
export function parsePort(value: unknown): readonly Port[] {
  if (typeof value === 'object' && value !== null) return longForm(value as Partial<Record<keyof Port, unknown>>);
  const text = String(value);
  const m = /^(?:(?:(\[[0-9a-fA-F:]+\]|\d+\.\d+\.\d+\.\d+):)?([0-9-]*):)?([0-9-]+)(?:\/([a-z]+))?$/.exec(text);
  if (!m) throw new Error(`invalid port ${text}: use [[IP:]PUBLISHED:]TARGET[/PROTOCOL]`);
  const [, ip, published = '', target = '', protocol = 'tcp'] = m;
  if (!['tcp', 'udp', 'sctp'].includes(protocol))
    throw new Error(`invalid protocol in port ${text}: use tcp, udp or sctp`);
  const targets = range(target, text);
  const sources = published === '' ? [] : range(published, text);
  if (sources.length > 0 && sources.length !== targets.length && targets.length !== 1)
    throw new Error(`invalid port ${text}: the ranges are of different lengths`);
  // A range before a single port publishes it under each of them.
  const pairs =
    targets.length === 1 && sources.length > 0 ? sources.map((s) => [targets[0] ?? 0, s] as const) : undefined;
  return (pairs ?? targets.map((t, i) => [t, sources[i]] as const)).map(([t, source]) => ({
    target: t,
    published: source === undefined ? '' : String(source),
    protocol,
    mode: 'ingress',
    ...(ip === undefined ? {} : { host_ip: ip.replace(/^\[|\]$/g, '') }),
  }));
}

function longForm(v: Partial<Record<keyof Port, unknown>>): readonly Port[] {
  const target = Number(v.target);
  if (!Number.isInteger(target) || target < 1 || target > MAX_PORT) throw new Error(`invalid target port ${v.target}`);
  const published = v.published === undefined ? '' : String(v.published);
  const sources = published === '' ? [''] : range(published, published).map(String);
  return sources.map((source) => ({
    target,
    published: source,
    protocol: String(v.protocol ?? 'tcp'),
    mode: String(v.mode ?? 'ingress'),
    ...(v.host_ip === undefined || v.host_ip === '' ? {} : { host_ip: String(v.host_ip) }),
  }));
}

function range(text: string, whole: string): readonly number[] {
  const m = /^(\d+)(?:-(\d+))?$/.exec(text);
  const [from, to] = [Number(m?.[1]), Number(m?.[2] ?? m?.[1])];
  if (!m || from > MAX_PORT || to > MAX_PORT || to < from) throw new Error(`invalid port or range ${text} in ${whole}`);
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
