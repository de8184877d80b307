/** `swarmts config update`. */
import { newVersionCommand } from '../../payload/new-version.js';

export const command = newVersionCommand('config');
