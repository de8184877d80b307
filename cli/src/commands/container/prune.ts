/** `swarmts container prune`. */
import { bool, filters } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { confirmed } from '../../confirm.js';
import { humanSize } from '../../format/size.js';
import { filterQuery } from '../../http/filters.js';

interface Pruned {
  readonly ContainersDeleted?: readonly string[] | null;
  readonly SpaceReclaimed?: number;
}

export const command = defineCommand({
  synopsis: '',
  flags: {
    filter: { ...filters('Provide filter values (e.g. "until=<timestamp>")'), short: '' },
    force: bool('Do not prompt for confirmation', { short: 'f' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const warning = 'WARNING! This will remove all stopped containers.\n';
    if (!f.force && !(await confirmed(ctx, warning))) return;
    const answer = await ctx.api.post<Pruned>('/containers/prune', undefined, { filters: filterQuery(f.filter) });
    const deleted = answer.ContainersDeleted ?? [];
    if (deleted.length > 0) ctx.out.write(`Deleted Containers:\n${deleted.join('\n')}\n\n`);
    ctx.out.write(`Total reclaimed space: ${humanSize(answer.SpaceReclaimed ?? 0)}\n`);
  },
});
