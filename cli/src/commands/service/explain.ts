/** `swarmts service explain`: for every node, whether a task fits there, and which filter says no. */
import { text } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { printRows, type Row, type RowLayout } from '../../format/rows.js';

export interface Explanation {
  readonly serviceId: string;
  readonly nodes: readonly {
    readonly nodeId: string;
    readonly hostname: string;
    readonly fits: boolean;
    readonly filters: readonly { readonly name: string; readonly ok: boolean; readonly reason: string }[];
  }[];
}

export const explanationLayout: RowLayout = {
  table: '{{.Node}}\t{{.Fits}}\t{{.Reason}}',
  headers: { NodeID: 'NODE ID', Node: 'NODE', Fits: 'FITS', Reason: 'REASON', Filters: 'FILTERS' },
  quiet: '{{.NodeID}}',
};

export function explanationRows(e: Explanation): Row[] {
  return e.nodes.map((n) => ({
    NodeID: n.nodeId,
    Node: n.hostname || n.nodeId,
    Fits: n.fits ? 'yes' : 'no',
    Reason: n.filters
      .filter((x) => !x.ok)
      .map((x) => (x.reason === '' ? x.name : `${x.name}: ${x.reason}`))
      .join('; '),
    Filters: n.filters,
  }));
}

export const command = defineCommand({
  synopsis: 'SERVICE',
  flags: {
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
  },
  arity: exactly(1),
  completes: 'service',
  async run(ctx, f, [ref = '']) {
    const explanation = await ctx.api.get<Explanation>(`/swarmts/v1/services/${encodeURIComponent(ref)}/explain`);
    printRows(ctx.out, explanationLayout, explanationRows(explanation), f);
  },
});
