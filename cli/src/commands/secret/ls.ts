/** `swarmts secret ls`. */
import { listCommand } from '../../payload/commands.js';

export const command = listCommand('secret');
