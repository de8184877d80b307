/** Commands that do one thing to each container they are given and print its name. */
import type { FlagValues } from '../args/flag.js';
import { atLeast, type Command, defineCommand } from '../command.js';
import type { Context } from '../context.js';
import { forEachTarget } from '../exit.js';

export function containerCommand<const F extends object>(
  flags: F,
  act: (ctx: Context, path: string, flags: FlagValues<F>) => Promise<void>,
): Command {
  return defineCommand({
    synopsis: 'CONTAINER [CONTAINER...]',
    flags,
    arity: atLeast(1),
    completes: 'container',
    async run(ctx, f, refs) {
      await forEachTarget(refs, async (ref) => {
        await act(ctx, `/containers/${encodeURIComponent(ref)}`, f);
        ctx.out.write(`${ref}\n`);
      });
    },
  });
}
