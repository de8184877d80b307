/** `swarmts secret update`. */
import { newVersionCommand } from '../../payload/new-version.js';

export const command = newVersionCommand('secret');
