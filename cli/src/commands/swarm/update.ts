/** `swarmts swarm update`: the settings of the cluster. */
import { defineCommand, noArguments } from '../../command.js';
import type { Swarm } from '../../engine-types.js';
import { unlockKeyText } from './join-text.js';
import { applySwarmFlags, swarmSpecFlags } from './spec-flags.js';

export const command = defineCommand({
  synopsis: '',
  flags: swarmSpecFlags,
  arity: noArguments,
  needsFlag: true,
  async run(ctx, f) {
    const swarm = await ctx.api.get<Swarm>('/swarm');
    const wasLocked = swarm.Spec.EncryptionConfig?.AutoLockManagers ?? false;
    await ctx.api.post('/swarm/update', applySwarmFlags(swarm.Spec, f), { version: swarm.Version?.Index ?? 0 });
    ctx.out.write('Swarm updated.\n');
    if (f.autolock && !wasLocked) ctx.out.write(await unlockKeyText(ctx));
  },
});
