/**
 * `swarmts service plan`: what `service update` with the same flags would change, and where the tasks would go.
 * Nothing is written.
 */
import { defineCommand, exactly } from '../../command.js';
import type { Service } from '../../engine-types.js';
import { printRows, type RowLayout } from '../../format/rows.js';
import { updateFlags } from '../../service/flags.js';
import { updatedSpec } from '../../service/updated-spec.js';

interface Plan {
  readonly action: string;
  readonly changes: readonly { readonly path: string; readonly from?: string; readonly to?: string }[];
  readonly tasks: readonly {
    readonly name: string;
    readonly action: string;
    readonly fromNode: string;
    readonly toNode: string;
    readonly problem: string;
  }[];
}

const layout: RowLayout = {
  table: '{{.Task}}\t{{.Action}}\t{{.From}}\t{{.To}}\t{{.Problem}}',
  headers: { Task: 'TASK', Action: 'ACTION', From: 'FROM', To: 'TO', Problem: 'PROBLEM' },
  quiet: '{{.Task}}',
};

export const command = defineCommand({
  synopsis: 'SERVICE',
  flags: updateFlags,
  arity: exactly(1),
  completes: 'service',
  async run(ctx, f, [ref = '']) {
    const service = await ctx.api.get<Service>(`/services/${encodeURIComponent(ref)}`);
    const spec = await updatedSpec(ctx, service.Spec, f);
    const plan = await ctx.api.post<Plan>('/swarmts/v1/services/plan', spec, { service: service.ID });
    if (plan.changes.length === 0) ctx.out.write('The spec does not change.\n');
    for (const c of plan.changes) ctx.out.write(`${c.path}: ${c.from ?? '(none)'} -> ${c.to ?? '(none)'}\n`);
    ctx.out.write('\n');
    const rows = plan.tasks.map((t) => ({
      Task: t.name,
      Action: t.action,
      From: t.fromNode,
      To: t.toNode,
      Problem: t.problem,
    }));
    printRows(ctx.out, layout, rows, { format: '', quiet: false });
  },
});
