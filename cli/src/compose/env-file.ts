/**
 * Files of variables (`env_file`, `label_file`, `.env`): NAME=VALUE or NAME: VALUE by line. Values without quotes and in double
 * quotes have variables filled in, of earlier lines or of the caller; those in single quotes are taken as they are. A name alone
 * has the caller's value. Source: the Compose Specification's env-file format. Pure.
 */
import { errorText } from '../exit.js';
import { interpolate, type Variables } from './interpolate.js';

const NAME = /(?:export[ \t]+)?([\p{L}_][\p{L}\d_.[\]-]*)[ \t]*([=:])?/uy;
const SINGLE = /[ \t]*'((?:[^'\\]|\\[\s\S])*)'/y;
const DOUBLE = /[ \t]*"((?:[^"\\]|\\[\s\S])*)"/y;
const REST_OF_LINE = /[^\n]*/y;
const NOTHING = /(?:\s|#[^\n]*)*/y;

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  f: '\f',
  b: '\b',
  a: '\x07',
  $: '$$',
};

/** Throws Error that begins with the line's number. */
export function parseVariables(text: string, caller: Variables): Record<string, string> {
  const source = text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  const found = new Map<string, string>();
  const variables: Variables = (name) => found.get(name) ?? caller(name);
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const m = pattern.exec(source) ?? undefined;
    if (m) at = pattern.lastIndex;
    return m;
  };
  const value = (): string => {
    const single = take(SINGLE)?.[1];
    if (single !== undefined) return single.replaceAll("\\'", "'");
    const double = take(DOUBLE)?.[1];
    if (double !== undefined) return interpolate(unescaped(double), variables, () => {});
    const bare = (take(REST_OF_LINE)?.[0] ?? '').replace(/[ \t]+#.*$/, '').trim();
    if (/^['"]/.test(bare)) throw new Error(`the quote that ${bare} begins with is not closed`);
    return interpolate(bare, variables, () => {});
  };
  for (take(NOTHING); at < source.length; take(NOTHING)) {
    const line = source.slice(0, at).split('\n').length;
    try {
      const m = take(NAME);
      const [, name = '', delimiter] = m ?? [];
      const inherited = delimiter === undefined ? caller(name) : undefined;
      if (!m) throw new Error(`a variable's name begins with a letter or _: ${take(REST_OF_LINE)?.[0]}`);
      if (delimiter !== undefined) found.set(name, value());
      else if (inherited !== undefined) found.set(name, inherited);
      endOfLine(take(REST_OF_LINE)?.[0] ?? '');
    } catch (e) {
      throw new Error(`line ${line}: ${errorText(e)}`);
    }
  }
  return Object.fromEntries(found);
}

/** Every line as it is, from the first = on: `format: raw`. */
export function parseRawVariables(text: string, caller: Variables): Record<string, string> {
  const lines = text.split(/\r?\n/).filter((l) => l.trim() !== '' && !l.trimStart().startsWith('#'));
  return Object.fromEntries(
    lines.flatMap((l) => {
      const at = l.indexOf('=');
      const [name, value] = at < 0 ? [l, caller(l)] : [l.slice(0, at), l.slice(at + 1)];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}

function unescaped(text: string): string {
  return text.replace(/\\([\s\S])/g, (all, c: string) => ESCAPES[c] ?? (c === '"' || c === '\\' ? c : all));
}

function endOfLine(rest: string): void {
  if (!/^[ \t]*(#.*)?$/.test(rest)) throw new Error(`unexpected text: ${rest.trim()}`);
}
