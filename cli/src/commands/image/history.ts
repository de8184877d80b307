/** `swarmts history`: the steps that made an image. */
import { bool, text } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { ago } from '../../format/duration.js';
import { printRows, type Row, type RowLayout } from '../../format/rows.js';
import { humanSize } from '../../format/size.js';

interface Step {
  readonly Id: string;
  readonly Created: number;
  readonly CreatedBy: string;
  readonly Size: number;
  readonly Comment: string;
}

const SHORT_ID = 12;
const MAX_COMMAND = 45;

const layout: RowLayout = {
  table: '{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}',
  headers: {
    ID: 'IMAGE',
    CreatedSince: 'CREATED',
    CreatedAt: 'CREATED AT',
    CreatedBy: 'CREATED BY',
    Size: 'SIZE',
    Comment: 'COMMENT',
  },
  quiet: '{{.ID}}',
};

export const command = defineCommand({
  synopsis: 'IMAGE',
  flags: {
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    human: bool('Print sizes and dates in human readable format', { short: 'H', initial: true }),
    'no-trunc': bool("Don't truncate output"),
    quiet: bool('Only show image IDs', { short: 'q' }),
  },
  arity: exactly(1),
  completes: 'image',
  async run(ctx, f, [ref = '']) {
    const steps = await ctx.api.get<Step[]>(`/images/${ref}/history`);
    const rows = steps.map((s): Row => {
      const createdAt = `${new Date(s.Created * 1000).toISOString().slice(0, 19)}Z`;
      return {
        ID: f['no-trunc'] ? s.Id : s.Id.replace(/^sha256:/, '').slice(0, SHORT_ID),
        CreatedAt: createdAt,
        CreatedSince: f.human ? ago(s.Created * 1000, ctx.now()) : createdAt,
        CreatedBy: f['no-trunc'] ? s.CreatedBy : shortened(s.CreatedBy.replaceAll('\t', ' ')),
        Size: f.human ? humanSize(s.Size, 3) : String(s.Size),
        Comment: s.Comment,
      };
    });
    printRows(ctx.out, layout, rows, f);
  },
});

function shortened(text: string): string {
  return text.length <= MAX_COMMAND ? text : `${text.slice(0, MAX_COMMAND - 1)}…`;
}
