/** A YAML file as values, with the line of every one of them, so that whatever is wrong with it can be found. */
import { isAlias, isMap, isNode, isScalar, LineCounter, parseDocument, type ScalarTag, visit } from 'yaml';
import { CommandError } from '../exit.js';

export type Path = readonly (string | number)[];

/** More aliases than any file has that a person wrote; a few lines of nested ones could fill the memory. */
const MAX_ALIASES = 1000;

/** Docker reads numbers with a leading zero as YAML 1.1 had them: files name modes such as 0440. */
const OLD_OCTAL: ScalarTag = {
  default: true,
  tag: 'tag:yaml.org,2002:int',
  format: 'OCT',
  test: /^[-+]?0[0-7]+$/,
  resolve: (text) => Number.parseInt(text, 8),
};

export class ComposeDocument {
  readonly file: string;
  readonly value: unknown;
  /** Paths whose value replaces what is merged below it (`!override`), or takes it away (`!reset`). */
  readonly overrides: ReadonlySet<string>;
  readonly resets: ReadonlySet<string>;
  readonly #lines: ReadonlyMap<string, number>;

  private constructor(
    file: string,
    value: unknown,
    marks: { readonly overrides: ReadonlySet<string>; readonly resets: ReadonlySet<string> },
    lines: ReadonlyMap<string, number>,
  ) {
    this.file = file;
    this.value = value;
    this.overrides = marks.overrides;
    this.resets = marks.resets;
    this.#lines = lines;
  }

  /** Throws CommandError with file and line for what is not YAML. */
  static parse(file: string, text: string): ComposeDocument {
    const counter = new LineCounter();
    const doc = parseDocument(text, {
      lineCounter: counter,
      merge: true,
      uniqueKeys: true,
      logLevel: 'error',
      customTags: (tags) => [OLD_OCTAL, ...tags],
    });
    const [error] = doc.errors;
    if (error) {
      const at = error.linePos?.[0].line ?? 1;
      throw new CommandError(
        `${file}:${at}: ${error.message.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '')}`,
      );
    }
    const overrides = new Set<string>();
    const resets = new Set<string>();
    const lines = new Map<string, number>();
    visit(doc, {
      Node(key, node, ancestors) {
        const path = pathOf(ancestors, key, node);
        if (path === undefined) return;
        const id = pathId(path);
        if (node.range && !lines.has(id)) lines.set(id, counter.linePos(node.range[0]).line);
        if (node.tag === '!reset') resets.add(id);
        if (node.tag === '!override') overrides.add(id);
      },
    });
    try {
      return new ComposeDocument(file, doc.toJS({ maxAliasCount: MAX_ALIASES }), { overrides, resets }, lines);
    } catch (e) {
      throw new CommandError(`${file}: ${e instanceof Error ? e.message : e}`);
    }
  }

  /** "compose.yaml:12", of the value at the path or the nearest one above that has a place in the file. */
  where(path: Path): string {
    for (let n = path.length; n >= 0; n--) {
      const line = this.#lines.get(pathId(path.slice(0, n)));
      if (line !== undefined) return `${this.file}:${line}`;
    }
    return this.file;
  }
}

export const pathId = (path: Path): string => path.join('\u0000');

/** Where a node is, in terms of the plain value; undefined for keys of maps. */
function pathOf(ancestors: readonly unknown[], key: unknown, node: unknown): Path | undefined {
  if (key === 'key' || isAlias(node)) return undefined;
  const path: (string | number)[] = [];
  const chain = [...ancestors, node];
  for (let i = 0; i < chain.length - 1; i++) {
    const [parent, child] = [chain[i], chain[i + 1]];
    if (isPair(parent)) {
      const name = isScalar(parent.key) ? parent.key.value : undefined;
      path.push(String(name));
    } else if (isNode(parent) && 'items' in parent && Array.isArray(parent.items) && !isMap(parent)) {
      path.push(parent.items.indexOf(child));
    }
  }
  return path;
}

function isPair(value: unknown): value is { readonly key: unknown } {
  return typeof value === 'object' && value !== null && 'key' in value && 'value' in value && !isNode(value);
}
