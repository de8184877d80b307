/** `swarmts pull`. */
import { bool, text } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { CommandError } from '../../exit.js';
import { registryAuth } from '../../http/registry-auth.js';
import { showProgress } from '../../image/progress.js';
import { isTagged } from '../../image/reference.js';
import { checkReference } from '../../service/lookup.js';

export const command = defineCommand({
  synopsis: 'NAME[:TAG|@DIGEST]',
  flags: {
    'all-tags': bool('Download all tagged images in the repository', { short: 'a' }),
    platform: text('Set platform if server is multi-platform capable'),
    quiet: bool('Suppress verbose output', { short: 'q' }),
  },
  arity: exactly(1),
  completes: 'image',
  async run(ctx, f, [reference = '']) {
    checkReference(reference);
    const tagged = isTagged(reference);
    if (f['all-tags'] && tagged) throw new CommandError("tag can't be used with --all-tags/-a");
    if (!tagged && !f.quiet && !f['all-tags']) ctx.out.write('Using default tag: latest\n');
    const image = tagged || f['all-tags'] ? reference : `${reference}:latest`;
    const cut = image.includes('@') ? image.indexOf('@') : isTagged(image) ? image.lastIndexOf(':') : image.length;
    const tag = image.slice(cut + 1);
    const auth = registryAuth(ctx.env, image);
    const stream = await ctx.api.open('POST', '/images/create', {
      query: { fromImage: image.slice(0, cut), tag: tag || undefined, platform: f.platform || undefined },
      ...(auth === undefined ? {} : { headers: { 'X-Registry-Auth': auth } }),
    });
    await showProgress(stream, ctx.out, f.quiet);
    ctx.out.write(`${image}\n`);
  },
});
