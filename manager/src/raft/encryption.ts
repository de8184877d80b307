/** Encryption at rest of Raft's log and snapshots: AES-256-GCM with a data key that is kept beside the node's TLS key. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFileIfThere, SwarmtsError, writeFileAtomic } from '@swarmts/lib';
import type { Encryptor } from 'raft-ts';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export function createEncryptor(key: Uint8Array): Encryptor {
  return {
    seal(plain) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, nonce);
      return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed) {
      const buffer = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
      if (buffer.length < NONCE_BYTES + TAG_BYTES)
        throw new SwarmtsError('corrupt', 'an encrypted record is too short');
      const decipher = createDecipheriv(ALGORITHM, key, buffer.subarray(0, NONCE_BYTES));
      decipher.setAuthTag(buffer.subarray(buffer.length - TAG_BYTES));
      return Buffer.concat([
        decipher.update(buffer.subarray(NONCE_BYTES, buffer.length - TAG_BYTES)),
        decipher.final(),
      ]);
    },
  };
}

/** Reads the data key, or makes one where there is none yet. */
export async function loadDataKey(path: string): Promise<Uint8Array> {
  const text = await readFileIfThere(path);
  if (text !== undefined) {
    const key = Buffer.from(text.trim(), 'base64');
    if (key.length !== KEY_BYTES) throw new SwarmtsError('corrupt', `${path} holds no data key of ${KEY_BYTES} bytes`);
    return key;
  }
  const key = randomBytes(KEY_BYTES);
  await writeFileAtomic(path, `${key.toString('base64')}\n`);
  return key;
}
