/**
 * A stream from a producer to one consumer with room for a few values: whoever pushes into a full one waits, so that a slow
 * reader slows the work down instead of filling the memory.
 */

export const CHANNEL_LIMIT = 64;

export class Channel<T> implements AsyncIterable<T> {
  readonly #values: T[] = [];
  readonly #limit: number;
  #closed = false;
  #wakeReader: (() => void) | undefined;
  #wakeWriters: (() => void)[] = [];

  constructor(limit = CHANNEL_LIMIT) {
    this.#limit = limit;
  }

  /** Resolves when there is room; what comes after the end is dropped. */
  async push(value: T): Promise<void> {
    while (this.#values.length >= this.#limit && !this.#closed) {
      await new Promise<void>((resolve) => this.#wakeWriters.push(resolve));
    }
    if (this.#closed) return;
    this.#values.push(value);
    this.#wakeReader?.();
  }

  /** The reader gets what is there and ends. */
  close(): void {
    this.#closed = true;
    this.#wakeReader?.();
    this.#releaseWriters();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T> {
    try {
      for (;;) {
        const value = this.#values.shift();
        if (value !== undefined) {
          this.#releaseWriters();
          yield value;
        } else if (this.#closed) return;
        else {
          await new Promise<void>((resolve) => {
            this.#wakeReader = resolve;
          });
          this.#wakeReader = undefined;
        }
      }
    } finally {
      // A reader that has gone must not hold the writers.
      this.close();
    }
  }

  #releaseWriters(): void {
    for (const wake of this.#wakeWriters.splice(0)) wake();
  }
}
