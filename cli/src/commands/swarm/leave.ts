/** `swarmts swarm leave`: this node leaves its swarm. */
import { bool } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';

export const command = defineCommand({
  synopsis: '',
  flags: { force: bool('Force this node to leave the swarm, ignoring warnings', { short: 'f' }) },
  arity: noArguments,
  async run(ctx, f) {
    await ctx.api.post('/swarm/leave', undefined, { force: f.force });
    ctx.out.write('Node left the swarm.\n');
  },
});
