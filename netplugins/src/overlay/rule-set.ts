/**
 * nftables rules as data: what rarely changes (sets without their elements, chains) apart from what changes with every task (the
 * elements). So a change of one service among ten thousand is a transaction of a few elements. Pure.
 */

/** A set or a map. */
export interface Collection {
  readonly name: string;
  /** "set vteps4 { type ipv4_addr; }" without the elements. */
  readonly declaration: string;
  /** By key; a set's have ''. */
  readonly elements: ReadonlyMap<string, string>;
}

export interface RuleTable {
  readonly family: 'inet' | 'netdev';
  readonly name: string;
  readonly collections: readonly Collection[];
  /** Lines of chains. */
  readonly chains: readonly string[];
}

export type RuleSet = readonly RuleTable[];

export function setOf(name: string, type: string, keys: Iterable<string>): Collection {
  return { name, declaration: `set ${name} { ${type}; }`, elements: new Map([...keys].map((k) => [k, ''])) };
}

export function mapOf(name: string, type: string, entries: Iterable<readonly [string, string]>): Collection {
  return { name, declaration: `map ${name} { ${type}; }`, elements: new Map(entries) };
}

/** Replaces the tables in one transaction, whether or not they are there. */
export function documentOf(rules: RuleSet): string {
  return rules.map(tableText).join('');
}

function tableText(t: RuleTable): string {
  const id = `${t.family} ${t.name}`;
  const body = [...t.collections.map((c) => c.declaration), ...t.chains];
  const lines = [`add table ${id}`, `delete table ${id}`, `table ${id} {`, ...body.map((line) => `  ${line}`), '}'];
  const elements = t.collections.map((c) => elementText('add', t, c.name, c.elements));
  return `${lines.join('\n')}\n${elements.join('')}`;
}

/** The transaction that leads from one to the other: '' when they are equal, undefined when only a whole document does. */
export function changeBetween(before: RuleSet, after: RuleSet): string | undefined {
  if (!after.every((t, i) => sameFrame(before[i], t)) || before.length !== after.length) return undefined;
  const [gone, come]: [string[], string[]] = [[], []];
  for (const [i, table] of after.entries()) {
    for (const [j, c] of table.collections.entries()) {
      const known = before[i]?.collections[j]?.elements ?? new Map<string, string>();
      gone.push(elementText('delete', table, c.name, different(known, c.elements)));
      come.push(elementText('add', table, c.name, different(c.elements, known)));
    }
  }
  return [...gone, ...come].join('');
}

function sameFrame(a: RuleTable | undefined, b: RuleTable): boolean {
  return (
    a?.name === b.name &&
    a.family === b.family &&
    sameLines(a.chains, b.chains) &&
    sameLines(
      a.collections.map((c) => c.declaration),
      b.collections.map((c) => c.declaration),
    )
  );
}

function sameLines(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((line, i) => line === b[i]);
}

/** Elements of `a` that `b` has not, or has with another value. */
function different(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...a].filter(([key, value]) => b.get(key) !== value));
}

function elementText(
  verb: 'add' | 'delete',
  table: RuleTable,
  name: string,
  elements: ReadonlyMap<string, string>,
): string {
  if (elements.size === 0) return '';
  const list = [...elements].map(([key, value]) => (verb === 'delete' || value === '' ? key : `${key} : ${value}`));
  return `${verb} element ${table.family} ${table.name} ${name} { ${list.join(', ')} }\n`;
}

export function chain(name: string, hook: string, rules: readonly string[]): string[] {
  return [`chain ${name} {`, ...(hook === '' ? [] : [`  ${hook}`]), ...rules.map((r) => `  ${r}`), '}'];
}
