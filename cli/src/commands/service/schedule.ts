/** `swarmts service schedule`: when a scheduled job ran, how that went, and when it will run. */
import { defineCommand, exactly } from '../../command.js';
import { ago } from '../../format/duration.js';
import { printRows, type RowLayout } from '../../format/rows.js';

interface Description {
  readonly schedule: { readonly cron: string; readonly timezone: string; readonly concurrency: string };
  readonly nextRunsMs: readonly number[];
  readonly message: string;
  readonly runs: readonly {
    readonly iteration: number;
    readonly startedAtMs: number;
    readonly tasks: number;
    readonly completed: number;
    readonly failed: number;
    readonly running: number;
  }[];
}

const layout: RowLayout = {
  table: '{{.Run}}\t{{.Started}}\t{{.Completed}}\t{{.Failed}}\t{{.Running}}',
  headers: { Run: 'RUN', Started: 'STARTED', Completed: 'COMPLETED', Failed: 'FAILED', Running: 'RUNNING' },
  quiet: '{{.Run}}',
};

export const command = defineCommand({
  synopsis: 'SERVICE',
  flags: {},
  arity: exactly(1),
  completes: 'service',
  async run(ctx, _flags, [ref = '']) {
    const d = await ctx.api.get<Description>(`/swarmts/v1/services/${encodeURIComponent(ref)}/schedule`);
    ctx.out.write(`Schedule:\t${d.schedule.cron} (${d.schedule.timezone}, ${d.schedule.concurrency})\n`);
    for (const at of d.nextRunsMs) ctx.out.write(`Next run:\t${new Date(at).toISOString()}\n`);
    if (d.message !== '') ctx.out.write(`Last time:\t${d.message}\n`);
    ctx.out.write('\n');
    const rows = d.runs.map((r) => ({
      Run: String(r.iteration),
      Started: ago(r.startedAtMs, ctx.now()),
      Completed: String(r.completed),
      Failed: String(r.failed),
      Running: String(r.running),
    }));
    printRows(ctx.out, layout, rows, { format: '', quiet: false });
  },
});
