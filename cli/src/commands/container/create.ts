/** `swarmts create`. */
import { atLeast, defineCommand } from '../../command.js';
import { createFromFlags } from '../../container/create.js';
import { createFlags } from '../../container/run-flags.js';

export const command = defineCommand({
  synopsis: 'IMAGE [COMMAND] [ARG...]',
  flags: createFlags,
  arity: atLeast(1),
  completes: 'image',
  interspersed: false,
  async run(ctx, f, args) {
    ctx.out.write(`${await createFromFlags(ctx, f, args, true)}\n`);
  },
});
