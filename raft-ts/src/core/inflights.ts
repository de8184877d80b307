// Appends to one member that were not answered yet, oldest first: limited by their number and by the bytes in them, so
// that a slow member does not fill the leader's send buffers.
interface Inflight {
  /** The last index in the message. */
  readonly index: number;
  readonly bytes: number;
}

export interface InflightLimits {
  readonly count: number;
  /** The append that goes beyond is still sent. */
  readonly bytes: number;
}

export class Inflights {
  readonly #limits: InflightLimits;
  #queue: Inflight[] = [];
  /** Place of the oldest in #queue; what is before it is done. */
  #head = 0;
  #bytes = 0;

  constructor(limits: InflightLimits) {
    this.#limits = limits;
  }

  get count(): number {
    return this.#queue.length - this.#head;
  }

  get isFull(): boolean {
    return this.count >= this.#limits.count || this.#bytes >= this.#limits.bytes;
  }

  add(index: number, bytes: number): void {
    this.#queue.push({ index, bytes });
    this.#bytes += bytes;
  }

  /** The member has confirmed everything up to `index`. */
  freeUpTo(index: number): void {
    for (let oldest = this.#queue[this.#head]; oldest !== undefined && oldest.index <= index; ) {
      this.#bytes -= oldest.bytes;
      this.#head += 1;
      oldest = this.#queue[this.#head];
    }
    if (this.#head === this.#queue.length) this.clear();
    else if (this.#head > this.#queue.length / 2) {
      this.#queue.splice(0, this.#head);
      this.#head = 0;
    }
  }

  clear(): void {
    this.#queue = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
