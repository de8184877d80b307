/** `swarmts wait`. */
import { atLeast, defineCommand } from '../../command.js';
import { forEachTarget } from '../../exit.js';

export const command = defineCommand({
  synopsis: 'CONTAINER [CONTAINER...]',
  flags: {},
  arity: atLeast(1),
  completes: 'container',
  async run(ctx, _f, refs) {
    await forEachTarget(refs, async (ref) => {
      const path = `/containers/${encodeURIComponent(ref)}/wait`;
      const { StatusCode } = await ctx.api.post<{ readonly StatusCode: number }>(path);
      ctx.out.write(`${StatusCode}\n`);
    });
  },
});
