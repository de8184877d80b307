/** `swarmts export`. */
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { text } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { CommandError } from '../../exit.js';

export const command = defineCommand({
  synopsis: 'CONTAINER',
  flags: { output: text('Write to a file, instead of STDOUT', { short: 'o' }) },
  arity: exactly(1),
  completes: 'container',
  async run(ctx, f, [ref = '']) {
    if (f.output === '' && ctx.out.isTerminal) {
      throw new CommandError('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    const stream = await ctx.api.open('GET', `/containers/${encodeURIComponent(ref)}/export`);
    if (f.output === '') await ctx.out.pipe(stream);
    else await pipeline(stream, createWriteStream(f.output));
  },
});
