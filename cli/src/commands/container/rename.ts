/** `swarmts rename`. */
import { defineCommand, exactly } from '../../command.js';
import { CommandError } from '../../exit.js';

export const command = defineCommand({
  synopsis: 'CONTAINER NEW_NAME',
  flags: {},
  arity: exactly(2),
  completes: 'container',
  async run(ctx, _f, [ref = '', name = '']) {
    if (ref.trim() === '' || name.trim() === '') {
      throw new CommandError('Error: Neither old nor new names may be empty');
    }
    await ctx.api.post(`/containers/${encodeURIComponent(ref)}/rename`, undefined, { name });
  },
});
