/** `swarmts task attach`. */
import { onTask } from '../../task/on-task.js';
import { command as onContainer } from '../container/attach.js';

export const command = onTask({ command: onContainer, synopsis: 'TASK' });
