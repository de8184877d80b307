/** `swarmts network rm`. */
import { bool } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { forEachTarget } from '../../exit.js';
import { ApiError } from '../../http/client.js';

export const command = defineCommand({
  synopsis: 'NETWORK [NETWORK...]',
  flags: { force: bool('Do not error if the network does not exist', { short: 'f' }) },
  arity: atLeast(1),
  completes: 'network',
  async run(ctx, f, refs) {
    await forEachTarget(refs, async (ref) => {
      try {
        await ctx.api.delete(`/networks/${encodeURIComponent(ref)}`);
      } catch (e) {
        if (f.force && e instanceof ApiError && e.status === 404) return;
        throw e;
      }
      ctx.out.write(`${ref}\n`);
    });
  },
});
