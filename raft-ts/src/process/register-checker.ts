// Whether a history of reads and writes of one key, as its clients saw it, is linearizable. Every value is written once,
// so each write and the reads of its value form a cluster, and the question is whether the clusters can be put in order.
// Source: Gibbons and Korach, "Testing Shared Memories", SIAM J. Comput. 26(4), 1997, section 4 (zones).

/** One operation. Times are of one clock; `end` is Infinity for a write that may take effect at any later time. */
export type Operation =
  | { readonly kind: 'write'; readonly value: string; readonly start: number; readonly end: number }
  /** Undefined: the key was not there. */
  | { readonly kind: 'read'; readonly value: string | undefined; readonly start: number; readonly end: number };

interface Zone {
  readonly value: string | undefined;
  /** The first end and the last start among the cluster's operations. */
  readonly firstEnd: number;
  readonly lastStart: number;
}

/** Undefined if the history is linearizable; otherwise what is wrong with it. */
export function findViolation(history: readonly Operation[]): string | undefined {
  // Before everything else, the key was not there.
  const writes = new Map<string | undefined, { start: number; end: number }>([
    [undefined, { start: Number.NEGATIVE_INFINITY, end: Number.NEGATIVE_INFINITY }],
  ]);
  const zones = new Map<string | undefined, Zone>();
  for (const { kind, value, start, end } of history) {
    if (kind !== 'write') continue;
    if (writes.has(value)) throw new Error(`the value ${value} was written twice: this checker cannot tell them apart`);
    writes.set(value, { start, end });
  }
  for (const [value, { start, end }] of writes) zones.set(value, { value, firstEnd: end, lastStart: start });
  for (const operation of history) {
    if (operation.kind !== 'read') continue;
    const { value, start, end } = operation;
    const write = writes.get(value);
    const zone = zones.get(value);
    if (write === undefined || zone === undefined) return `the value ${value} was read but never written`;
    if (end < write.start) return `the value ${value} was read before it was written`;
    zones.set(value, {
      value,
      firstEnd: Math.min(zone.firstEnd, end),
      lastStart: Math.max(zone.lastStart, start),
    });
  }
  return findOverlap([...zones.values()]);
}

/** A cluster was the key's value all the way from its first end to its last start: nothing else fits in there. */
function findOverlap(zones: readonly Zone[]): string | undefined {
  const forward = zones.filter(({ firstEnd, lastStart }) => firstEnd < lastStart);
  forward.sort((a, b) => a.firstEnd - b.firstEnd);
  for (const [at, zone] of forward.entries()) {
    const next = forward[at + 1];
    if (next !== undefined && next.firstEnd < zone.lastStart) {
      return `the values ${zone.value} and ${next.value} were both there at ${next.firstEnd}`;
    }
  }
  // Forward zones do not overlap from here on, so only the last one that begins before can contain another.
  const begins = forward.map(({ firstEnd }) => firstEnd);
  for (const { value, firstEnd, lastStart } of zones) {
    if (firstEnd < lastStart) continue;
    const around = forward[lastBefore(begins, lastStart)];
    if (around !== undefined && around.firstEnd < lastStart && firstEnd < around.lastStart) {
      return `the value ${value} came and went while ${around.value} was there`;
    }
  }
  return undefined;
}

/** The place of the last number below `limit` in an ascending list; -1 if there is none. */
function lastBefore(ascending: readonly number[], limit: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ascending[middle] ?? 0) < limit) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
