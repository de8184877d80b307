/** The key that seals a manager's own keys while autolock is on, as people see it: SWMKEY-1-<base64 of 32 bytes>. */
import { randomBytes } from 'node:crypto';
import { SwarmtsError } from '@swarmts/lib';
import { KEY_BYTES } from '../raft/encryption.js';

const PREFIX = 'SWMKEY-1-';

export function newUnlockKey(): Uint8Array {
  return randomBytes(KEY_BYTES);
}

/** Docker's form: base64 without padding. */
export function unlockKeyText(key: Uint8Array): string {
  return `${PREFIX}${Buffer.from(key).toString('base64').replace(/=+$/, '')}`;
}

/** Throws SwarmtsError 'invalid-argument' for anything but the text of a key; the key itself is not repeated. */
export function parseUnlockKey(text: string): Uint8Array {
  const trimmed = text.trim();
  const encoded = trimmed.slice(PREFIX.length);
  if (trimmed.startsWith(PREFIX) && /^[A-Za-z0-9+/]+$/.test(encoded)) {
    const key = Buffer.from(encoded, 'base64');
    if (key.length === KEY_BYTES) return key;
  }
  throw new SwarmtsError(
    'invalid-argument',
    `swarm could not be unlocked: invalid key provided: an unlock key begins with ${PREFIX} and is shown by \`swarm unlock-key\` on a manager`,
  );
}
