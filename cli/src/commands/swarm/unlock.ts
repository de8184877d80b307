/** `swarmts swarm unlock`: gives a locked manager the key to its own keys. */
import { defineCommand, noArguments } from '../../command.js';
import type { Info } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { readSecret } from '../../secret-prompt.js';

export const command = defineCommand({
  synopsis: '',
  flags: {},
  arity: noArguments,
  async run(ctx) {
    const info = await ctx.api.get<Info>('/info');
    const state = info.Swarm?.LocalNodeState ?? 'inactive';
    if (state === 'inactive') throw new CommandError('This node is not part of a swarm');
    if (state !== 'locked') throw new CommandError('swarm is not locked');
    const key = await readSecret(ctx, 'Please enter unlock key: ');
    await ctx.api.post('/swarm/unlock', { UnlockKey: key });
  },
});
