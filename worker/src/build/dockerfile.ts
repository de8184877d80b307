/**
 * A Dockerfile as a list of instructions. `dockerfile-ast` says where each instruction is, what its keyword and flags are and
 * how lines are continued; the text of an instruction is then read as Docker reads it, without comments and with its lines
 * joined, because words are cut differently for each keyword.
 */
import { SwarmtsError } from '@swarmts/lib';
import { DockerfileParser, type ModifiableInstruction } from 'dockerfile-ast';

export interface Instruction {
  /** Upper case. */
  readonly keyword: string;
  readonly flags: ReadonlyMap<string, string>;
  /** What follows keyword and flags, on one line. */
  readonly text: string;
  /** Names and values that were not given as text, which could not name everything: instead of those in it. */
  readonly pairs?: readonly (readonly [string, string])[];
  /** The whole instruction on one line, as a build prints it. */
  readonly original: string;
  /** Counted from 1. */
  readonly line: number;
}

export interface ParsedDockerfile {
  readonly instructions: readonly Instruction[];
  readonly escapeChar: string;
}

/** As Docker's builder: more is no Dockerfile. */
const MAX_BYTES = 16 << 20;
const KEYWORDS = new Set([
  ...['ADD', 'ARG', 'CMD', 'COPY', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'FROM', 'HEALTHCHECK', 'LABEL', 'MAINTAINER'],
  ...['ONBUILD', 'RUN', 'SHELL', 'STOPSIGNAL', 'USER', 'VOLUME', 'WORKDIR'],
]);
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  FROM: ['platform'],
  COPY: ['from', 'chown', 'chmod', 'link', 'parents', 'exclude'],
  ADD: ['chown', 'chmod', 'link', 'checksum', 'keep-git-dir', 'exclude'],
  RUN: ['mount', 'network', 'security', 'device'],
  HEALTHCHECK: ['interval', 'timeout', 'start-period', 'start-interval', 'retries'],
};
const ONE_ARGUMENT = new Set(['USER', 'WORKDIR', 'STOPSIGNAL', 'MAINTAINER']);
/** Understood by other builders alone. */
const NEEDS_BUILDKIT = new Set([
  'link',
  'parents',
  'exclude',
  'checksum',
  'keep-git-dir',
  'mount',
  'network',
  'security',
  'device',
]);

export function parseDockerfile(content: string): ParsedDockerfile {
  if (content.length > MAX_BYTES) throw bad(`the Dockerfile is larger than ${MAX_BYTES} bytes`);
  const text = content.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n');
  const document = DockerfileParser.parse(text);
  const escapeChar = document.getEscapeCharacter();
  const lines = text.split('\n');
  const instructions = document.getInstructions().map((i) => {
    const { start, end } = i.getRange();
    const raw = rangeText(lines, start, end);
    if (
      i.getKeyword() !== 'ONBUILD' &&
      /^\s*(RUN|COPY|ADD)\b.*<<-?['"]?[A-Za-z_]/i.test(raw.split('\n')[0] ?? '') &&
      hasHeredoc(i)
    ) {
      throw bad(
        `dockerfile line ${start.line + 1}: here-documents are not supported by this builder: write a script and COPY it`,
      );
    }
    return instructionOf(joinLines(raw, escapeChar), start.line + 1);
  });
  if (instructions.length === 0) throw bad('file with no instructions');
  return { instructions, escapeChar };
}

/** One instruction on one line: what ONBUILD keeps, and `--change` of commit and import. */
export function parseInstruction(text: string): Instruction {
  return instructionOf(text.trim(), 1);
}

function instructionOf(original: string, line: number): Instruction {
  const word = /^\S+/.exec(original)?.[0] ?? '';
  const keyword = word.toUpperCase();
  if (!KEYWORDS.has(keyword)) throw bad(`dockerfile parse error on line ${line}: unknown instruction: ${word}`);
  const [flags, text] = takeFlags(original.slice(word.length).trim(), FLAGS[keyword] ?? [], keyword, line);
  if (text === '' && keyword !== 'CMD' && keyword !== 'ENTRYPOINT') {
    const count = ONE_ARGUMENT.has(keyword) ? 'exactly' : 'at least';
    throw bad(`dockerfile parse error on line ${line}: ${keyword} requires ${count} one argument`);
  }
  return { keyword, flags, text, original, line };
}

function takeFlags(
  rest: string,
  known: readonly string[],
  keyword: string,
  line: number,
): [ReadonlyMap<string, string>, string] {
  const flags = new Map<string, string>();
  let text = rest;
  if (known.length === 0) return [flags, text];
  for (let m = /^--(\S*)(?:\s+|$)/.exec(text); m; m = /^--(\S*)(?:\s+|$)/.exec(text)) {
    text = text.slice(m[0].length);
    const [name = '', value = ''] = splitOnce(m[1] ?? '', '=');
    if (name === '') break;
    if (!known.includes(name)) throw bad(`dockerfile parse error on line ${line}: Unknown flag: ${name}`);
    if (NEEDS_BUILDKIT.has(name)) {
      throw bad(
        `dockerfile line ${line}: the --${name} option of ${keyword} requires BuildKit, which this daemon does not have`,
      );
    }
    if (flags.has(name)) throw bad(`dockerfile parse error on line ${line}: Duplicate flag specified: ${name}`);
    flags.set(name, value);
  }
  return [flags, text];
}

function hasHeredoc(i: object): boolean {
  return (
    'getHeredocs' in i &&
    typeof i.getHeredocs === 'function' &&
    (i as ModifiableInstruction & { getHeredocs(): unknown[] }).getHeredocs().length > 0
  );
}

/** Comment lines in the middle and empty ones vanish; a line that ends with the escape character goes on. */
function joinLines(raw: string, escapeChar: string): string {
  const continued = new RegExp(`\\${escapeChar}[ \\t]*$`);
  const lines = raw.split('\n').filter((l, i) => i === 0 || !/^\s*(#|$)/.test(l));
  return lines
    .map((l) => l.replace(continued, ''))
    .join('')
    .trim();
}

interface Position {
  readonly line: number;
  readonly character: number;
}

function rangeText(lines: readonly string[], start: Position, end: Position): string {
  return lines
    .slice(start.line, end.line + 1)
    .map((l, i) => l.slice(i === 0 ? start.character : 0, start.line + i === end.line ? end.character : undefined))
    .join('\n');
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function bad(message: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', message);
}
