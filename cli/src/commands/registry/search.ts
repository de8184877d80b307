/** `swarmts search`: the daemon says why registries cannot be searched. */
import { defineCommand, exactly } from '../../command.js';

export const command = defineCommand({
  synopsis: 'TERM',
  flags: {},
  arity: exactly(1),
  async run(ctx, _flags, [term = '']) {
    await ctx.api.get('/images/search', { term });
  },
});
