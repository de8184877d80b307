/** `swarmts save`: images as an archive, into a file or to standard output. */
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { CommandError } from '../../exit.js';

export const command = defineCommand({
  synopsis: 'IMAGE [IMAGE...]',
  flags: { output: text('Write to a file, instead of STDOUT', { short: 'o' }) },
  arity: atLeast(1),
  completes: 'image',
  async run(ctx, f, refs) {
    if (f.output === '' && ctx.out.isTerminal) {
      throw new CommandError('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    const query = refs.map((r) => `names=${encodeURIComponent(r)}`).join('&');
    const stream = await ctx.api.open('GET', `/images/get?${query}`);
    if (f.output === '') {
      await ctx.out.pipe(stream);
      return;
    }
    try {
      await pipeline(stream, createWriteStream(f.output, { mode: 0o600 }));
    } catch (e) {
      await rm(f.output, { force: true });
      throw e;
    }
  },
});
