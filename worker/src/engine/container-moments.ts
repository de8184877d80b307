/** Those who wait for something to happen to a container. Each is told once. */
import { untilAborted } from '../images/shared-jobs.js';

class Moment {
  readonly #listeners = new Set<() => void>();

  /** Calls back once; returns the unsubscribe function. */
  on(fn: () => void): () => void {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  async next(signal: AbortSignal | undefined): Promise<void> {
    let stop: () => void = () => undefined;
    try {
      await untilAborted(
        new Promise<void>((resolve) => {
          stop = this.on(resolve);
        }),
        signal,
      );
    } finally {
      stop();
    }
  }

  fire(): void {
    const all = [...this.#listeners];
    this.#listeners.clear();
    for (const fn of all) fn();
  }
}

export class ContainerMoments {
  readonly started = new Moment();
  /** Of a run, or of a start that failed. */
  readonly ended = new Moment();
  /** Of a run: a start that failed is none. */
  readonly exited = new Moment();
  readonly removed = new Moment();
}
