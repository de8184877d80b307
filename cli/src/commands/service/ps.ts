/** `swarmts service ps`. */
import { atLeast, defineCommand } from '../../command.js';
import type { Service, Task } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { filterQuery } from '../../http/filters.js';
import { printTasks, taskListFlags } from '../../task/list.js';

export const command = defineCommand({
  synopsis: 'SERVICE [SERVICE...]',
  flags: taskListFlags,
  arity: atLeast(1),
  completes: 'service',
  async run(ctx, f, refs) {
    const ids: string[] = [];
    const missing: string[] = [];
    for (const ref of refs) {
      const service = await ctx.api.find<Service>(`/services/${encodeURIComponent(ref)}`);
      if (service) ids.push(service.ID);
      else missing.push(`no such service: ${ref}`);
    }
    if (ids.length === 0) throw new CommandError(missing.join('\n'));
    const tasks = await ctx.api.get<Task[]>('/tasks', { filters: filterQuery(f.filter, { service: ids }) });
    await printTasks(ctx, tasks, f);
    if (missing.length > 0) throw new CommandError(missing.join('\n'));
  },
});
