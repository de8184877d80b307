/** The flags of the three `logs` commands and their query. Times may be relative ("10m") or absolute. */
import { parseTimeNs, timestampOf } from '@swarmts/lib';
import { bool, type FlagValues, text } from '../args/flag.js';
import { parseDuration } from '../args/quantity.js';
import type { Query } from './client.js';

export const logFlags = {
  follow: bool('Follow log output', { short: 'f' }),
  since: text('Show logs since timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'),
  tail: text('Number of lines to show from the end of the logs', { short: 'n', initial: 'all' }),
  timestamps: bool('Show timestamps', { short: 't' }),
  details: bool('Show extra details provided to logs'),
};

export function logQuery(f: FlagValues<typeof logFlags>, nowMs: number): Query {
  return {
    stdout: true,
    stderr: true,
    follow: f.follow,
    tail: f.tail,
    timestamps: f.timestamps,
    details: f.details,
    since: f.since === '' ? undefined : timestamp(f.since, nowMs),
  };
}

/** Seconds since the epoch with a fraction, as the API takes them. */
export function timestamp(value: string, nowMs: number): string {
  if (/^\d+(\.\d+)?$/.test(value)) return value;
  if (/^[+-]?[\d.]+(ns|us|µs|ms|s|m|h)/.test(value)) return (nowMs / 1000 - parseDuration(value) / 1e9).toFixed(9);
  const ns = parseTimeNs(value);
  if (ns === undefined)
    throw new Error(`invalid value for "since": failed to parse value as time or duration: "${value}"`);
  return timestampOf(ns);
}
