/** `swarmts service rebalance`: moves tasks so that the service is spread evenly, at the pace of its updates. */
import { atLeast, defineCommand } from '../../command.js';
import { forEachTarget } from '../../exit.js';

export const command = defineCommand({
  synopsis: 'SERVICE [SERVICE...]',
  flags: {},
  arity: atLeast(1),
  completes: 'service',
  async run(ctx, _flags, names) {
    await forEachTarget(names, async (name) => {
      const path = `/swarmts/v1/services/${encodeURIComponent(name)}/rebalance`;
      const { movingTaskIds } = await ctx.api.post<{ readonly movingTaskIds: readonly string[] }>(path);
      const n = movingTaskIds.length;
      ctx.out.write(
        `${name}: ${n === 0 ? 'no task needs to move' : `${n} ${n === 1 ? 'task is' : 'tasks are'} moved`}\n`,
      );
    });
  },
});
