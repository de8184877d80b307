/** `swarmts swarm join-token`: shows or rotates the secret that lets nodes in. */
import { bool } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import type { Swarm } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { joinCommandText, type Role } from './join-text.js';

export const command = defineCommand({
  synopsis: '(worker|manager)',
  flags: {
    quiet: bool('Only display token', { short: 'q' }),
    rotate: bool('Rotate join token'),
  },
  arity: exactly(1),
  async run(ctx, f, [word = '']) {
    if (word !== 'worker' && word !== 'manager') throw new CommandError(`unknown role ${word}`);
    const role: Role = word;
    if (f.rotate) {
      const swarm = await ctx.api.get<Swarm>('/swarm');
      await ctx.api.post('/swarm/update', swarm.Spec, {
        version: swarm.Version?.Index ?? 0,
        [role === 'worker' ? 'rotateWorkerToken' : 'rotateManagerToken']: true,
      });
      if (!f.quiet) ctx.out.write(`Successfully rotated ${role} join token.\n\n`);
    }
    if (f.quiet) {
      const { JoinTokens } = await ctx.api.get<Swarm>('/swarm');
      ctx.out.write(`${(role === 'worker' ? JoinTokens?.Worker : JoinTokens?.Manager) ?? ''}\n`);
      return;
    }
    ctx.out.write(await joinCommandText(ctx, role));
  },
});
