/** `swarmts ps` and `swarmts container ls`: the containers of the node that answers. */
import { bool, filters, optionalInt, text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { type Container, containerLayout, containerRow } from '../../container/rows.js';
import { printRows } from '../../format/rows.js';
import { filterQuery } from '../../http/filters.js';

export const command = defineCommand({
  synopsis: '',
  flags: {
    all: bool('Show all containers (default shows just running)', { short: 'a' }),
    filter: filters(),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    last: optionalInt('Show n last created containers (includes all states)', { short: 'n', defaultText: '-1' }),
    latest: bool('Show the latest created container (includes all states)', { short: 'l' }),
    'no-trunc': bool("Don't truncate output"),
    quiet: bool('Only display container IDs', { short: 'q' }),
    size: bool('Display total file sizes', { short: 's' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const limit = f.latest ? 1 : f.last;
    const containers = await ctx.api.get<Container[]>('/containers/json', {
      all: f.all || (limit !== undefined && limit > 0),
      limit: limit !== undefined && limit > 0 ? limit : undefined,
      size: f.size || f.format.includes('.Size'),
      filters: filterQuery(f.filter),
    });
    const o = { trunc: !f['no-trunc'], nowMs: ctx.now() };
    const layout = f.size ? { ...containerLayout, table: `${containerLayout.table}\t{{.Size}}` } : containerLayout;
    printRows(
      ctx.out,
      layout,
      containers.map((c) => containerRow(c, o)),
      f,
    );
  },
});
