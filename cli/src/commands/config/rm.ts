/** `swarmts config rm`. */
import { removeCommand } from '../../payload/commands.js';

export const command = removeCommand('config');
