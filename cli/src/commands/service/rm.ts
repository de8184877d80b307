/** `swarmts service rm`. */
import { atLeast, defineCommand } from '../../command.js';
import { forEachTarget } from '../../exit.js';

export const command = defineCommand({
  synopsis: 'SERVICE [SERVICE...]',
  flags: {},
  arity: atLeast(1),
  completes: 'service',
  async run(ctx, _flags, names) {
    await forEachTarget(names, async (name) => {
      await ctx.api.delete(`/services/${encodeURIComponent(name)}`);
      ctx.out.write(`${name}\n`);
    });
  },
});
