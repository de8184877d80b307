/** `swarmts config inspect`. */
import { inspectCommand } from '../../payload/commands.js';

export const command = inspectCommand('config');
