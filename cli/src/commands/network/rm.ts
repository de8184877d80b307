/** `swarmts network rm`. */
import { bool } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { confirmed } from '../../confirm.js';
import type { Context } from '../../context.js';
import { forEachTarget } from '../../exit.js';
import { ApiError } from '../../http/client.js';

const WARNING =
  'WARNING! This network is the routing mesh: without it no published port is reachable through the swarm.\n' +
  'Make sure first that all nodes of the swarm run the same version; otherwise the removal may be incomplete,\n' +
  'and ingress networks that are created later may not work.\n';

/** What cannot be looked up is none: removing it tells why. */
async function isIngress(ctx: Context, ref: string): Promise<boolean> {
  try {
    const network = await ctx.api.get<{ readonly Ingress?: boolean }>(`/networks/${encodeURIComponent(ref)}`);
    return network.Ingress === true;
  } catch (e) {
    if (e instanceof ApiError) return false;
    throw e;
  }
}

export const command = defineCommand({
  synopsis: 'NETWORK [NETWORK...]',
  flags: { force: bool('Do not error if the network does not exist', { short: 'f' }) },
  arity: atLeast(1),
  completes: 'network',
  async run(ctx, f, refs) {
    await forEachTarget(refs, async (ref) => {
      if ((await isIngress(ctx, ref)) && !(await confirmed(ctx, WARNING))) return;
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
