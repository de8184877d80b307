/** `swarmts network disconnect`. */
import { bool } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';

export const command = defineCommand({
  synopsis: 'NETWORK CONTAINER',
  flags: { force: bool('Force the container to disconnect from a network', { short: 'f' }) },
  arity: exactly(2),
  completes: 'network',
  async run(ctx, f, [network = '', container]) {
    await ctx.api.post(`/networks/${encodeURIComponent(network)}/disconnect`, { Container: container, Force: f.force });
  },
});
