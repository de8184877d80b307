/** `swarmts stack ps`. */
import { defineCommand, exactly } from '../../command.js';
import type { Task } from '../../engine-types.js';
import { CommandError } from '../../exit.js';
import { filterQuery } from '../../http/filters.js';
import { servicesOf } from '../../stack/deploy.js';
import { checkStackName } from '../../stack/names.js';
import { printTasks, taskListFlags } from '../../task/list.js';

export const command = defineCommand({
  synopsis: 'STACK',
  flags: taskListFlags,
  arity: exactly(1),
  async run(ctx, f, [stack = '']) {
    const services = await servicesOf(ctx, checkStackName(stack));
    if (services.size === 0) throw new CommandError(`nothing found in stack: ${stack}`);
    const ids = [...services.values()].map((s) => s.ID);
    const tasks = await ctx.api.get<Task[]>('/tasks', { filters: filterQuery(f.filter, { service: ids }) });
    await printTasks(ctx, tasks, f);
  },
});
