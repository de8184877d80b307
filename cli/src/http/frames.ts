/**
 * Docker's multiplexed log stream: frames of an 8 byte header (stream, three zeros, big-endian length) and that many bytes.
 * Bytes may arrive cut anywhere.
 */
import type { Output } from '../context.js';
import { CommandError } from '../exit.js';

export interface Frame {
  readonly stream: 'stdout' | 'stderr' | 'error';
  readonly data: Buffer;
}

const HEADER_BYTES = 8;
/** A log line never comes near; a larger length means that the bytes are no frames. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024;

export async function* readFrames(source: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      if (pending.length < HEADER_BYTES) break;
      const type = pending[0] ?? 0;
      const size = pending.readUInt32BE(4);
      if (type > 3 || size > MAX_FRAME_BYTES) throw new CommandError(`Unrecognized input header: ${type}`);
      if (pending.length < HEADER_BYTES + size) break;
      const data = pending.subarray(HEADER_BYTES, HEADER_BYTES + size);
      yield { stream: type === 3 ? 'error' : type === 2 ? 'stderr' : 'stdout', data };
      pending = pending.subarray(HEADER_BYTES + size);
    }
  }
  if (pending.length > 0) throw new CommandError('the daemon cut the log stream inside a frame');
}

/** Writes bytes as they are, in whatever encoding, as fast as the reader takes them. */
export async function writeBytes(out: Output, data: Uint8Array): Promise<void> {
  await out.pipe(one(data));
}

async function* one(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data;
}
