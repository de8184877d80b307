/** `swarmts push`. */
import { bool } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { CommandError } from '../../exit.js';
import { pushAuth } from '../../http/registry-auth.js';
import { showProgress } from '../../image/progress.js';
import { isTagged } from '../../image/reference.js';
import { checkReference } from '../../service/lookup.js';

export const command = defineCommand({
  synopsis: 'NAME[:TAG]',
  flags: {
    'all-tags': bool('Push all tags of an image to the repository', { short: 'a' }),
    quiet: bool('Suppress verbose output', { short: 'q' }),
  },
  arity: exactly(1),
  completes: 'image',
  async run(ctx, f, [reference = '']) {
    checkReference(reference);
    if (reference.includes('@')) throw new CommandError('cannot push a digest reference');
    if (f['all-tags'] && isTagged(reference)) throw new CommandError("tag can't be used with --all-tags/-a");
    const cut = isTagged(reference) ? reference.lastIndexOf(':') : reference.length;
    const tag = isTagged(reference) ? reference.slice(cut + 1) : 'latest';
    if (!isTagged(reference) && !f['all-tags'] && !f.quiet) ctx.out.write('Using default tag: latest\n');
    const stream = await ctx.api.open('POST', `/images/${reference.slice(0, cut)}/push`, {
      query: f['all-tags'] ? {} : { tag },
      headers: { 'X-Registry-Auth': pushAuth(ctx.env, reference) },
    });
    await showProgress(stream, ctx.out, f.quiet);
    if (f.quiet) ctx.out.write(`${reference.slice(0, cut)}:${tag}\n`);
  },
});
