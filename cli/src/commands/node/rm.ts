/** `swarmts node rm`. */
import { bool } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { forEachTarget } from '../../exit.js';

export const command = defineCommand({
  synopsis: 'NODE [NODE...]',
  flags: { force: bool('Force remove a node from the swarm', { short: 'f' }) },
  arity: atLeast(1),
  completes: 'node',
  async run(ctx, f, refs) {
    await forEachTarget(refs, async (ref) => {
      await ctx.api.delete(`/nodes/${encodeURIComponent(ref)}`, { force: f.force });
      ctx.out.write(`${ref}\n`);
    });
  },
});
