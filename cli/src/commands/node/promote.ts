/** `swarmts node promote`. */
import { roleCommand } from '../../node/role-command.js';

export const command = roleCommand('manager');
