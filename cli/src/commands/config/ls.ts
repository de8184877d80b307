/** `swarmts config ls`. */
import { listCommand } from '../../payload/commands.js';

export const command = listCommand('config');
