/** `swarmts client-cert revoke`: prints the serial numbers of what was taken back. */
import { atLeast, defineCommand } from '../../command.js';
import { forEachTarget } from '../../exit.js';

export const command = defineCommand({
  synopsis: 'NAME|SERIAL [NAME|SERIAL...]',
  flags: {},
  arity: atLeast(1),
  async run(ctx, _, refs) {
    await forEachTarget(refs, async (ref) => {
      const path = `/swarmts/v1/client-certificates/${encodeURIComponent(ref)}/revoke`;
      const revoked = await ctx.api.post<readonly { readonly Serial: string }[]>(path);
      ctx.out.write(revoked.map((c) => `${c.Serial}\n`).join(''));
    });
  },
});
