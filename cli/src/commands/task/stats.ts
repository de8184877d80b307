/** `swarmts task stats`. */
import { exactly } from '../../command.js';
import { onTask } from '../../task/on-task.js';
import { command as onContainer } from '../container/stats.js';

export const command = onTask({ command: onContainer, synopsis: 'TASK', arity: exactly(1) });
