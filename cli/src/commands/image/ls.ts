/** `swarmts images` and `swarmts image ls`: the images of the node that answers. */
import { bool, filters, text } from '../../args/flag.js';
import { between, defineCommand } from '../../command.js';
import { printRows } from '../../format/rows.js';
import { filterQuery } from '../../http/filters.js';
import { type Image, imageLayout, imageRows } from '../../image/rows.js';

export const command = defineCommand({
  synopsis: '[REPOSITORY[:TAG]]',
  flags: {
    all: bool('Show all images (default hides intermediate images)', { short: 'a' }),
    digests: bool('Show digests'),
    filter: filters(),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    'no-trunc': bool("Don't truncate output"),
    quiet: bool('Only show image IDs', { short: 'q' }),
  },
  arity: between(0, 1),
  completes: 'image',
  async run(ctx, f, [reference]) {
    const more: Readonly<Record<string, readonly string[]>> = reference === undefined ? {} : { reference: [reference] };
    const images = await ctx.api.get<Image[]>('/images/json', { all: f.all, filters: filterQuery(f.filter, more) });
    const rows = imageRows(images, { trunc: !f['no-trunc'], nowMs: ctx.now() });
    const table = f.digests ? imageLayout.table.replace('{{.ID}}', '{{.Digest}}\t{{.ID}}') : imageLayout.table;
    printRows(ctx.out, { ...imageLayout, table }, rows, f);
  },
});
