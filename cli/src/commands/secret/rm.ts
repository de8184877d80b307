/** `swarmts secret rm`. */
import { removeCommand } from '../../payload/commands.js';

export const command = removeCommand('secret');
