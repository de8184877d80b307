/** `swarmts task logs`: of one task, named by its id or as SERVICE.SLOT. */
import { defineCommand, exactly } from '../../command.js';
import { findTask } from '../../task/on-task.js';
import { flags, logsOfTask, showLogs } from '../service/logs.js';

export const command = defineCommand({
  synopsis: 'TASK',
  flags,
  arity: exactly(1),
  async run(ctx, f, [ref = '']) {
    await showLogs(ctx, f, logsOfTask(await findTask(ctx, ref)));
  },
});
