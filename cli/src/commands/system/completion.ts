/** `swarmts completion`: the script for a shell. */
import { defineCommand, exactly } from '../../command.js';
import { COMPLETION_SCRIPTS } from '../../completion.js';
import { CommandError } from '../../exit.js';

export const command = defineCommand({
  synopsis: 'bash|zsh|fish',
  flags: {},
  arity: exactly(1),
  async run(ctx, _flags, [shell = '']) {
    const script = Object.hasOwn(COMPLETION_SCRIPTS, shell) ? COMPLETION_SCRIPTS[shell] : undefined;
    if (script === undefined) throw new CommandError(`unknown shell ${JSON.stringify(shell)}: use bash, zsh or fish`);
    ctx.out.write(script);
  },
});
