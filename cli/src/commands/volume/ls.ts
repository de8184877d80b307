/** `swarmts volume ls`. */
import { bool, filters, text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { compareNatural } from '../../format/natural.js';
import { printRows, type RowLayout } from '../../format/rows.js';
import { filterQuery } from '../../http/filters.js';

interface Volume {
  readonly Name: string;
  readonly Driver?: string;
  readonly Mountpoint?: string;
  readonly Scope?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

const layout: RowLayout = {
  table: '{{.Driver}}\t{{.Name}}',
  headers: {
    Driver: 'DRIVER',
    Name: 'VOLUME NAME',
    Mountpoint: 'MOUNTPOINT',
    Scope: 'SCOPE',
    Labels: 'LABELS',
    Label: (name: unknown) => String(name),
  },
  quiet: '{{.Name}}',
};

export const command = defineCommand({
  synopsis: '',
  flags: {
    filter: filters("Provide filter values (e.g. 'dangling=true')"),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    quiet: bool('Only display volume names', { short: 'q' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const answer = await ctx.api.get<{ readonly Volumes?: Volume[] | null }>('/volumes', {
      filters: filterQuery(f.filter),
    });
    const rows = (answer.Volumes ?? [])
      .toSorted((a, b) => compareNatural(a.Name, b.Name))
      .map((v) => ({
        Driver: v.Driver ?? '',
        Name: v.Name,
        Mountpoint: v.Mountpoint ?? '',
        Scope: v.Scope ?? '',
        Labels: Object.entries(v.Labels ?? {})
          .map(([k, value]) => `${k}=${value}`)
          .join(','),
        Label: (name: unknown) => v.Labels?.[String(name)] ?? '',
      }));
    printRows(ctx.out, layout, rows, f);
  },
});
