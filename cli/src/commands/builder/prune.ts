/** `swarmts builder prune`. */
import { bool, filters } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { confirmed } from '../../confirm.js';
import { pruneBuildCache, totalLine } from '../../prune.js';

export const command = defineCommand({
  synopsis: '',
  flags: {
    all: bool('Remove all unused build cache, not just dangling ones', { short: 'a' }),
    filter: { ...filters('Provide filter values (e.g. "until=24h")'), short: '' },
    force: bool('Do not prompt for confirmation', { short: 'f' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    const what = f.all ? 'all build cache' : 'all dangling build cache';
    if (!f.force && !(await confirmed(ctx, `WARNING! This will remove ${what}.\n`))) return;
    const pruned = await pruneBuildCache(ctx, f.filter, f.all);
    ctx.out.write(`${pruned.report}${totalLine(pruned)}`);
  },
});
