/** A piece of an answer that goes to many clients at once: it is made and framed for them all, once. */
import type { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';

export class SharedChunk {
  readonly #make: () => string;
  #bytes: Buffer | undefined;
  #frame: Buffer | undefined;

  constructor(make: () => string) {
    this.#make = make;
  }

  /** As the `write` of a response, which frames every chunk anew; returns who says 'drain' when there was no room. */
  writeTo(response: ServerResponse): EventEmitter | undefined {
    const { socket } = response;
    // While another answer has the connection, this one waits in the response itself.
    const isWaiting = socket === null || response.writableLength > socket.writableLength;
    if (isWaiting || !response.chunkedEncoding) return response.write(this.#text()) ? undefined : response;
    return socket.write(this.#framed()) ? undefined : socket;
  }

  #text(): Buffer {
    this.#bytes ??= Buffer.from(this.#make());
    return this.#bytes;
  }

  /** A chunk of HTTP/1.1. */
  #framed(): Buffer {
    const text = this.#text();
    this.#frame ??= Buffer.concat([Buffer.from(`${text.length.toString(16)}\r\n`), text, Buffer.from('\r\n')]);
    return this.#frame;
  }
}
