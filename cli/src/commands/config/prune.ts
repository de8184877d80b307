/** `swarmts config prune`. */
import { pruneCommand } from '../../payload/prune.js';

export const command = pruneCommand('config');
