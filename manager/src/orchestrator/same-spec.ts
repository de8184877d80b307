/** Whether two specs ask for the same: an absent message and one with nothing but defaults are the same. */
import { isDeepStrictEqual } from 'node:util';

export function sameSpec(a: unknown, b: unknown): boolean {
  return isDeepStrictEqual(canonical(a), canonical(b));
}

/** Without everything that is a proto3 default; undefined when nothing is left. */
function canonical(value: unknown): unknown {
  if (value === undefined || value === null || value === '' || value === 0 || value === false) return undefined;
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : Buffer.from(value).toString('base64');
  if (Array.isArray(value)) return value.length === 0 ? undefined : value.map((v) => canonical(v) ?? null);
  if (typeof value !== 'object') return value;
  const entries = Object.entries(value)
    .map(([k, v]) => [k, canonical(v)] as const)
    .filter(([, v]) => v !== undefined);
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
