/** `swarmts task top`. */
import { onTask } from '../../task/on-task.js';
import { command as onContainer } from '../container/top.js';

export const command = onTask({ command: onContainer, synopsis: 'TASK [ps OPTIONS]' });
