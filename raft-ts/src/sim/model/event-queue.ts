// Virtual time without promises: events run one after the other, each to its end, in the order of their times (and of
// their making, for equal times).
interface Event {
  readonly at: number;
  readonly order: number;
  run(): void;
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

export class EventQueue {
  nowMs = 0;
  /** Events that ran. */
  count = 0;
  #order = 0;
  /** A binary heap. */
  readonly #heap: Event[] = [];

  after(delayMs: number, run: () => void): void {
    this.#order += 1;
    const event: Event = { at: this.nowMs + delayMs, order: this.#order, run };
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isBefore(above, event)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = event;
  }

  runUntil(untilMs: number): void {
    for (let event = this.#heap[0]; event !== undefined && event.at <= untilMs; event = this.#heap[0]) {
      this.#dropFirst();
      this.nowMs = event.at;
      this.count += 1;
      event.run();
    }
    this.nowMs = untilMs;
  }

  #dropFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    const size = heap.length;
    if (last === undefined || size === 0) return;
    let at = 0;
    for (;;) {
      const left = heap[2 * at + 1];
      if (left === undefined) break;
      const right = heap[2 * at + 2];
      const isRight = right !== undefined && isBefore(right, left);
      const smaller = isRight ? right : left;
      if (isBefore(last, smaller)) break;
      heap[at] = smaller;
      at = 2 * at + (isRight ? 2 : 1);
    }
    heap[at] = last;
  }
}
