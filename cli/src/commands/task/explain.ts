/** `swarmts task explain`: why a task is, or is not, where it is. */
import { text } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import { printRows } from '../../format/rows.js';
import { type Explanation, explanationLayout, explanationRows } from '../service/explain.js';

interface TaskExplanation extends Explanation {
  readonly taskId: string;
  readonly nodeId: string;
  readonly state: string;
  readonly problem: string;
}

export const command = defineCommand({
  synopsis: 'TASK',
  flags: {
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
  },
  arity: exactly(1),
  async run(ctx, f, [ref = '']) {
    const e = await ctx.api.get<TaskExplanation>(`/swarmts/v1/tasks/${encodeURIComponent(ref)}/explain`);
    if (f.format === '') {
      const node = e.nodes.find((n) => n.nodeId === e.nodeId)?.hostname ?? e.nodeId;
      ctx.out.write(
        `Task ${e.taskId} is ${e.state}${node === '' ? '' : ` on ${node}`}${e.problem === '' ? '' : `: ${e.problem}`}\n\n`,
      );
    }
    printRows(ctx.out, explanationLayout, explanationRows(e), f);
  },
});
