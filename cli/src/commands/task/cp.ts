/** `swarmts task cp`: one of the two places is "TASK:PATH". */
import { CommandError } from '../../exit.js';
import { onTask } from '../../task/on-task.js';
import { command as onContainer, placeOf } from '../container/cp.js';

export const command = onTask({
  command: onContainer,
  synopsis: 'TASK:SRC_PATH DEST_PATH|-\n\tswarmts task cp [OPTIONS] SRC_PATH|- TASK:DEST_PATH',
  taskIn([from = '', to = '']) {
    const [source, target] = [placeOf(from), placeOf(to)];
    if (source.container !== '' && target.container !== '')
      throw new CommandError('copying between tasks is not supported');
    if (source.container !== '') return { ref: source.container, put: (id) => [`${id}:${source.path}`, to] };
    if (target.container !== '') return { ref: target.container, put: (id) => [from, `${id}:${target.path}`] };
    throw new CommandError('one of the places must be in a task: TASK:PATH');
  },
});
