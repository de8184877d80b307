/**
 * Reads the part of Go's template language that people use in `--format` and in placeholders: fields, functions, pipes, variables, if, with,
 * range. The result is a plain tree; nothing is evaluated here. Errors name the place in the template.
 */
import { SwarmtsError } from './errors.js';

export type Operand =
  | { readonly kind: 'dot' }
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'literal'; readonly value: string | number | boolean | null }
  | { readonly kind: 'call'; readonly name: string }
  | { readonly kind: 'pipe'; readonly pipe: Pipeline };
export interface Term {
  readonly operand: Operand;
  readonly fields: readonly string[];
}
/** The first term is what is called when it is a function or a method; the others are its arguments. */
export type PipeCommand = readonly Term[];
export interface Pipeline {
  readonly declares: readonly string[];
  readonly assigns: boolean;
  readonly commands: readonly PipeCommand[];
}
export type TemplateNode =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipe: Pipeline }
  | {
      readonly kind: 'if' | 'with' | 'range';
      readonly pipe: Pipeline;
      readonly body: readonly TemplateNode[];
      readonly otherwise: readonly TemplateNode[];
    };

/** How deep blocks and parentheses may nest; beyond it a template is a mistake. */
const MAX_DEPTH = 64;

type Piece = { readonly text: string } | { readonly action: string };

function failure(why: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', `template parsing error: template: :1: ${why}`);
}

function pieces(source: string): Piece[] {
  const out: Piece[] = [];
  let at = 0;
  let trimNext = false;
  while (at < source.length) {
    const open = source.indexOf('{{', at);
    let text = source.slice(at, open < 0 ? undefined : open);
    if (trimNext) text = text.trimStart();
    const trimHere = open >= 0 && /^\{\{-\s/.test(source.slice(open, open + 4));
    if (trimHere) text = text.trimEnd();
    if (text !== '') out.push({ text });
    if (open < 0) break;
    const close = closing(source, open + 2);
    let inner = source.slice(open + 2 + (trimHere ? 1 : 0), close);
    trimNext = /\s-$/.test(inner);
    if (trimNext) inner = inner.slice(0, -1);
    inner = inner.trim();
    if (!(inner.startsWith('/*') && inner.endsWith('*/'))) out.push({ action: inner });
    at = close + 2;
  }
  return out;
}

/** The index of the `}}` that ends the action; quotes hide braces. */
function closing(source: string, from: number): number {
  let quote = '';
  for (let i = from; i < source.length; i++) {
    const c = source.charAt(i);
    if (quote !== '') {
      if (c === '\\' && quote === '"') i++;
      else if (c === quote) quote = '';
    } else if (c === '"' || c === '`') quote = c;
    else if (source.startsWith('}}', i)) return i;
  }
  throw failure('unclosed action');
}

const TOKEN =
  /\s+|"(?:[^"\\]|\\[\s\S])*"|`[^`]*`|:=|[=|(),]|\.(?![A-Za-z_])|(?:\.[A-Za-z_]\w*)+|\$\w*(?:\.[A-Za-z_]\w*)*|-?\d+(?:\.\d+)?|[A-Za-z_]\w*/y;

function tokens(action: string): string[] {
  const out: string[] = [];
  let at = 0;
  while (at < action.length) {
    TOKEN.lastIndex = at;
    const m = TOKEN.exec(action);
    if (!m) throw failure(`unexpected ${JSON.stringify(action.charAt(at))} in operand`);
    if (m[0].trim() !== '') out.push(m[0]);
    // A field after a closing parenthesis belongs to it only when nothing is between them.
    else if (out.length > 0) out.push(' ');
    at += m[0].length;
  }
  return out;
}

class ActionReader {
  readonly #tokens: readonly string[];
  #at = 0;
  #depth = 0;

  constructor(action: string) {
    this.#tokens = tokens(action);
  }

