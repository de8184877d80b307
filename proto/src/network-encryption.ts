/** Whether a network is to be encrypted: `--opt encrypted`, with or without a value. */
import type { NetworkSpec } from './gen/types.js';

const ENCRYPTED_OPTION = 'encrypted';
const OFF: ReadonlySet<string> = new Set(['0', 'f', 'F', 'false', 'False', 'FALSE']);

/** Whatever else stands there counts as a wish: nothing is sent in clear by a slip of the pen. */
export function isEncrypted(spec: NetworkSpec | undefined): boolean {
  const value = spec?.driver?.options[ENCRYPTED_OPTION];
  return value !== undefined && !OFF.has(value);
}
