/** `swarmts network ls`. */
import { bool, filters, text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { compareNatural } from '../../format/natural.js';
import { printRows, type RowLayout } from '../../format/rows.js';
import { filterQuery } from '../../http/filters.js';

interface NetworkJson {
  readonly Id: string;
  readonly Name: string;
  readonly Driver?: string;
  readonly Scope?: string;
  readonly EnableIPv6?: boolean;
  readonly Internal?: boolean;
  readonly Created?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

const SHORT_ID = 12;

const layout: RowLayout = {
  table: '{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}',
  headers: {
    ID: 'NETWORK ID',
    Name: 'NAME',
    Driver: 'DRIVER',
    Scope: 'SCOPE',
    IPv6: 'IPV6',
    Internal: 'INTERNAL',
    CreatedAt: 'CREATED AT',
    Labels: 'LABELS',
    Label: (name: unknown) => String(name),
  },
  quiet: '{{.ID}}',
};

export const command = defineCommand({
  synopsis: '',
  flags: {
    filter: filters("Provide filter values (e.g. 'driver=bridge')"),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    'no-trunc': bool('Do not truncate the output'),
    quiet: bool('Only display network IDs', { short: 'q' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const networks = await ctx.api.get<NetworkJson[]>('/networks', { filters: filterQuery(f.filter) });
    const rows = networks
      .toSorted((a, b) => compareNatural(a.Name, b.Name))
      .map((n) => ({
        ID: f['no-trunc'] ? n.Id : n.Id.slice(0, SHORT_ID),
        Name: n.Name,
        Driver: n.Driver ?? '',
        Scope: n.Scope ?? '',
        IPv6: String(n.EnableIPv6 ?? false),
        Internal: String(n.Internal ?? false),
        CreatedAt: n.Created ?? '',
        Labels: Object.entries(n.Labels ?? {})
          .map(([k, value]) => `${k}=${value}`)
          .join(','),
        Label: (name: unknown) => n.Labels?.[String(name)] ?? '',
      }));
    printRows(ctx.out, layout, rows, f);
  },
});
