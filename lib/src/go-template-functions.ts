/** The functions that every template may call: Go's own. Pure. */
import { SwarmtsError } from './errors.js';

export type TemplateFunctions = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

/** Go's notion of an empty value. */
export function truthy(v: unknown): boolean {
  if (v === undefined || v === null || v === false || v === '' || v === 0) return false;
  if (Array.isArray(v)) return v.length > 0;
  if (typeof v === 'object') return Object.keys(v).length > 0;
  return true;
}

/** A value as Go's %v prints it. */
export function show(v: unknown): string {
  if (v === undefined || v === null) return '<no value>';
  if (Array.isArray(v)) return `[${v.map(show).join(' ')}]`;
  if (typeof v === 'object') {
    const entries = Object.entries(v).filter(([, x]) => typeof x !== 'function');
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `map[${entries.map(([k, x]) => `${k}:${show(x)}`).join(' ')}]`;
  }
  return String(v);
}

/** A string argument of the function `of`; what is absent counts as empty. Throws SwarmtsError 'invalid-argument'. */
export function textArgument(v: unknown, of: string): string {
  if (typeof v === 'string') return v;
  if (v === undefined || v === null) return '';
  if (typeof v === 'object')
    throw new SwarmtsError('invalid-argument', `template: error calling ${of}: expected string; found ${show(v)}`);
  return String(v);
}

function index(of: unknown, ...keys: readonly unknown[]): unknown {
  let at = of;
  for (const key of keys) {
    if (Array.isArray(at)) {
      const i = Number(key);
      if (!Number.isInteger(i) || i < 0 || i >= at.length) {
        throw new SwarmtsError(
          'invalid-argument',
          `template: error calling index: reflect: slice index out of range: ${show(key)}`,
        );
      }
      at = at[i];
    } else if (typeof at === 'object' && at !== null) {
      const name = String(key);
      // A map gives the zero value for a missing key; for the maps people index (labels) that is the empty string.
      at = Object.hasOwn(at, name) ? Reflect.get(at, name) : '';
    } else if (at === undefined || at === null) {
      return '';
    } else
      throw new SwarmtsError(
        'invalid-argument',
        `template: error calling index: can't index item of type ${typeof at}`,
      );
  }
  return at;
}

function length(v: unknown): number {
  if (typeof v === 'string') return Buffer.byteLength(v);
  if (Array.isArray(v)) return v.length;
  if (typeof v === 'object' && v !== null) return Object.keys(v).length;
  if (v === undefined || v === null) return 0;
  throw new SwarmtsError('invalid-argument', `template: error calling len: len of type ${typeof v}`);
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [x, y] = [String(a), String(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** As in Go's fmt: a manager must not fill its memory for a typing error. */
const MAX_WIDTH = 1_000_000;

/** %s %v %d %q %t %f %x with width and precision: what a format for a table line needs. */
function printf(format: unknown, ...args: readonly unknown[]): string {
  let next = 0;
  return textArgument(format, 'printf').replace(
    /%([-0]*)(\d+)?(?:\.(\d+))?([svdqtfx%])/g,
    (_, flags: string, width: string | undefined, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%';
      if (next >= args.length) return `%!${verb}(MISSING)`;
      const v = args[next++];
      const w = Number(width ?? 0);
      if (w > MAX_WIDTH)
        throw new SwarmtsError('invalid-argument', `template: error calling printf: a width is at most ${MAX_WIDTH}`);
      let s = show(v);
      if (verb === 'q') s = JSON.stringify(s);
      if (verb === 'f') s = Number(v).toFixed(precision === undefined ? 6 : Math.min(100, Number(precision)));
      if (verb === 'x') s = typeof v === 'number' ? v.toString(16) : Buffer.from(s).toString('hex');
      if (verb === 's' && precision !== undefined) s = s.slice(0, Number(precision));
      return flags.includes('-') ? s.padEnd(w) : s.padStart(w, flags.includes('0') ? '0' : ' ');
    },
  );
}

/** Go's Sprint: a space between operands when neither is a string. */
function sprint(...args: readonly unknown[]): string {
  return args.reduce<string>((out, v, i) => {
    const gap = i > 0 && typeof v !== 'string' && typeof args[i - 1] !== 'string' ? ' ' : '';
    return out + gap + show(v);
  }, '');
}

export const goFunctions: TemplateFunctions = {
  print: sprint,
  println: (...args) => `${args.map(show).join(' ')}\n`,
  printf,
  len: length,
  index,
  slice: (v, from, to) => {
    const [a, b] = [Number(from ?? 0), to === undefined ? undefined : Number(to)];
    return Array.isArray(v) ? v.slice(a, b) : textArgument(v, 'slice').slice(a, b);
  },
  eq: (a, ...rest) => rest.some((b) => a === b || (a ?? '') === (b ?? '')),
  ne: (a, b) => a !== b,
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  and: (...args) => args.find((v) => !truthy(v)) ?? args.at(-1),
  or: (...args) => args.find(truthy) ?? args.at(-1),
  not: (v) => !truthy(v),
  html: (v) => show(v).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`),
  urlquery: (v) => encodeURIComponent(show(v)),
};
