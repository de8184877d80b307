/**
 * How a Dockerfile cuts words, takes quotes away and puts variables in. Pure. The rules are those of Docker's classic builder:
 * nothing in single quotes is replaced, `$x`, `${x}`, `${x:-default}` and `${x:+other}` are.
 */
import { SwarmtsError } from '@swarmts/lib';

export type Variables = ReadonlyMap<string, string>;

/** Words between unquoted spaces, quotes and escapes still in them. */
export function splitWords(text: string, escapeChar: string): string[] {
  const words: string[] = [];
  let word = '';
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i] ?? '';
    if (c === escapeChar && quote !== "'" && i + 1 < text.length) {
      word += c + (text[++i] ?? '');
      continue;
    }
    if (quote === '' && /\s/.test(c)) {
      if (word !== '') words.push(word);
      word = '';
      continue;
    }
    if (quote === c) quote = '';
    else if (quote === '' && (c === '"' || c === "'")) quote = c;
    word += c;
  }
  if (word !== '') words.push(word);
  return words;
}

/** `key=value` pairs, or the old form `key the rest`. Values still have their quotes. */
export function nameValues(text: string, keyword: string, escapeChar: string): [string, string][] {
  const words = splitWords(text, escapeChar);
  const [first = ''] = words;
  if (!first.includes('=')) {
    const m = /^(\S+)\s+([\s\S]*)$/.exec(text);
    if (!m) throw new SwarmtsError('invalid-argument', `${keyword} must have two arguments`);
    return [[m[1] ?? '', m[2] ?? '']];
  }
  return words.map((w) => {
    const at = w.indexOf('=');
    if (at < 0) {
      throw new SwarmtsError(
        'invalid-argument',
        `Syntax error - can't find = in "${w}". Must be of the form: name=value`,
      );
    }
    return [w.slice(0, at), w.slice(at + 1)];
  });
}

/** The text without its quotes, with variables replaced. */
export function expandWord(text: string, variables: Variables, escapeChar: string): string {
  return new WordReader(text, variables, escapeChar).read('');
}

class WordReader {
  readonly #text: string;
  readonly #variables: Variables;
  readonly #escape: string;
  #at = 0;

  constructor(text: string, variables: Variables, escapeChar: string) {
    this.#text = text;
    this.#variables = variables;
    this.#escape = escapeChar;
  }

  /** Reads up to an unquoted `stop` ('' reads everything). */
  read(stop: string): string {
    let out = '';
    while (this.#at < this.#text.length) {
      const c = this.#text[this.#at] ?? '';
      if (c === stop) return out;
      this.#at++;
      if (c === "'") out += this.#singleQuoted();
      else if (c === '"') out += this.#doubleQuoted();
      else if (c === '$') out += this.#variable();
      else if (c === this.#escape && this.#at < this.#text.length) out += this.#text[this.#at++] ?? '';
      else out += c;
    }
    if (stop !== '') throw this.#bad('missing "}" in substitution');
    return out;
  }

  #singleQuoted(): string {
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) throw this.#bad('unexpected end of statement while looking for matching single-quote');
    const inner = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return inner;
  }

  #doubleQuoted(): string {
    let out = '';
    while (this.#at < this.#text.length) {
      const c = this.#text[this.#at++] ?? '';
      if (c === '"') return out;
      const next = this.#text[this.#at] ?? '';
      if (c === '$') out += this.#variable();
      else if (c === this.#escape && (next === '"' || next === '$' || next === this.#escape)) {
        out += next;
        this.#at++;
      } else out += c;
    }
    throw this.#bad('unexpected end of statement while looking for matching double-quote');
  }

  #variable(): string {
    if (this.#text[this.#at] !== '{') {
      const name = /^([A-Za-z_]\w*|\d|[@*#?$!-])/.exec(this.#text.slice(this.#at))?.[0];
      if (name === undefined) return '$';
      this.#at += name.length;
      return this.#variables.get(name) ?? '';
    }
    this.#at++;
    const name = /^([A-Za-z_]\w*|\d+|[@*#?$!-])/.exec(this.#text.slice(this.#at))?.[0] ?? '';
    this.#at += name.length;
    const value = this.#variables.get(name);
    const c = this.#text[this.#at] ?? '';
    if (name === '') throw this.#bad('bad substitution');
    if (c === '}') {
      this.#at++;
      return value ?? '';
    }
    return this.#modified(name, value);
  }

  /** `:-word`, `:+word`, `:?word` and the same without the colon. */
  #modified(name: string, value: string | undefined): string {
    const m = /^(:?)([-+?])/.exec(this.#text.slice(this.#at));
    if (!m) throw this.#bad(`unsupported modifier (${this.#text.slice(this.#at, this.#at + 1)}) in substitution`);
    this.#at += m[0].length;
    const word = this.read('}');
    this.#at++;
    const isSet = value !== undefined && (m[1] === '' || value !== '');
    if (m[2] === '-') return isSet ? value : word;
    if (m[2] === '+') return isSet ? word : '';
    if (!isSet) throw new SwarmtsError('invalid-argument', `${name}: ${word || 'is not allowed to be unset'}`);
    return value;
  }

  #bad(why: string): SwarmtsError {
    return new SwarmtsError('invalid-argument', `failed to process "${this.#text}": ${why}`);
  }
}
