/** `swarmts node ps`: the tasks of one or more nodes, of this one without an argument. */
import { atLeast, defineCommand } from '../../command.js';
import type { Task } from '../../engine-types.js';
import { CommandError, errorText } from '../../exit.js';
import { filterQuery } from '../../http/filters.js';
import { getNode } from '../../node/change.js';
import { printTasks, taskListFlags } from '../../task/list.js';

export const command = defineCommand({
  synopsis: '[NODE...]',
  flags: taskListFlags,
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
    if (failures.length === 0 || tasks.length > 0) await printTasks(ctx, tasks, f);
    if (failures.length > 0) throw new CommandError(failures.join('\n'));
  },
});
