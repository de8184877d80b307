/** `swarmts volume prune`. */
import { bool, filters } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { confirmed } from '../../confirm.js';
import { pruneVolumes, totalLine } from '../../prune.js';

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
    const pruned = await pruneVolumes(ctx, f.filter, f.all);
    ctx.out.write(`${pruned.report}${totalLine(pruned)}`);
  },
});
