/** The `until` filter of prunes and lists: a time, or a duration before now. */
import { SwarmtsError } from '@swarmts/lib';
import type { FilterArgs } from './filters.js';

const UNITS_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Milliseconds since the epoch; for ever without the filter. */
export function untilOf(filters: FilterArgs, nowMs: number): number {
  const values = filters.get('until') ?? [];
  const [value] = values;
  if (value === undefined) return Number.POSITIVE_INFINITY;
  if (values.length > 1) throw new SwarmtsError('invalid-argument', 'more than one until filter specified');
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)];
  if (parts.length > 0 && parts.map((p) => p[0]).join('') === value) {
    return nowMs - parts.reduce((sum, p) => sum + Number(p[1]) * (UNITS_MS[p[2] ?? ''] ?? 0), 0);
  }
  const time = Date.parse(value);
  if (Number.isNaN(time)) {
    throw new SwarmtsError('invalid-argument', `invalid filter 'until=${value}': a time or a duration is expected`);
  }
  return time;
}
