/**
 * Merging of canonical compose values: maps key by key, lists appended, what is one thing (a command, a test) replaced, what has
 * a target or a name merged by it. Source: the Compose Specification's rules. Pure.
 */
import type { Path } from './document.js';

/** What the later file says of a path: `!override` replaces, `!reset` removes. */
export interface Marks {
  isReset(path: Path): boolean;
  isOverride(path: Path): boolean;
}

export const noMarks: Marks = { isReset: () => false, isOverride: () => false };

const REPLACED = ['command', 'entrypoint', 'test'];
/** Lists whose items are one thing each by a key. */
const KEYED: Readonly<Record<string, (item: Readonly<Record<string, unknown>>) => string>> = {
  ports: (p) => [p.host_ip, p.target, p.published, p.protocol].join('/'),
  volumes: (v) => String(v.target),
  configs: (c) => String(c.target ?? c.source),
  secrets: (s) => String(s.target ?? s.source),
  env_file: (e) => String(e.path),
};

export function merge(base: unknown, next: unknown, marks: Marks = noMarks, path: Path = []): unknown {
  if (next === undefined) return base;
  if (base === undefined || base === null || marks.isOverride(path)) return withoutResets(next, marks, path);
  const key = String(path.at(-1) ?? '');
  if (Array.isArray(base) && Array.isArray(next)) {
    if (REPLACED.includes(key)) return next;
    const keyOf = KEYED[key];
    return keyOf ? mergeKeyed(base, next, keyOf) : [...new Set([...base, ...next])];
  }
  if (isMap(base) && isMap(next)) {
    // Options of one log driver are no options of another.
    if (key === 'logging' && next.driver !== undefined && next.driver !== base.driver) return next;
    const out: Record<string, unknown> = { ...base };
    for (const [k, v] of Object.entries(next)) {
      if (marks.isReset([...path, k])) delete out[k];
      else out[k] = merge(base[k], v, marks, [...path, k]);
    }
    return out;
  }
  return next === null && isMap(base) ? base : next;
}

function withoutResets(value: unknown, marks: Marks, path: Path): unknown {
  if (!isMap(value)) return value;
  const kept = Object.entries(value).filter(([k]) => !marks.isReset([...path, k]));
  return Object.fromEntries(kept.map(([k, v]) => [k, withoutResets(v, marks, [...path, k])]));
}

function mergeKeyed(
  base: readonly unknown[],
  next: readonly unknown[],
  keyOf: (item: Readonly<Record<string, unknown>>) => string,
): readonly unknown[] {
  const items = new Map<string, unknown>();
  for (const item of [...base, ...next]) {
    const key = keyOf(item as Readonly<Record<string, unknown>>);
    const known = items.get(key);
    items.set(key, isMap(known) && isMap(item) ? { ...known, ...item } : item);
  }
  return [...items.values()];
}

function isMap(v: unknown): v is Readonly<Record<string, unknown>> {
  return typeof v === 'object' && v !== null && !Array.isArray(v);
}
