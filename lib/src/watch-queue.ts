/**
 * Publish/subscribe with bounded buffers: publishing never blocks and never fails. A subscriber that falls behind by
 * more than its limit is closed with `lagged`, and must take a new snapshot; nobody else notices.
 */

export const WATCH_BUFFER_LIMIT = 10_000;

export interface Watch {
  close(): void;
}

export type WatchListener<T> = (event: T) => void;

export class WatchQueue<T> {
  readonly #listeners = new Set<WatchListener<T>>();
  readonly #onFailure: (error: unknown) => void;

  /** `onFailure` is told what a listener throws, which is its own affair alone: neither the publisher's nor that of the listeners after it. */
  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  /** Delivers synchronously; a listener must only mark things dirty or buffer. */
  subscribe(listener: WatchListener<T>): Watch {
    this.#listeners.add(listener);
    return {
      close: () => {
        this.#listeners.delete(listener);
      },
    };
  }

  publish(event: T): void {
    for (const l of [...this.#listeners]) {
      try {
        l(event);
      } catch (e) {
        this.#onFailure(e);
      }
    }
  }

  get size(): number {
    return this.#listeners.size;
  }
}

/** A bounded buffer between a publisher and an async consumer. */
export class WatchStream<T> implements AsyncIterable<T> {
  #buffer: T[] = [];
  #wake: (() => void) | undefined;
  #closed = false;
  #lagged = false;
  readonly #limit: number;
  readonly #onTaken: () => void;

  /** `onTaken` is told whenever the consumer takes what waits for it. */
  constructor(limit = WATCH_BUFFER_LIMIT, onTaken: () => void = () => undefined) {
    this.#limit = limit;
    this.#onTaken = onTaken;
  }

  /** How many events wait for the consumer. */
  get waiting(): number {
    return this.#buffer.length;
  }

  /** True when events were lost because the consumer was too slow; the stream is closed then. */
  get lagged(): boolean {
    return this.#lagged;
  }

  push(event: T): void {
    if (this.#closed) return;
    if (this.#buffer.length >= this.#limit) {
      this.#lagged = true;
      this.#buffer = [];
      this.close();
      return;
    }
    this.#buffer.push(event);
    this.#wake?.();
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<T> {
    for (;;) {
      const batch = this.#buffer;
      this.#buffer = [];
      if (batch.length > 0) this.#onTaken();
      for (const e of batch) yield e;
      if (this.#buffer.length > 0) continue;
      if (this.#closed) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = undefined;
    }
  }
}
