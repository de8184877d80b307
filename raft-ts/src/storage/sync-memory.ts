// What the log's thread and its owner share: a few words, and room for the bytes of a write or the text of a failure.

/** Places of the 32-bit words. */
export const WORD = {
  state: 0,
  request: 1,
  wantsMessage: 2,
  fd: 3,
  /** The position in the file is high * 2^31 + low. */
  positionHigh: 4,
  positionLow: 5,
  length: 6,
  sync: 7,
  failureBytes: 8,
} as const;
export const WORDS = 16;

/** Values of the state word. */
export const IDLE = 0;
export const REQUESTED = 1;

export const BUFFER_BYTES = 1024 * 1024;
export const MAX_FAILURE_BYTES = 4096;

export interface SharedMemory {
  readonly words: Int32Array;
  readonly bytes: Uint8Array;
}

export interface SyncFailure {
  readonly step: 'write' | 'sync';
  readonly code: string | undefined;
  readonly message: string;
}

export function newSharedMemory(): SharedMemory {
  return {
    words: new Int32Array(new SharedArrayBuffer(4 * WORDS)),
    bytes: new Uint8Array(new SharedArrayBuffer(BUFFER_BYTES)),
  };
}
