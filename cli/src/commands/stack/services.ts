/** `swarmts stack services`. */
import { bool, filters, text } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import type { Service } from '../../engine-types.js';
import { compareNatural } from '../../format/natural.js';
import { printRows } from '../../format/rows.js';
import { filterQuery } from '../../http/filters.js';
import { checkStackName, NAMESPACE_LABEL } from '../../stack/names.js';
import { serviceLayout, serviceRow } from '../service/ls.js';

export const command = defineCommand({
  synopsis: 'STACK',
  flags: {
    filter: filters(),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    quiet: bool('Only display IDs', { short: 'q' }),
  },
  arity: exactly(1),
  async run(ctx, f, [stack = '']) {
    const label = `${NAMESPACE_LABEL}=${checkStackName(stack)}`;
    const query = { filters: filterQuery(f.filter, { label: [label] }), status: true };
    const found = await ctx.api.get<Service[]>('/services', query);
    if (found.length === 0) {
      ctx.err.write(`Nothing found in stack: ${stack}\n`);
      return;
    }
    const sorted = found.toSorted((a, b) => compareNatural(a.Spec.Name ?? '', b.Spec.Name ?? ''));
    printRows(ctx.out, serviceLayout, sorted.map(serviceRow), f);
  },
});
