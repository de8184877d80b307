/** `swarmts container prune`. */
import { bool, filters } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { confirmed } from '../../confirm.js';
import { pruneContainers, totalLine } from '../../prune.js';

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
    const pruned = await pruneContainers(ctx, f.filter);
    ctx.out.write(`${pruned.report}${totalLine(pruned)}`);
  },
});
