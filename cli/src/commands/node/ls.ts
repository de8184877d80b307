/** `swarmts node ls`. */
import { bool, filters, text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import type { Info, Node } from '../../engine-types.js';
import { compareNatural } from '../../format/natural.js';
import { printRows, type Row, type RowLayout } from '../../format/rows.js';
import { filterQuery } from '../../http/filters.js';

export const nodeLayout: RowLayout = {
  table:
    '{{.ID}} {{if .Self}}*{{else}} {{ end }}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}\t{{.ManagerStatus}}\t{{.EngineVersion}}',
  headers: {
    ID: 'ID',
    Self: '',
    Hostname: 'HOSTNAME',
    Status: 'STATUS',
    Availability: 'AVAILABILITY',
    ManagerStatus: 'MANAGER STATUS',
    EngineVersion: 'ENGINE VERSION',
    TLSStatus: 'TLS STATUS',
  },
  quiet: '{{.ID}}',
};

export const capitalized = (s: string): string => s.charAt(0).toUpperCase() + s.slice(1);

/** What `trustRoot` is for a node: does its certificate come from the swarm's current root? */
function tlsStatus(node: Node, root: string | undefined): string {
  const own = node.Description?.TLSInfo?.TrustRoot;
  if (!root || !own) return 'Unknown';
  return own === root ? 'Ready' : 'Needs Rotation';
}

export function nodeRow(node: Node, selfId: string, root?: string): Row {
  const m = node.ManagerStatus;
  return {
    ID: node.ID,
    Self: node.ID === selfId,
    Hostname: node.Description?.Hostname ?? '',
    Status: capitalized(node.Status?.State ?? 'unknown'),
    Availability: capitalized(node.Spec.Availability ?? 'active'),
    ManagerStatus: m ? (m.Leader ? 'Leader' : capitalized(m.Reachability ?? 'unknown')) : '',
    EngineVersion: node.Description?.Engine?.EngineVersion ?? '',
    TLSStatus: tlsStatus(node, root),
  };
}

export const command = defineCommand({
  synopsis: '',
  flags: {
    filter: filters(),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    quiet: bool('Only display IDs', { short: 'q' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const nodes = await ctx.api.get<Node[]>('/nodes', { filters: filterQuery(f.filter) });
    const info = f.quiet ? undefined : await ctx.api.get<Info>('/info');
    const self = info?.Swarm?.NodeID ?? '';
    const root = info?.Swarm?.Cluster?.TLSInfo?.TrustRoot;
    const sorted = nodes.toSorted((a, b) =>
      compareNatural(a.Description?.Hostname ?? '', b.Description?.Hostname ?? ''),
    );
    printRows(
      ctx.out,
      nodeLayout,
      sorted.map((n) => nodeRow(n, self, root)),
      f,
    );
  },
});
