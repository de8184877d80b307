/** `swarmts swarm update`: the settings of the cluster. */
import { defineCommand, noArguments } from '../../command.js';
import type { Swarm } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { unlockKeyText } from './join-text.js';
import { applySwarmFlags, swarmSpecFlags } from './spec-flags.js';

export const command = defineCommand({
  synopsis: '',
  flags: swarmSpecFlags,
  arity: noArguments,
  async run(ctx, f, _args, given) {
    if (given.size === 0) throw new CommandError("nothing to update: see 'swarmts swarm update --help'");
    const swarm = await ctx.api.get<Swarm>('/swarm');
    const wasLocked = swarm.Spec.EncryptionConfig?.AutoLockManagers ?? false;
    await ctx.api.post('/swarm/update', applySwarmFlags(swarm.Spec, f), { version: swarm.Version?.Index ?? 0 });
    ctx.out.write('Swarm updated.\n');
    if (f.autolock && !wasLocked) ctx.out.write(await unlockKeyText(ctx));
  },
});
