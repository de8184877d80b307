/** Sizes, CPUs and durations as Docker's users write them, with errors that name the input. */
import { SwarmtsError } from './errors.js';

const SIZE = /^(\d+(?:\.\d+)?)\s?([kmgtp])?(i?b)?$/i;
const SIZE_UNITS = ['', 'k', 'm', 'g', 't', 'p'];

/** "512m", "1.5GiB", "1024" -> bytes (powers of 1024, as Docker's RAM sizes). */
export function parseSizeBytes(text: string): number {
  const m = SIZE.exec(text.trim());
  if (!m) throw new SwarmtsError('invalid-argument', `invalid size: '${text}'`);
  return Math.floor(Number(m[1]) * 1024 ** SIZE_UNITS.indexOf((m[2] ?? '').toLowerCase()));
}

/** "0.5" -> 500000000. */
export function parseNanoCpus(text: string): number {
  if (!/^\d*(\.\d+)?$/.test(text) || text === '' || text === '.') {
    throw new SwarmtsError('invalid-argument', `failed to parse ${text} as a rational number`);
  }
  const nano = Number(text) * 1e9;
  if (!Number.isInteger(Math.round(nano * 1000) / 1000)) {
    throw new SwarmtsError('invalid-argument', `value is too precise: ${text}`);
  }
  return Math.round(nano);
}

const DURATION_UNITS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Go counts nanoseconds in 64 bits, with a sign. */
const INT64_LIMIT = 2 ** 63;

/** A Go duration ("1h30m", "500ms", "0") -> nanoseconds. */
export function parseDurationNs(text: string): number {
  const bad = () => new SwarmtsError('invalid-argument', `time: invalid duration "${text}"`);
  if (/^[+-]?0$/.test(text)) return 0;
  const m = /^([+-]?)((?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.exec(text);
  if (!m) {
    if (/^[+-]?\d+(\.\d+)?$/.test(text)) {
      throw new SwarmtsError('invalid-argument', `time: missing unit in duration "${text}"`);
    }
    throw bad();
  }
  let total = 0;
  for (const part of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(part[1]) * (DURATION_UNITS[part[2] ?? ''] ?? Number.NaN);
  }
  if (!(total < INT64_LIMIT)) throw bad();
  return Math.round(m[1] === '-' ? -total : total);
}

/** Nanoseconds -> Go's notation ("1m30s", "500ms", "0s"). */
export function formatDurationNs(ns: number): string {
  if (ns === 0) return '0s';
  const sign = ns < 0 ? '-' : '';
  const n = Math.abs(ns);
  if (n < 1e3) return `${sign}${n}ns`;
  if (n < 1e6) return `${sign}${n / 1e3}µs`;
  if (n < 1e9) return `${sign}${n / 1e6}ms`;
  const h = Math.floor(n / 3600e9);
  const m = Math.floor((n % 3600e9) / 60e9);
  const s = (n % 60e9) / 1e9;
  return `${sign}${h > 0 ? `${h}h` : ''}${h > 0 || m > 0 ? `${m}m` : ''}${s}s`;
}

export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** "nofile=1024:2048" or "nofile=1024"; -1 is no limit. Throws 'invalid-argument'. */
export function parseUlimit(text: string): Ulimit {
  const [, name, softText, hardText] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (name === undefined || softText === undefined)
    throw new SwarmtsError('invalid-argument', `invalid ulimit argument: ${text}`);
  const soft = Number(softText);
  const hard = hardText === undefined ? soft : Number(hardText);
  if (hard !== -1 && soft > hard) {
    throw new SwarmtsError(
      'invalid-argument',
      `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`,
    );
  }
  return { name, soft, hard };
}
