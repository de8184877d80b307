/** `swarmts swarm ca`: the certificate of the swarm's root. */
import { defineCommand, noArguments } from '../../command.js';
import type { Swarm } from '../../engine-types.js';
import { CommandError } from '../../exit.js';

export const command = defineCommand({
  synopsis: '',
  flags: {},
  arity: noArguments,
  async run(ctx) {
    const root = (await ctx.api.get<Swarm>('/swarm')).TLSInfo?.TrustRoot;
    if (!root) throw new CommandError('No CA information available');
    ctx.out.write(root.endsWith('\n') ? root : `${root}\n`);
  },
});
