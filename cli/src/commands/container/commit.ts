/** `swarmts commit`: an image from a container. */
import { bool, text, texts } from '../../args/flag.js';
import { between, defineCommand } from '../../command.js';
import { splitTag } from '../../image/reference.js';

export const command = defineCommand({
  synopsis: 'CONTAINER [REPOSITORY[:TAG]]',
  flags: {
    author: text('Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', { short: 'a' }),
    change: texts('Apply Dockerfile instruction to the created image', { short: 'c' }),
    message: text('Commit message', { short: 'm' }),
    pause: bool('Pause container during commit', { short: 'p', initial: true }),
  },
  arity: between(1, 2),
  completes: 'container',
  async run(ctx, f, [container = '', name = '']) {
    const { repo, tag } = splitTag(name);
    const { Id } = await ctx.api.post<{ readonly Id: string }>('/commit', undefined, {
      container,
      repo: repo || undefined,
      tag: tag || undefined,
      author: f.author || undefined,
      comment: f.message || undefined,
      changes: f.change.length > 0 ? f.change.join('\n') : undefined,
      pause: f.pause ? 1 : 0,
    });
    ctx.out.write(`${Id}\n`);
  },
});
