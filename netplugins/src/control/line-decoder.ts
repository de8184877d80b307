/** Between the daemon and a process of its own: lines of JSON. */

/** One line of JSON may be large: a network of ten thousand endpoints has about a megabyte. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;

/** Cuts a stream into lines. Throws RangeError when one is too long. */
export class LineDecoder {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): string[] {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const lines: string[] = [];
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10)) {
      lines.push(data.toString('utf8', 0, end));
      data = data.subarray(end + 1);
    }
    if (data.length > MAX_LINE_BYTES) throw new RangeError(`a line of more than ${MAX_LINE_BYTES} bytes`);
    this.#rest = Buffer.from(data);
    return lines;
  }
}
