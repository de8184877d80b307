// Encryption at rest as the log uses it: every record and snapshot chunk goes through the caller's encryptor.
import { RaftError } from '../errors.js';

/** The caller's cipher. `open` must throw if the bytes are not what `seal` made. */
export interface Encryptor {
  seal(plain: Uint8Array): Uint8Array;
  open(sealed: Uint8Array): Uint8Array;
}

export const NO_ENCRYPTION: Encryptor = { seal: (plain) => plain, open: (sealed) => sealed };

/** Opens stored bytes; what the encryptor refuses is reported as `corrupt`, be it damage or another key. */
export function openSealed(encryptor: Encryptor, sealed: Uint8Array): Uint8Array {
  try {
    return encryptor.open(sealed);
  } catch (cause) {
    throw new RaftError('corrupt', 'stored bytes cannot be decrypted: they are damaged, or the key is another', {
      cause,
    });
  }
}
