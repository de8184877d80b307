/** `swarmts node demote`. */
import { roleCommand } from '../../node/role-command.js';

export const command = roleCommand('worker');
