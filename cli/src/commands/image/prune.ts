/** `swarmts image prune`. */
import { bool, filters } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { confirmed } from '../../confirm.js';
import { humanSize } from '../../format/size.js';
import { filterQuery } from '../../http/filters.js';

interface Pruned {
  readonly ImagesDeleted?: readonly { readonly Untagged?: string; readonly Deleted?: string }[] | null;
  readonly SpaceReclaimed?: number;
}

export const command = defineCommand({
  synopsis: '',
  flags: {
    all: bool('Remove all unused images, not just dangling ones', { short: 'a' }),
    filter: { ...filters('Provide filter values (e.g. "until=<timestamp>")'), short: '' },
    force: bool('Do not prompt for confirmation', { short: 'f' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const what = f.all ? 'all images without at least one container associated to them' : 'all dangling images';
    if (!f.force && !(await confirmed(ctx, `WARNING! This will remove ${what}.\n`))) return;
    const answer = await ctx.api.post<Pruned>('/images/prune', undefined, {
      filters: filterQuery(f.filter, { dangling: [String(!f.all)] }),
    });
    const deleted = answer.ImagesDeleted ?? [];
    if (deleted.length > 0) {
      const lines = deleted.map((d) => (d.Deleted ? `deleted: ${d.Deleted}` : `untagged: ${d.Untagged ?? ''}`));
      ctx.out.write(`Deleted Images:\n${lines.join('\n')}\n\n`);
    }
    ctx.out.write(`Total reclaimed space: ${humanSize(answer.SpaceReclaimed ?? 0)}\n`);
  },
});
