// Whether what clients saw of one register could have come from a register on a single machine. Each value is written
// once, so a write and the reads of its value form a cluster; the times in which a cluster must have been the current
// one decide (Gibbons and Korach, "Testing shared memories", 1997): in O(n log n) for n operations.

/** An operation on one register; times are those of one clock. */
export interface Operation {
  readonly kind: 'write' | 'read';
  /** Written, or read; never written twice. 0 is the value before any write. */
  readonly value: number;
  readonly callMs: number;
  /** Undefined for a write of which nobody knows what became of it. Reads without an answer are left out. */
  readonly returnMs: number | undefined;
}

interface Cluster {
  readonly value: number;
  writeCall: number;
  /** When the first operation had ended, and when the last one had begun. */
  firstReturn: number;
  lastCall: number;
}

/** In words what is impossible; undefined if the history is linearizable. */
export function linearizabilityProblem(history: readonly Operation[]): string | undefined {
  const clusters = new Map<number, Cluster>();
  const initial = Number.NEGATIVE_INFINITY;
  clusters.set(0, { value: 0, writeCall: initial, firstReturn: initial, lastCall: initial });
  const reads = history.filter(({ kind }) => kind === 'read');
  const seen = new Set(reads.map(({ value }) => value));
  for (const { kind, value, callMs, returnMs } of history) {
    if (kind !== 'write') continue;
    if (clusters.has(value)) return `${value} was written twice`;
    // A write of unknown fate that nobody has seen need not have happened.
    if (returnMs === undefined && !seen.has(value)) continue;
    const firstReturn = returnMs ?? Number.POSITIVE_INFINITY;
    clusters.set(value, { value, writeCall: callMs, firstReturn, lastCall: callMs });
  }
  for (const { value, callMs, returnMs = Number.POSITIVE_INFINITY } of reads) {
    const cluster = clusters.get(value);
    if (cluster === undefined) return `${value} was read but never written`;
    if (returnMs < cluster.writeCall) return `${value} was read before it was written`;
    cluster.firstReturn = Math.min(cluster.firstReturn, returnMs);
    cluster.lastCall = Math.max(cluster.lastCall, callMs);
  }
  return zoneProblem([...clusters.values()]);
}

/**
 * A cluster whose first operation ended before its last one began was current all that time: no two such times overlap,
 * and no cluster whose operations all overlap each other fits into one of them.
 */
function zoneProblem(clusters: readonly Cluster[]): string | undefined {
  const forward = clusters.filter(({ firstReturn, lastCall }) => firstReturn < lastCall);
  forward.sort((a, b) => a.firstReturn - b.firstReturn);
  for (const [at, zone] of forward.entries()) {
    const next = forward[at + 1];
    if (next !== undefined && next.firstReturn < zone.lastCall) {
      return `${zone.value} and ${next.value} were both current at ${next.firstReturn} ms`;
    }
  }
  for (const { value, firstReturn, lastCall } of clusters) {
    if (firstReturn < lastCall) continue;
    const around = lastZoneBefore(forward, lastCall);
    if (around !== undefined && firstReturn < around.lastCall) {
      return `${value} came and went between ${lastCall} and ${firstReturn} ms, while ${around.value} was current`;
    }
  }
  return undefined;
}

/** The last of the sorted, disjoint zones that begins before `time`. */
function lastZoneBefore(zones: readonly Cluster[], time: number): Cluster | undefined {
  let [low, high] = [0, zones.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((zones[middle]?.firstReturn ?? Number.POSITIVE_INFINITY) < time) low = middle + 1;
    else high = middle;
  }
  return zones[low - 1];
}
