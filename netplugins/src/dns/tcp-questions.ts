/**
 * Questions that come over one TCP connection (RFC 7766): each with its length in front, answered as the answers come. Whoever does not
 * read them, or asks faster than others can be asked, is not read from for that long.
 */
import type { Socket } from 'node:net';
import type { Answerer } from './container-sockets.js';
import { framed } from './forwarder.js';

const IDLE_MS = 10_000;
/** Of one connection. */
const MAX_UNDER_WAY = 32;
const LENGTH_BYTES = 2;

export class TcpQuestions {
  readonly #client: Socket;
  readonly #answer: Answerer;
  #received: Buffer = Buffer.alloc(0);
  #underWay = 0;

  /** Destroys the connection when nothing happens on it. */
  constructor(client: Socket, answer: Answerer) {
    this.#client = client;
    this.#answer = answer;
    client.setTimeout(IDLE_MS, () => client.destroy());
    client.on('error', () => undefined);
    client.on('drain', () => this.#goOn());
    client.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#goOn();
    });
  }

  #goOn(): void {
    while (this.#hasRoom) {
      const message = this.#take();
      if (!message) break;
      this.#underWay++;
      this.#reply(message).catch(() => this.#client.destroy());
    }
    if (this.#hasRoom) this.#client.resume();
    else this.#client.pause();
  }

  get #hasRoom(): boolean {
    return !this.#client.destroyed && !this.#client.writableNeedDrain && this.#underWay < MAX_UNDER_WAY;
  }

  #take(): Buffer | undefined {
    const received = this.#received;
    const end = received.length < LENGTH_BYTES ? Number.POSITIVE_INFINITY : LENGTH_BYTES + received.readUInt16BE(0);
    if (received.length < end) return undefined;
    this.#received = received.subarray(end);
    return Buffer.from(received.subarray(LENGTH_BYTES, end));
  }

  async #reply(message: Buffer): Promise<void> {
    const bytes = await this.#answer(message, false);
    this.#underWay--;
    if (this.#client.destroyed) return;
    if (bytes) this.#client.write(framed(bytes));
    this.#goOn();
  }
}