  #peek(): string | undefined {
    return this.#tokens[this.#at];
  }

  #skipSpace(): void {
    while (this.#peek() === ' ') this.#at++;
  }

  /** One word that is not part of a pipeline: if, range, else, end. */
  keyword(): string | undefined {
    this.#skipSpace();
    const t = this.#peek();
    if (t === undefined || !['if', 'with', 'range', 'else', 'end'].includes(t)) return undefined;
    this.#at++;
    this.#skipSpace();
    return t;
  }

  atEnd(): boolean {
    this.#skipSpace();
    return this.#peek() === undefined;
  }

  pipeline(): Pipeline {
    if (++this.#depth > MAX_DEPTH) throw failure('too many nested parentheses');
    const { declares, assigns } = this.#declaration();
    const commands: PipeCommand[] = [this.#command()];
    this.#skipSpace();
    while (this.#peek() === '|') {
      this.#at++;
      commands.push(this.#command());
      this.#skipSpace();
    }
    this.#depth--;
    return { declares, assigns, commands };
  }

  #declaration(): { declares: string[]; assigns: boolean } {
    const start = this.#at;
    const names: string[] = [];
    for (;;) {
      this.#skipSpace();
      const t = this.#peek();
      if (t === undefined || !/^\$\w+$/.test(t)) break;
      names.push(t);
      this.#at++;
      this.#skipSpace();
      const next = this.#peek();
      if (next === ',') {
        this.#at++;
        continue;
      }
      if (next === ':=' || next === '=') {
        this.#at++;
        return { declares: names, assigns: next === '=' };
      }
      break;
    }
    this.#at = start;
    return { declares: [], assigns: false };
  }

  #command(): PipeCommand {
    const terms: Term[] = [];
    for (;;) {
      this.#skipSpace();
      const t = this.#peek();
      if (t === undefined || t === '|' || t === ')') break;
      terms.push(this.#term(t));
    }
    if (terms.length === 0) throw failure('missing value for command');
    return terms;
  }

  #term(t: string): Term {
    this.#at++;
    if (t === '(') {
      const pipe = this.pipeline();
      this.#skipSpace();
      if (this.#peek() !== ')') throw failure('unclosed left paren');
      this.#at++;
      const next = this.#peek();
      const fields = next !== undefined && /^\.\w/.test(next) ? next.slice(1).split('.') : [];
      if (fields.length > 0) this.#at++;
      return { operand: { kind: 'pipe', pipe }, fields };
    }
    if (t === '.') return { operand: { kind: 'dot' }, fields: [] };
    if (t.startsWith('.')) return { operand: { kind: 'dot' }, fields: t.slice(1).split('.') };
    if (t.startsWith('$')) {
      const [name = '$', ...fields] = t.split('.');
      return { operand: { kind: 'variable', name }, fields };
    }
    return { operand: literalOrCall(t), fields: [] };
  }
}

function literalOrCall(t: string): Operand {
  if (t.startsWith('"')) return { kind: 'literal', value: unquote(t) };
  if (t.startsWith('`')) return { kind: 'literal', value: t.slice(1, -1) };
  if (/^-?\d/.test(t)) return { kind: 'literal', value: Number(t) };
  if (t === 'true' || t === 'false') return { kind: 'literal', value: t === 'true' };
  if (t === 'nil') return { kind: 'literal', value: null };
  if (/^[A-Za-z_]/.test(t)) return { kind: 'call', name: t };
  throw failure(`unexpected ${JSON.stringify(t)} in operand`);
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', '"': '"', '\\': '\\', "'": "'" };

function unquote(t: string): string {
  return t.slice(1, -1).replace(/\\([\s\S])/g, (whole, c: string) => ESCAPES[c] ?? whole);
}

export function parseTemplate(source: string): readonly TemplateNode[] {
  const all = pieces(source);
  let at = 0;

  /** Reads up to the `end` or `else` that closes this block. */
  const block = (depth: number): { nodes: TemplateNode[]; closedBy: ActionReader | undefined; word: string } => {
    if (depth > MAX_DEPTH) throw failure('blocks are nested too deeply');
    const nodes: TemplateNode[] = [];
    while (at < all.length) {
      const piece = all[at++];
      if (piece === undefined) break;
      if ('text' in piece) {
        nodes.push({ kind: 'text', text: piece.text });
        continue;
      }
      const reader = new ActionReader(piece.action);
      const word = reader.keyword();
      if (word === 'end' || word === 'else') return { nodes, closedBy: reader, word };
      if (word === 'if' || word === 'with' || word === 'range') nodes.push(control(word, reader, depth));
      else nodes.push({ kind: 'action', pipe: whole(reader) });
    }
    return { nodes, closedBy: undefined, word: '' };
  };

  const control = (kind: 'if' | 'with' | 'range', reader: ActionReader, depth: number): TemplateNode => {
    const pipe = whole(reader);
    const body = block(depth + 1);
    if (!body.closedBy) throw failure('unexpected EOF');
    if (body.word === 'end') return { kind, pipe, body: body.nodes, otherwise: [] };
    const chained = body.closedBy.keyword();
    if (chained === 'if' || chained === 'with') {
      return { kind, pipe, body: body.nodes, otherwise: [control(chained, body.closedBy, depth + 1)] };
    }
    const otherwise = block(depth + 1);
    if (otherwise.word !== 'end') throw failure('unexpected EOF');
    return { kind, pipe, body: body.nodes, otherwise: otherwise.nodes };
  };

  const top = block(0);
  if (top.closedBy) throw failure(`unexpected {{${top.word}}}`);
  return top.nodes;
}

function whole(reader: ActionReader): Pipeline {
  const pipe = reader.pipeline();
  if (!reader.atEnd()) throw failure('unexpected right paren');
  return pipe;
}
