/** The `until` filter of prunes and lists: a time, or a duration before now. */
import { parseDurationNs, SwarmtsError } from '@swarmts/lib';
import type { FilterArgs } from './filters.js';

const NS_PER_MS = 1e6;

/** Milliseconds since the epoch; for ever without the filter. */
export function untilOf(filters: FilterArgs, nowMs: number): number {
  const values = filters.get('until') ?? [];
  const [value] = values;
  if (value === undefined) return Number.POSITIVE_INFINITY;
  if (values.length > 1) throw new SwarmtsError('invalid-argument', 'more than one until filter specified');
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const ago = durationMs(value);
  if (ago !== undefined) return nowMs - ago;
  const time = Date.parse(value);
  if (Number.isNaN(time)) {
    throw new SwarmtsError('invalid-argument', `invalid filter 'until=${value}': a time or a duration is expected`);
  }
  return time;
}

function durationMs(text: string): number | undefined {
  try {
    return parseDurationNs(text) / NS_PER_MS;
  } catch {
    // No duration: it may be a time.
    return undefined;
  }
}
