/** `swarmts stack ls`. */
import { bool, text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import type { Service } from '../../engine-types.js';
import { compareNatural } from '../../format/natural.js';
import { printRows, type RowLayout } from '../../format/rows.js';
import { filterQuery } from '../../http/filters.js';
import { NAMESPACE_LABEL } from '../../stack/names.js';

const layout: RowLayout = {
  table: '{{.Name}}\t{{.Services}}',
  headers: { Name: 'NAME', Services: 'SERVICES' },
  quiet: '{{.Name}}',
};

export const command = defineCommand({
  synopsis: '',
  flags: {
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    quiet: bool('Only display names', { short: 'q' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const services = await ctx.api.get<Service[]>('/services', {
      filters: filterQuery([], { label: [NAMESPACE_LABEL] }),
    });
    const counts = new Map<string, number>();
    for (const s of services) {
      const stack = s.Spec.Labels?.[NAMESPACE_LABEL] ?? '';
      counts.set(stack, (counts.get(stack) ?? 0) + 1);
    }
    const rows = [...counts]
      .sort(([a], [b]) => compareNatural(a, b))
      .map(([Name, n]) => ({ Name, Services: String(n) }));
    printRows(ctx.out, layout, rows, f);
  },
});
