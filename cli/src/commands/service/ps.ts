/** `swarmts service ps`. */
import { bool, filters, text } from '../../args/flag.js';
import { atLeast, defineCommand } from '../../command.js';
import type { Service, Task } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { printRows } from '../../format/rows.js';
import { ApiError } from '../../http/client.js';
import { filterQuery } from '../../http/filters.js';
import { loadNames, rawNames, taskLayout, taskRows } from '../../task/tasks.js';

export const command = defineCommand({
  synopsis: 'SERVICE [SERVICE...]',
  flags: {
    filter: filters(),
    format: text("Format output using a custom template: 'table', 'table TEMPLATE', 'json' or a Go template"),
    'no-resolve': bool('Do not map IDs to Names'),
    'no-trunc': bool('Do not truncate output'),
    quiet: bool('Only display task IDs', { short: 'q' }),
  },
  arity: atLeast(1),
  completes: 'service',
  async run(ctx, f, refs) {
    const ids: string[] = [];
    const missing: string[] = [];
    for (const ref of refs) {
      try {
        ids.push((await ctx.api.get<Service>(`/services/${encodeURIComponent(ref)}`)).ID);
      } catch (e) {
        if (!(e instanceof ApiError) || e.status !== 404) throw e;
        missing.push(`no such service: ${ref}`);
      }
    }
    if (ids.length === 0) throw new CommandError(missing.join('\n'));
    const tasks = await ctx.api.get<Task[]>('/tasks', { filters: filterQuery(f.filter, { service: ids }) });
    const names = f['no-resolve'] ? rawNames : await loadNames(ctx);
    const rows = taskRows(tasks, names, { trunc: !f['no-trunc'] && !f.quiet, format: f.format, nowMs: ctx.now() });
    printRows(ctx.out, taskLayout, rows, f);
    if (missing.length > 0) throw new CommandError(missing.join('\n'));
  },
});
