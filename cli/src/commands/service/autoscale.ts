/** `swarmts service autoscale`: between what a service scales by itself, and every step that was taken, with its reason. */
import { defineCommand, exactly } from '../../command.js';
import { ago } from '../../format/duration.js';
import { printRows, type RowLayout } from '../../format/rows.js';

interface Description {
  readonly min: number;
  readonly max: number;
  readonly cpuPercent?: number;
  readonly memoryPercent?: number;
  readonly replicas: number;
  readonly steps: readonly {
    readonly atMs: number;
    readonly fromReplicas: number;
    readonly toReplicas: number;
    readonly reason: string;
  }[];
}

const layout: RowLayout = {
  table: '{{.When}}\t{{.From}}\t{{.To}}\t{{.Reason}}',
  headers: { When: 'WHEN', From: 'FROM', To: 'TO', Reason: 'REASON' },
  quiet: '{{.To}}',
};

export const command = defineCommand({
  synopsis: 'SERVICE',
  flags: {},
  arity: exactly(1),
  completes: 'service',
  async run(ctx, _flags, [ref = '']) {
    const d = await ctx.api.get<Description>(`/swarmts/v1/services/${encodeURIComponent(ref)}/autoscale`);
    const targets = [
      ...(d.cpuPercent === undefined ? [] : [`cpu ${d.cpuPercent} %`]),
      ...(d.memoryPercent === undefined ? [] : [`memory ${d.memoryPercent} %`]),
    ];
    ctx.out.write(`Replicas:\t${d.replicas} (${d.min} to ${d.max})\nWanted:\t\t${targets.join(', ')}\n\n`);
    const rows = d.steps.toReversed().map((s) => ({
      When: ago(s.atMs, ctx.now()),
      From: String(s.fromReplicas),
      To: String(s.toReplicas),
      Reason: s.reason,
    }));
    printRows(ctx.out, layout, rows, { format: '', quiet: false });
  },
});
