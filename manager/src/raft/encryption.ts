/**
 * Encryption at rest of Raft's log and snapshots: AES-256-GCM with data keys that are kept beside the node's TLS key. The
 * newest seals; older ones still open what was written before.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { SwarmtsError } from '@swarmts/lib';
import type { Encryptor } from 'raft-ts';

const ALGORITHM = 'aes-256-gcm';
export const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** `keys` are of 32 bytes, the newest first; they are asked for with each record, so that a new one takes over at once. */
export function createEncryptor(keys: () => readonly Uint8Array[]): Encryptor {
  return {
    seal(plain) {
      const [key] = keys();
      if (!key) throw new SwarmtsError('internal', 'there is no data key');
      return seal(key, plain);
    },
    open(sealed) {
      let last: unknown = new SwarmtsError('corrupt', 'there is no data key');
      for (const key of keys()) {
        try {
          return open(key, sealed);
        } catch (e) {
          last = e;
        }
      }
      throw last;
    },
  };
}

export function seal(key: Uint8Array, plain: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(ALGORITHM, key, nonce);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Throws when the bytes are damaged, or were sealed with another key. */
export function open(key: Uint8Array, sealed: Uint8Array): Uint8Array {
  const buffer = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (buffer.length < NONCE_BYTES + TAG_BYTES) throw new SwarmtsError('corrupt', 'an encrypted record is too short');
  const decipher = createDecipheriv(ALGORITHM, key, buffer.subarray(0, NONCE_BYTES));
  decipher.setAuthTag(buffer.subarray(buffer.length - TAG_BYTES));
  return Buffer.concat([decipher.update(buffer.subarray(NONCE_BYTES, buffer.length - TAG_BYTES)), decipher.final()]);
}
