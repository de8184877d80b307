/** `swarmts network prune`. */
import { createInterface } from 'node:readline/promises';
import { bool, filters } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import type { Context } from '../../context.js';
import { filterQuery } from '../../http/filters.js';

const WARNING = 'WARNING! This will remove all custom networks not used by at least one container.\n';

export const command = defineCommand({
  synopsis: '',
  flags: {
    filter: filters('Provide filter values (e.g. "label=<key>=<value>")'),
    force: bool('Do not prompt for confirmation', { short: 'f' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    if (!f.force && !(await isSure(ctx))) return;
    const answer = await ctx.api.post<{ readonly NetworksDeleted?: readonly string[] | null }>(
      '/networks/prune',
      undefined,
      { filters: filterQuery(f.filter) },
    );
    const deleted = answer.NetworksDeleted ?? [];
    if (deleted.length > 0) ctx.out.write(`Deleted Networks:\n${deleted.join('\n')}\n\n`);
  },
});

async function isSure(ctx: Context): Promise<boolean> {
  ctx.out.write(`${WARNING}Are you sure you want to continue? [y/N] `);
  const lines = createInterface({ input: ctx.stdin() });
  try {
    for await (const line of lines) return /^y(es)?$/i.test(line.trim());
    return false;
  } finally {
    lines.close();
  }
}
