/** `swarmts network prune`. */
import { bool, filters } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { confirmed } from '../../confirm.js';
import { pruneNetworks } from '../../prune.js';

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
    ctx.out.write((await pruneNetworks(ctx, f.filter)).report);
  },
});
