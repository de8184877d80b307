/** `swarmts task exec`. */
import { onTask } from '../../task/on-task.js';
import { command as onContainer } from '../container/exec.js';

export const command = onTask({ command: onContainer, synopsis: 'TASK COMMAND [ARG...]' });
