/** `swarmts config create`. */
import { createCommand } from '../../payload/commands.js';

export const command = createCommand('config');
