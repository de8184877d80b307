/** `swarmts node ps`: the tasks of one or more nodes, of this one without an argument. */
import { bool, filters, text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import type { Task } from '../../engine-types.js';
import { CommandError, errorText } from '../../exit.js';
import { printRows } from '../../format/rows.js';
import { filterQuery } from '../../http/filters.js';
import { getNode } from '../../node/change.js';
import { loadNames, rawNames, taskLayout, taskRows } from '../../task/tasks.js';

export const command = defineCommand({
  synopsis: '[NODE...]',
  flags: {
    filter: filters(),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    'no-resolve': bool('Do not map IDs to Names'),
    'no-trunc': bool('Do not truncate output'),
    quiet: bool('Only display task IDs', { short: 'q' }),
  },
  arity: atLeast(0),
  completes: 'node',
  async run(ctx, f, args) {
    const tasks: Task[] = [];
    const failures: string[] = [];
    for (const ref of args.length === 0 ? ['self'] : args) {
      try {
        const node = await getNode(ctx, ref);
        tasks.push(...(await ctx.api.get<Task[]>('/tasks', { filters: filterQuery(f.filter, { node: [node.ID] }) })));
      } catch (e) {
        failures.push(errorText(e));
      }
    }
    if (failures.length === 0 || tasks.length > 0) {
      const names = f['no-resolve'] ? rawNames : await loadNames(ctx);
      const rows = taskRows(tasks, names, { trunc: !f['no-trunc'] && !f.quiet, format: f.format, nowMs: ctx.now() });
      printRows(ctx.out, taskLayout, rows, f);
    }
    if (failures.length > 0) throw new CommandError(failures.join('\n'));
  },
});
