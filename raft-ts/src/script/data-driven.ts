// Files of commands with their expected output, in the format of the Go library datadriven, which etcd's Raft uses:
//
//   # a comment
//   command argument key=value list=(a,b)
//   any lines of input
//   ----
//   expected output, up to a blank line
//
// Output that contains blank lines is enclosed in two lines of `----` before and after it. A command line that ends in a
// backslash goes on in the next line.

const SEPARATOR = '----';

/** A file that cannot be run; the message begins with `file:line`. */
export class ScriptError extends Error {
  override readonly name = 'ScriptError';

  constructor(place: Place, problem: string, options?: ErrorOptions) {
    super(`${place.file}:${place.line}: ${problem}`, options);
  }
}

export interface Place {
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
}

export interface Argument {
  readonly key: string;
  /** Empty for an argument without `=`. */
  readonly values: readonly string[];
}

export interface Directive {
  readonly place: Place;
  readonly command: string;
  readonly args: readonly Argument[];
  /** The lines between command and separator, without white space around. */
  readonly input: string;
  /** Each line with its newline. */
  readonly expected: string;
  /** The lines of the file before the separator that belong to no earlier directive: comments, command and input. */
  readonly source: readonly string[];
}

export interface Script {
  readonly file: string;
  readonly directives: readonly Directive[];
  /** Comments after the last directive. */
  readonly rest: readonly string[];
}

class Lines {
  readonly #lines: readonly string[];
  readonly #file: string;
  #at = 0;

  constructor(file: string, text: string) {
    this.#file = file;
    this.#lines = text.endsWith('\n') ? text.slice(0, -1).split('\n') : text.split('\n');
  }

  /** Of the line taken last. */
  get place(): Place {
    return { file: this.#file, line: this.#at };
  }

  take(): string | undefined {
    const line = this.#lines[this.#at];
    if (line !== undefined) this.#at += 1;
    return line;
  }
}

/** Throws a ScriptError for what is not in the format. */
export function parseScript(file: string, text: string): Script {
  const lines = new Lines(file, text);
  const directives: Directive[] = [];
  let source: string[] = [];
  for (let line = lines.take(); line !== undefined; line = lines.take()) {
    source.push(line);
    if (line.trim() === '' || line.trim().startsWith('#')) continue;
    directives.push(readDirective(lines, line.trim(), source));
    source = [];
  }
  while (source.at(-1)?.trim() === '') source.pop();
  return { file, directives, rest: source };
}

function readDirective(lines: Lines, first: string, source: string[]): Directive {
  const { place } = lines;
  let text = first;
  while (text.endsWith('\\')) {
    const next = lines.take();
    if (next === undefined) throw new ScriptError(place, 'the command ends in a backslash and the file with it');
    source.push(next);
    text = `${text.slice(0, -1)} ${next.trim()}`;
  }
  const [head, ...args] = splitArguments(text, place);
  if (head === undefined || head.values.length > 0)
    throw new ScriptError(place, `"${text}" does not begin with a command`);
  const input: string[] = [];
  for (;;) {
    const line = lines.take();
    if (line === undefined) throw new ScriptError(place, `"${head.key}" is not followed by ${SEPARATOR}`);
    if (line === SEPARATOR) break;
    source.push(line);
    input.push(line);
  }
  return { place, command: head.key, args, input: input.join('\n').trim(), expected: readExpected(lines), source };
}

/** A word, `key=value`, or `key=(values)`. */
const ARGUMENT = /^([^\s=()]+)(?:=(\([^)]*\)|[^\s()]*))?(?:\s+|$)/;

function splitArguments(text: string, place: Place): Argument[] {
  const args: Argument[] = [];
  for (let rest = text.trim(); rest.length > 0; ) {
    const match = ARGUMENT.exec(rest);
    const [whole, key, value] = match ?? [];
    if (whole === undefined || key === undefined) throw new ScriptError(place, `cannot read "${rest}"`);
    args.push({ key, values: value === undefined ? [] : splitValues(value) });
    rest = rest.slice(whole.length);
  }
  return args;
}

function splitValues(value: string): string[] {
  if (!value.startsWith('(')) return [value];
  return value
    .slice(1, -1)
    .split(/[\s,]+/)
    .filter((each) => each.length > 0);
}

function readExpected(lines: Lines): string {
  const expected: string[] = [];
  let line = lines.take();
  if (line === SEPARATOR) return readWithBlankLines(lines);
  for (; line !== undefined && line.trim() !== ''; line = lines.take()) expected.push(line);
  return toText(expected);
}

function readWithBlankLines(lines: Lines): string {
  const { place } = lines;
  const expected: string[] = [];
  for (let line = lines.take(); line !== undefined; line = lines.take()) {
    if (line === SEPARATOR && expected.at(-1) === SEPARATOR) {
      expected.pop();
      const after = lines.take();
      if (after !== undefined && after.trim() !== '')
        throw new ScriptError(lines.place, 'a blank line must follow the output');
      return toText(expected);
    }
    expected.push(line);
  }
  throw new ScriptError(place, `the output is not closed by two lines of ${SEPARATOR}`);
}

function toText(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

/** What a command printed, as it is expected in a file: each line with its newline. */
export function normalizeOutput(output: string): string {
  return output === '' || output.endsWith('\n') ? output : `${output}\n`;
}

/** The file's text with `outputs` (one per directive) as what is expected. */
export function formatScript(script: Script, outputs: readonly string[]): string {
  const parts: string[] = [];
  for (const [at, directive] of script.directives.entries()) {
    const output = normalizeOutput(outputs[at] ?? '');
    const hasBlankLine = output
      .split('\n')
      .slice(0, -1)
      .some((line) => line.trim() === '');
    const [before, after] = hasBlankLine
      ? [`${SEPARATOR}\n${SEPARATOR}\n`, `${SEPARATOR}\n${SEPARATOR}\n`]
      : [`${SEPARATOR}\n`, ''];
    const isLast = at === script.directives.length - 1 && script.rest.length === 0;
    parts.push(toText(directive.source), before, output, after, isLast ? '' : '\n');
  }
  parts.push(toText(script.rest));
  return parts.join('');
}
