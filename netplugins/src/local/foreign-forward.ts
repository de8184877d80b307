/**
 * Other people's forward chains. A packet must pass every table, so an accept of ours does not help where a foreign chain
 * drops (Docker and most firewalls set policy drop). There, and only there, marked rules let the legs' traffic through;
 * the comment is how they are found again and removed.
 */

export interface ForeignChain {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  readonly policy: string;
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

/** Whether packets can end in the chain: by its policy, or by a rule of its own. */
export function drops(chain: ForeignChain, listing: string): boolean {
  return chain.policy === 'drop' || listing.split('\n').some((line) => /\t(.*\s)?(drop|reject)(\s|$)/.test(line));
}

/** The commands that let traffic from and to the legs pass, in front of everything else in the chain. */
export function acceptCommands(chain: ForeignChain, ifacePrefix: string, comment: string): string[] {
  const at = `insert rule ${chain.family} ${chain.table} ${chain.chain}`;
  return ['iifname', 'oifname'].map((side) => `${at} ${side} "${ifacePrefix}*" accept comment "${comment}"`);
}

/** Handles of our rules in what `-a list chain` printed. */
export function markedHandles(listing: string, comment: string): number[] {
  return listing
    .split('\n')
    .filter((line) => line.includes(`comment "${comment}"`))
    .map((line) => Number(/# handle (\d+)$/.exec(line)?.[1]))
    .filter((handle) => Number.isInteger(handle));
}

export function deleteCommands(chain: ForeignChain, handles: readonly number[]): string[] {
  return handles.map((handle) => `delete rule ${chain.family} ${chain.table} ${chain.chain} handle ${handle}`);
}
