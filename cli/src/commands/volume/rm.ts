/** `swarmts volume rm`. */
import { bool } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { forEachTarget } from '../../exit.js';

export const command = defineCommand({
  synopsis: 'VOLUME [VOLUME...]',
  flags: { force: bool('Force the removal of one or more volumes', { short: 'f' }) },
  arity: atLeast(1),
  completes: 'volume',
  async run(ctx, f, refs) {
    await forEachTarget(refs, async (ref) => {
      await ctx.api.delete(`/volumes/${encodeURIComponent(ref)}`, { force: f.force });
      ctx.out.write(`${ref}\n`);
    });
  },
});
