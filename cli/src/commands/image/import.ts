/** `swarmts import`: an image of one layer from an archive of a file system. */
import { createReadStream, statSync } from 'node:fs';
import { text, texts } from '../../args/flag.js';
import { between, defineCommand } from '../../command.js';
import { CommandError } from '../../exit.js';
import { showProgress } from '../../image/progress.js';
import { splitTag } from '../../image/reference.js';

export const command = defineCommand({
  synopsis: 'file|URL|- [REPOSITORY[:TAG]]',
  flags: {
    change: texts('Apply Dockerfile instruction to the created image', { short: 'c' }),
    message: text('Set commit message for imported image', { short: 'm' }),
    platform: text('Set platform if server is multi-platform capable'),
  },
  arity: between(1, 2),
  async run(ctx, f, [source = '', name = '']) {
    const isUrl = /^https?:\/\//.test(source);
    if (source !== '-' && !isUrl && !statSync(source, { throwIfNoEntry: false })) {
      throw new CommandError(`open ${source}: no such file or directory`);
    }
    const { repo, tag } = splitTag(name);
    const changes = f.change.map((c) => `&changes=${encodeURIComponent(c)}`).join('');
    const fields = { fromSrc: isUrl ? source : '-', message: f.message, repo, tag, platform: f.platform };
    const query = new URLSearchParams(Object.entries(fields).filter(([, v]) => v !== ''));
    const stream = await ctx.api.open('POST', `/images/create?${query}${changes}`, {
      ...(isUrl ? {} : { stream: source === '-' ? ctx.stdin() : createReadStream(source) }),
    });
    await showProgress(stream, ctx.out, false);
  },
});
