/** `swarmts stats`: a table that is drawn again every second, or once. */
import { bool, text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import { type Sample, statsLayout, statsRow } from '../../container/stats-rows.js';
import { forEachTarget } from '../../exit.js';
import { renderRows } from '../../format/rows.js';

const CLEAR = '\u001b[2J\u001b[H';
const PERIOD_MS = 1000;

export const command = defineCommand({
  synopsis: '[CONTAINER...]',
  flags: {
    all: bool('Show all containers (default shows just running)', { short: 'a' }),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    'no-stream': bool('Disable streaming stats and only pull the first result'),
    'no-trunc': bool('Do not truncate output'),
  },
  arity: atLeast(0),
  completes: 'container',
  async run(ctx, f, refs) {
    const signal = ctx.interrupt();
    const samples = async (): Promise<readonly Sample[]> => {
      const listed =
        refs.length === 0 ? await ctx.api.get<{ readonly Id: string }[]>('/containers/json', { all: f.all }) : [];
      const ids = refs.length > 0 ? refs : listed.map((c) => c.Id);
      const found = new Map<string, Sample>();
      await Promise.all(
        ids.map((id) =>
          forEachTarget([id], async (ref) => {
            found.set(
              ref,
              await ctx.api.get<Sample>(`/containers/${encodeURIComponent(ref)}/stats`, { stream: false }),
            );
          }),
        ),
      );
      return ids.flatMap((id) => found.get(id) ?? []);
    };
    const draw = (list: readonly Sample[]) =>
      renderRows(
        statsLayout,
        list.map((s) => statsRow(s, !f['no-trunc'])),
        { format: f.format },
      );
    while (!signal.aborted) {
      const drawn = draw(await samples());
      ctx.out.write(f['no-stream'] || f.format === 'json' ? drawn : `${CLEAR}${drawn}`);
      if (f['no-stream']) return;
      await ctx.sleep(PERIOD_MS, signal);
    }
  },
});
