/** Places of lines in a log: by their times, and by their number among those of the same time. What is written at once has one time. */

export interface LinePosition {
  readonly timeNs: bigint;
  /** From 0. */
  readonly number: number;
}

/** Counts lines that come in their order, from the first of their time on. */
export class LineCounter {
  #last: LinePosition = { timeNs: -1n, number: 0 };

  next(timeNs: bigint): LinePosition {
    const number = timeNs === this.#last.timeNs ? this.#last.number + 1 : 0;
    this.#last = { timeNs, number };
    return this.#last;
  }
}

export function isBehind(a: LinePosition, b: LinePosition): boolean {
  return a.timeNs > b.timeNs || (a.timeNs === b.timeNs && a.number > b.number);
}

/** "TIME NUMBER"; a time alone, as earlier releases wrote it, is all lines of that time. Undefined for anything else. */
export function parseLinePosition(text: string): LinePosition | undefined {
  const [, time, number] = /^(\d+)(?: (\d+))?$/.exec(text.trim()) ?? [];
  return time === undefined
    ? undefined
    : { timeNs: BigInt(time), number: number === undefined ? Number.MAX_SAFE_INTEGER : Number(number) };
}

export function formatLinePosition({ timeNs, number }: LinePosition): string {
  return `${timeNs} ${number}`;
}
