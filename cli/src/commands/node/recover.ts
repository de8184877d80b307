/** `swarmts node recover`: on a node whose certificate has expired, gets a new one, so that it takes part again as what it was. */
import { text } from '../../args/flag.js';
import { between, defineCommand } from '../../command.js';
import { CommandError } from '../../exit.js';

export const command = defineCommand({
  synopsis: '[HOST:PORT]',
  flags: { token: text('Join token of the role that the node has') },
  arity: between(0, 1),
  async run(ctx, f, [remote]) {
    if (f.token === '') throw new CommandError('give --token: the join token of the role that this node has');
    await ctx.api.post('/swarmts/v1/swarm/recover', {
      JoinToken: f.token,
      RemoteAddrs: remote === undefined ? [] : [remote],
    });
    ctx.out.write('This node has a new certificate and takes part in the swarm again.\n');
  },
});
