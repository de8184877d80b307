/** `swarmts logs` of one container of this node. */
import { text } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { readFrames, writeBytes } from '../../http/frames.js';
import { logFlags, logQuery, timestamp } from '../../http/log-query.js';

export const command = defineCommand({
  synopsis: 'CONTAINER',
  flags: {
    ...logFlags,
    until: text('Show logs before a timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'),
  },
  arity: exactly(1),
  completes: 'container',
  async run(ctx, f, [ref = '']) {
    const path = `/containers/${encodeURIComponent(ref)}`;
    const container = await ctx.api.get<{ readonly Config?: { readonly Tty?: boolean } }>(`${path}/json`);
    const signal = ctx.interrupt();
    const until = f.until === '' ? undefined : timestamp(f.until, ctx.now());
    const stream = await ctx.api.open('GET', `${path}/logs`, { query: { ...logQuery(f, ctx.now()), until }, signal });
    try {
      if (container.Config?.Tty) {
        await ctx.out.pipe(stream);
        return;
      }
      for await (const { stream: to, data } of readFrames(stream)) {
        await writeBytes(to === 'stdout' ? ctx.out : ctx.err, data);
      }
    } catch (e) {
      if (!signal.aborted) throw e;
    }
  },
});
