/** `swarmts load`: images from an archive, or from standard input. */
import { createReadStream, statSync } from 'node:fs';
import { bool, text } from '../../args/flag.js';
import { defineCommand, noArguments } from '../../command.js';
import { CommandError } from '../../exit.js';
import { showProgress } from '../../image/progress.js';

export const command = defineCommand({
  synopsis: '',
  flags: {
    input: text('Read from tar archive file, instead of STDIN', { short: 'i' }),
    platform: text('Load only the given platform (os/arch[/variant])'),
    quiet: bool('Suppress the load output', { short: 'q' }),
  },
  arity: noArguments,
  async run(ctx, f) {
    if (f.input === '' && ctx.stdinIsTerminal) throw new CommandError('requested load from stdin, but stdin is empty');
    if (f.input !== '' && !statSync(f.input, { throwIfNoEntry: false })) {
      throw new CommandError(`open ${f.input}: no such file or directory`);
    }
    const stream = await ctx.api.open('POST', '/images/load', {
      query: { quiet: f.quiet, platform: platformJson(f.platform) },
      stream: f.input === '' ? ctx.stdin() : createReadStream(f.input),
      headers: { 'Content-Type': 'application/x-tar' },
    });
    await showProgress(stream, ctx.out, f.quiet);
  },
});

/** As the API has it; undefined for any. */
function platformJson(text: string): string | undefined {
  if (text === '') return undefined;
  const [os, architecture, variant, ...more] = text.split('/');
  if (!os || !architecture || variant === '' || more.length > 0) {
    throw new CommandError(`invalid platform "${text}": give os/arch or os/arch/variant, such as linux/arm64`);
  }
  return JSON.stringify({ os, architecture, ...(variant ? { variant } : {}) });
}
