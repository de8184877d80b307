/**
 * Frames on the socket between daemon and helper: 4 bytes big-endian length of what follows, 4 bytes length of the
 * header, the header as JSON, then a binary tail. A frame above the limit ends the connection, so neither side can make the
 * other one allocate without bound.
 */
import { SwarmtsError } from '@swarmts/lib';

/** Two captured outputs of 8 MiB and a header that is generous for an nftables document. */
export const MAX_FRAME_BYTES = 64 * 1024 * 1024;

export interface Frame {
  readonly header: unknown;
  readonly tail: Buffer;
}

const EMPTY = Buffer.alloc(0);

/** The buffers of one frame, ready to be written one after the other. */
export function encodeFrame(header: unknown, tail: Uint8Array = EMPTY): Buffer[] {
  const json = Buffer.from(JSON.stringify(header), 'utf8');
  const length = 4 + json.length + tail.length;
  if (length > MAX_FRAME_BYTES) {
    throw new SwarmtsError('resource-exhausted', `a helper message of ${length} bytes exceeds ${MAX_FRAME_BYTES}`);
  }
  const prefix = Buffer.allocUnsafe(8);
  prefix.writeUInt32BE(length, 0);
  prefix.writeUInt32BE(json.length, 4);
  const head = Buffer.concat([prefix, json]);
  return tail.length === 0 ? [head] : [head, Buffer.from(tail.buffer, tail.byteOffset, tail.byteLength)];
}

/** Cuts a byte stream into frames. */
export class FrameDecoder {
  #chunks: Buffer[] = [];
  #bytes = 0;

  /** Frames that `chunk` completes. Throws 'corrupt' on a length that cannot be. */
  push(chunk: Buffer): Frame[] {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    const frames: Frame[] = [];
    for (let frame = this.#next(); frame !== undefined; frame = this.#next()) frames.push(frame);
    return frames;
  }

  #next(): Frame | undefined {
    if (this.#bytes < 8) return undefined;
    if ((this.#chunks[0] ?? EMPTY).length < 8) this.#join();
    const first = this.#chunks[0] ?? EMPTY;
    const length = first.readUInt32BE(0);
    const headerLength = first.readUInt32BE(4);
    if (length > MAX_FRAME_BYTES || headerLength + 4 > length) {
      throw new SwarmtsError('corrupt', `a helper frame of ${length} bytes with a header of ${headerLength}`);
    }
    const end = 4 + length;
    if (this.#bytes < end) return undefined;
    this.#join();
    const all = this.#chunks[0] ?? EMPTY;
    const header: unknown = JSON.parse(all.toString('utf8', 8, 8 + headerLength));
    const rest = all.subarray(end);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#bytes = rest.length;
    return { header, tail: all.subarray(8 + headerLength, end) };
  }

  #join(): void {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
  }
}
