/**
 * What a flag is: its type as the help shows it, how its text becomes a value, and what it is when absent. The messages
 * are those that users of Docker's command line know (Go's strconv and time).
 */
import { CommandError } from '../exit.js';

export interface Flag<T> {
  /** Shown after the name in the help; '' for booleans. */
  readonly type: string;
  readonly help: string;
  readonly short?: string;
  readonly hidden?: boolean;
  /** Shown as "(default ...)". */
  readonly defaultText?: string;
  readonly initial: T;
  /** The value when the flag stands alone, without "=value" and without taking the next word. */
  readonly alone?: string;
  /** Words that completion offers. */
  readonly choices?: readonly string[];
  parse(text: string, before: T): T;
}

// The parser treats flags of all types alike; the values come back typed through FlagValues.
export type AnyFlag = Flag<unknown>;
export type FlagTable = Readonly<Record<string, unknown>>;
export type FlagValues<F> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never };

export interface FlagOptions {
  readonly short?: string;
  readonly hidden?: boolean;
  readonly type?: string;
  readonly choices?: readonly string[];
  /** Overrides the "(default ...)" of the help. */
  readonly defaultText?: string;
}

export function bool(help: string, o: FlagOptions & { readonly initial?: boolean } = {}): Flag<boolean> {
  const initial = o.initial ?? false;
  return {
    ...o,
    type: '',
    help,
    initial,
    alone: 'true',
    parse: parseBool,
    ...(initial ? { defaultText: 'true' } : {}),
  };
}

/** A boolean that also knows "not given". */
export function optionalBool(help: string, o: FlagOptions = {}): Flag<boolean | undefined> {
  return { ...o, type: '', help, initial: undefined, alone: 'true', parse: parseBool };
}

export function text(help: string, o: FlagOptions & { readonly initial?: string } = {}): Flag<string> {
  const initial = o.initial ?? '';
  return {
    ...o,
    type: o.type ?? 'string',
    help,
    initial,
    parse: (t) => t,
    ...(o.defaultText !== undefined || initial === '' ? {} : { defaultText: JSON.stringify(initial) }),
  };
}

/** A value that is undefined when the flag is not given. */
export function optional<T>(
  type: string,
  help: string,
  parse: (text: string) => T,
  o: FlagOptions = {},
): Flag<T | undefined> {
  return { ...o, type: o.type ?? type, help, initial: undefined, parse: (t) => parse(t) };
}

export const optionalText = (help: string, o: FlagOptions = {}): Flag<string | undefined> =>
  optional('string', help, (t) => t, o);
export const optionalUint = (help: string, o: FlagOptions = {}): Flag<number | undefined> =>
  optional('uint', help, parseUint, o);
export const optionalInt = (help: string, o: FlagOptions = {}): Flag<number | undefined> =>
  optional('int', help, parseInteger, o);
export const optionalFloat = (help: string, o: FlagOptions = {}): Flag<number | undefined> =>
  optional('float', help, parseFloat64, o);

/** A flag that may be repeated; each use adds one parsed value. */
export function list<T>(
  type: string,
  help: string,
  parse: (text: string) => T,
  o: FlagOptions = {},
): Flag<readonly T[]> {
  return { ...o, type, help, initial: [], parse: (t, before) => [...before, parse(t)] };
}

export const texts = (help: string, o: FlagOptions = {}): Flag<readonly string[]> =>
  list(o.type ?? 'list', help, (t) => t, o);

/** `key=value`, the shape that every `--filter` needs. */
export const filters = (help = 'Filter output based on conditions provided'): Flag<readonly string[]> =>
  list('filter', help, parseFilter, { short: 'f' });

function parseFilter(t: string): string {
  if (!t.includes('=')) throw new Error('bad format of filter (expected name=value)');
  return t;
}

export function parseBool(t: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(t)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(t)) return false;
  throw numberError('ParseBool', t, 'invalid syntax');
}

/** Base prefixes as Go's base 0 knows them. */
const INTEGER = /^(0x[0-9a-f]+|0b[01]+|0o[0-7]+|\d+)$/i;

export function parseUint(t: string): number {
  if (!INTEGER.test(t)) throw numberError('ParseUint', t, 'invalid syntax');
  const n = Number(t);
  if (!Number.isSafeInteger(n)) throw numberError('ParseUint', t, 'value out of range');
  return n;
}

export function parseInteger(t: string): number {
  const digits = t.replace(/^[+-]/, '');
  if (!INTEGER.test(digits)) throw numberError('ParseInt', t, 'invalid syntax');
  const n = Number(digits);
  if (!Number.isSafeInteger(n)) throw numberError('ParseInt', t, 'value out of range');
  return t.startsWith('-') ? -n : n;
}

export function parseFloat64(t: string): number {
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(t)) throw numberError('ParseFloat', t, 'invalid syntax');
  return Number(t);
}

function numberError(what: string, t: string, why: string): Error {
  return new CommandError(`strconv.${what}: parsing ${JSON.stringify(t)}: ${why}`);
}
