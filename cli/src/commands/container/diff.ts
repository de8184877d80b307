/** `swarmts diff`. */
import { text } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { printRows } from '../../format/rows.js';

const KINDS = ['C', 'A', 'D'];

export const command = defineCommand({
  synopsis: 'CONTAINER',
  flags: { format: text("Format output using a custom template: 'json' or a Go template") },
  arity: exactly(1),
  completes: 'container',
  async run(ctx, f, [ref = '']) {
    const path = `/containers/${encodeURIComponent(ref)}/changes`;
    const changes = await ctx.api.get<readonly { readonly Kind: number; readonly Path: string }[] | null>(path);
    const rows = (changes ?? []).map((c) => ({ Type: KINDS[c.Kind] ?? '', Path: c.Path }));
    const layout = {
      table: '{{.Type}}\t{{.Path}}',
      headers: { Type: 'CHANGE TYPE', Path: 'PATH' },
      quiet: '{{.Path}}',
    };
    printRows(ctx.out, layout, rows, { format: f.format === '' ? '{{.Type}} {{.Path}}' : f.format });
  },
});
