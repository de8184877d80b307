/** `swarmts secret prune`. */
import { pruneCommand } from '../../payload/prune.js';

export const command = pruneCommand('secret');
