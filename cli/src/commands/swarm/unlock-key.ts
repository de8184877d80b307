/** `swarmts swarm unlock-key`. */
import { bool } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import type { Swarm } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { unlockKeyText } from './join-text.js';

export const command = defineCommand({
  synopsis: '',
  flags: { quiet: bool('Only display token', { short: 'q' }), rotate: bool('Rotate unlock key') },
  arity: noArguments,
  async run(ctx, f) {
    if (f.rotate) {
      const swarm = await ctx.api.get<Swarm>('/swarm');
      if (!swarm.Spec.EncryptionConfig?.AutoLockManagers) {
        throw new CommandError('cannot rotate because autolock is not turned on');
      }
      const version = swarm.Version?.Index ?? 0;
      await ctx.api.post('/swarm/update', swarm.Spec, { version, rotateManagerUnlockKey: true });
      if (!f.quiet) ctx.out.write('Successfully rotated manager unlock key.\n\n');
    }
    const { UnlockKey } = await ctx.api.get<{ readonly UnlockKey?: string }>('/swarm/unlockkey');
    if (!UnlockKey) throw new CommandError('no unlock key is set');
    ctx.out.write(f.quiet ? `${UnlockKey}\n` : await unlockKeyText(ctx));
  },
});
