/** `swarmts doctor`: what this node's machine lacks and how to get it. Exit code 1 when something is missing. */
import { text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { CommandError } from '../../exit.js';
import { printRows, type RowLayout } from '../../format/rows.js';

interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly fix: string;
}

const layout: RowLayout = {
  table: '{{.Check}}\t{{.Result}}\t{{.Detail}}',
  headers: { Check: 'CHECK', Result: 'RESULT', Detail: 'DETAIL', Fix: 'FIX' },
  quiet: '{{.Check}}',
};

export const command = defineCommand({
  synopsis: '',
  flags: {
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
  },
  arity: noArguments,
  async run(ctx, f) {
    const { Checks: checks } = await ctx.api.get<{ readonly Checks: Check[] }>('/swarmts/v1/doctor');
    const rows = checks.map((c) => ({ Check: c.name, Result: c.ok ? 'ok' : 'FAILED', Detail: c.detail, Fix: c.fix }));
    printRows(ctx.out, layout, rows, f);
    const failed = checks.filter((c) => !c.ok);
    if (f.format === '') for (const c of failed) if (c.fix !== '') ctx.out.write(`\n${c.name}: ${c.fix}\n`);
    if (failed.length > 0) throw new CommandError(`\n${failed.length} of ${checks.length} checks failed`);
  },
});
