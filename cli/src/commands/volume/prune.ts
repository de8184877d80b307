/** `swarmts volume prune`. */
import { bool, filters } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { confirmed } from '../../confirm.js';
import { humanSize } from '../../format/size.js';
import { filterQuery } from '../../http/filters.js';

interface Pruned {
  readonly VolumesDeleted?: readonly string[] | null;
  readonly SpaceReclaimed?: number;
}

export const command = defineCommand({
  synopsis: '',
  flags: {
    all: bool('Remove all unused volumes, not just anonymous ones', { short: 'a' }),
    filter: { ...filters('Provide filter values (e.g. "label=<label>")'), short: '' },
    force: bool('Do not prompt for confirmation', { short: 'f' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const which = f.all ? 'all local volumes' : 'anonymous local volumes';
    const warning = `WARNING! This will remove ${which} not used by at least one container.\n`;
    if (!f.force && !(await confirmed(ctx, warning))) return;
    const answer = await ctx.api.post<Pruned>('/volumes/prune', undefined, {
      filters: filterQuery(f.filter, f.all ? { all: ['true'] } : {}),
    });
    const deleted = answer.VolumesDeleted ?? [];
    if (deleted.length > 0) ctx.out.write(`Deleted Volumes:\n${deleted.join('\n')}\n\n`);
    ctx.out.write(`Total reclaimed space: ${humanSize(answer.SpaceReclaimed ?? 0)}\n`);
  },
});
