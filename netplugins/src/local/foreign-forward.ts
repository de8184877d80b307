/**
 * Other people's forward chains. A packet must pass every table, so an accept of ours does not help where a foreign chain
 * drops (Docker and most firewalls set policy drop). There, and only there, marked rules let the legs' traffic through;
 * the comment is how they are found again and removed.
 */
import type { Logger } from '@swarmts/lib';
import type { NetExecutor } from '../net-executor.js';

export interface ForeignChain {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly policy: string;
}

/** Rules of a table's chains, by their names. */
export type TableRules = ReadonlyMap<string, readonly string[]>;

export interface ForeignForwardOptions {
  readonly executor: Pick<NetExecutor, 'nft' | 'nftList'>;
  readonly isOurs: (table: string) => boolean;
  /** Of the legs' names. */
  readonly ifacePrefix: string;
  /** The mark of our rules. */
  readonly comment: string;
  readonly logger: Logger;
}

export class ForeignForward {
  readonly #o: ForeignForwardOptions;

  constructor(options: ForeignForwardOptions) {
    this.#o = options;
  }

  /** Lets the legs' traffic pass where it may be dropped. True when a rule had to be inserted. */
  async open(): Promise<boolean> {
    const { comment, ifacePrefix, logger } = this.#o;
    const commands: string[] = [];
    for (const { chain, rules } of await this.#chains()) {
      if (markedHandles(rules.get(chain.chain) ?? [], comment).length > 0 || !drops(chain, rules)) continue;
      logger.info('a foreign forward chain drops: traffic of containers is let through', { ...chain });
      commands.push(...acceptCommands(chain, ifacePrefix, comment));
    }
    return this.#run(commands);
  }

  /** Takes our rules back. */
  async close(): Promise<void> {
    const commands: string[] = [];
    for (const { chain, rules } of await this.#chains()) {
      commands.push(...deleteCommands(chain, markedHandles(rules.get(chain.chain) ?? [], this.#o.comment)));
    }
    await this.#run(commands);
  }

  async #run(commands: readonly string[]): Promise<boolean> {
    if (commands.length > 0) await this.#o.executor.nft(`${commands.join('\n')}\n`);
    return commands.length > 0;
  }

  async #chains(): Promise<readonly { readonly chain: ForeignChain; readonly rules: TableRules }[]> {
    const { executor, isOurs, logger } = this.#o;
    const found: { readonly chain: ForeignChain; readonly rules: TableRules }[] = [];
    const tables = new Map<string, TableRules>();
    for (const chain of parseForwardChains(await executor.nftList('list chains'), isOurs)) {
      const name = `${chain.family} ${chain.table}`;
      try {
        // Sets without their elements: there may be very many.
        const rules = tables.get(name) ?? parseTable(await executor.nftList(`-at list table ${name}`));
        tables.set(name, rules);
        found.push({ chain, rules });
      } catch (e) {
        // It has just gone, or its name is a word that nft's own grammar cannot address.
        logger.warn('a foreign forward chain cannot be read', { ...chain, error: e });
      }
    }
    return found;
  }
}

/** Of tables that packets over IPv4 or IPv6 pass: the mesh carries both. */
const FAMILIES: ReadonlySet<string> = new Set(['ip', 'ip6', 'inet']);

/** Filter chains at the forward hook in tables that are not ours, from the output of `list chains`. */
export function parseForwardChains(listing: string, isOurs: (table: string) => boolean): ForeignChain[] {
  const found: ForeignChain[] = [];
  let family = '';
  let table = '';
  let chain = '';
  for (const line of listing.split('\n')) {
    const inTable = /^table (\S+) (\S+) \{/.exec(line);
    if (inTable) [, family = '', table = ''] = inTable;
    const inChain = /^\tchain (\S+) \{/.exec(line);
    if (inChain) [, chain = ''] = inChain;
    const hook = /^\t\ttype filter hook forward priority [^;]+; policy (\w+);/.exec(line);
    if (hook && FAMILIES.has(family) && !isOurs(table)) {
      found.push({ family, table, chain, policy: hook[1] ?? '' });
    }
  }
  return found;
}

/** What `list table` printed, by chains. */
export function parseTable(listing: string): TableRules {
  const rules = new Map<string, string[]>();
  let current: string[] = [];
  for (const line of listing.split('\n')) {
    const inChain = /^\tchain (\S+) \{/.exec(line);
    if (inChain) {
      current = [];
      rules.set(inChain[1] ?? '', current);
    } else if (line.startsWith('\t\t')) current.push(line.trim());
    else current = [];
  }
  return rules;
}

/** Whether packets can end in the chain: by its policy, by a rule of its own, or by one of a chain that its rules lead to. */
export function drops(chain: ForeignChain, rules: TableRules): boolean {
  const seen = new Set<string>();
  const ends = (name: string): boolean => {
    if (seen.has(name)) return false;
    seen.add(name);
    return (rules.get(name) ?? []).some((rule) => endsPackets(rule) || targetsOf(rule).some(ends));
  };
  return chain.policy === 'drop' || ends(chain.chain);
}

/** A named map may lead anywhere: its elements are not listed. */
const VERDICT = /(^|\s)(drop|reject|vmap @\S+)(\s|,|$)/;
/** As nft shows what iptables has written and it cannot translate. */
const FOREIGN_VERDICT = /xt target "(DROP|REJECT)"/;

function endsPackets(rule: string): boolean {
  return FOREIGN_VERDICT.test(rule) || VERDICT.test(withoutTexts(rule));
}

function targetsOf(rule: string): readonly string[] {
  return [...withoutTexts(rule).matchAll(/(?:^|\s)(?:jump|goto) ([^\s,]+)/g)].map(([, chain = '']) => chain);
}

/** Comments, prefixes of logs and names of interfaces say nothing. */
function withoutTexts(rule: string): string {
  return rule.replace(/"[^"]*"/g, '""');
}

/** The commands that let traffic from and to the legs pass, in front of everything else in the chain. */
function acceptCommands(chain: ForeignChain, ifacePrefix: string, comment: string): string[] {
  const at = `insert rule ${chain.family} ${chain.table} ${chain.chain}`;
  return ['iifname', 'oifname'].map((side) => `${at} ${side} "${ifacePrefix}*" accept comment "${comment}"`);
}

/** Handles of our rules among those of a chain, as they are listed with `-a`. */
export function markedHandles(rules: readonly string[], comment: string): number[] {
  return rules
    .filter((rule) => rule.includes(`comment "${comment}"`))
    .map((rule) => Number(/# handle (\d+)$/.exec(rule)?.[1]))
    .filter((handle) => Number.isInteger(handle));
}

function deleteCommands(chain: ForeignChain, handles: readonly number[]): string[] {
  return handles.map((handle) => `delete rule ${chain.family} ${chain.table} ${chain.chain} handle ${handle}`);
}
