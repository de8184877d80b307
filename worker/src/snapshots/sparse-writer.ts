/** Writes a file from start to end; runs of zeros become holes, so that an image of a disk takes what is in it. */
import { ftruncateSync, writeSync } from 'node:fs';

const BLOCK = 4096;
const ZEROS = Buffer.alloc(BLOCK);

export class SparseWriter {
  readonly #fd: number;
  /** Where the next byte belongs. */
  #at = 0;
  /** Where the data ends: behind it is a hole. */
  #end = 0;
  /** Bytes that took space. */
  written = 0;

  constructor(fd: number) {
    this.#fd = fd;
  }

  write(chunk: Buffer): void {
    let from = 0;
    for (let at = 0; at < chunk.length; ) {
      // Blocks of the file, not of the chunk: a hole has to be a whole block.
      const next = Math.min(chunk.length, at + BLOCK - ((this.#at + at) % BLOCK));
      if (next - at === BLOCK && chunk.subarray(at, next).equals(ZEROS)) {
        this.#put(chunk.subarray(from, at), this.#at + from);
        from = next;
      }
      at = next;
    }
    this.#put(chunk.subarray(from), this.#at + from);
    this.#at += chunk.length;
  }

  /** The file ends here, even when a hole does. */
  finish(): void {
    if (this.#end < this.#at) ftruncateSync(this.#fd, this.#at);
  }

  #put(data: Buffer, position: number): void {
    for (let at = 0; at < data.length; ) at += writeSync(this.#fd, data, at, data.length - at, position + at);
    if (data.length > 0) this.#end = position + data.length;
    this.written += data.length;
  }
}
