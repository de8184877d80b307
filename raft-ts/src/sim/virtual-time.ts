// Time that passes only when the simulation says so. Between two events everything that was started has come to rest:
// all waiting is for promises or for events of this queue, so the same seed gives the same run.
import type { Timers } from '../driver/options.js';

interface Event {
  readonly at: number;
  readonly order: number;
  run(): void;
}

export class VirtualTime {
  nowMs = 0;
  #order = 0;
  /** A binary heap by (at, order). */
  readonly #heap: Event[] = [];

  after(delayMs: number, run: () => void): void {
    this.#order += 1;
    this.#push({ at: this.nowMs + delayMs, order: this.#order, run });
  }

  /** Timers that stop for good when `isAlive` turns false. */
  timers(isAlive: () => boolean): Timers {
    return {
      setInterval: (callback, intervalMs) => {
        let isCancelled = false;
        const fire = (): void => {
          if (isCancelled || !isAlive()) return;
          callback();
          this.after(intervalMs, fire);
        };
        this.after(intervalMs, fire);
        return () => {
          isCancelled = true;
        };
      },
    };
  }

  /** Runs what is due until `untilMs`; `afterEach` once everything an event started has come to rest. */
  async runUntil(untilMs: number, afterEach: () => void): Promise<void> {
    for (let event = this.#heap[0]; event !== undefined && event.at <= untilMs; event = this.#heap[0]) {
      this.#pop();
      this.nowMs = event.at;
      event.run();
      // Promises that can settle without an event of ours have settled by the next turn of the real event loop.
      await new Promise((resolve) => setImmediate(resolve));
      afterEach();
    }
    this.nowMs = untilMs;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, event)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      if (left === undefined) break;
      const isRight = right !== undefined && isBefore(right, left);
      const smaller = isRight ? right : left;
      if (isBefore(last, smaller)) break;
      heap[at] = smaller;
      at = 2 * at + (isRight ? 2 : 1);
    }
    heap[at] = last;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
