/** `swarmts network prune`. */
import { bool, filters } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { confirmed } from '../../confirm.js';
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
    if (!f.force && !(await confirmed(ctx, WARNING))) return;
    const answer = await ctx.api.post<{ readonly NetworksDeleted?: readonly string[] | null }>(
      '/networks/prune',
      undefined,
      { filters: filterQuery(f.filter) },
    );
    const deleted = answer.NetworksDeleted ?? [];
    if (deleted.length > 0) ctx.out.write(`Deleted Networks:\n${deleted.join('\n')}\n\n`);
  },
});
