/** `swarmts stack ps`. */
import { bool, filters, text } from '../../args/flag.js';
import { defineCommand, exactly } from '../../command.js';
import type { Task } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { printRows } from '../../format/rows.js';
import { filterQuery } from '../../http/filters.js';
import { servicesOf } from '../../stack/deploy.js';
import { checkStackName } from '../../stack/names.js';
import { loadNames, rawNames, taskLayout, taskRows } from '../../task/tasks.js';

export const command = defineCommand({
  synopsis: 'STACK',
  flags: {
    filter: filters(),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    'no-resolve': bool('Do not map IDs to Names'),
    'no-trunc': bool('Do not truncate output'),
    quiet: bool('Only display task IDs', { short: 'q' }),
  },
  arity: exactly(1),
  async run(ctx, f, [stack = '']) {
    const services = await servicesOf(ctx, checkStackName(stack));
    if (services.size === 0) throw new CommandError(`nothing found in stack: ${stack}`);
    const ids = [...services.values()].map((s) => s.ID);
    const tasks = await ctx.api.get<Task[]>('/tasks', { filters: filterQuery(f.filter, { service: ids }) });
    const names = f['no-resolve'] ? rawNames : await loadNames(ctx);
    const rows = taskRows(tasks, names, { trunc: !f['no-trunc'] && !f.quiet, format: f.format, nowMs: ctx.now() });
    printRows(ctx.out, taskLayout, rows, f);
  },
});
