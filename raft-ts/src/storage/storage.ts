// What the pure core reads of the stored log. Reads are synchronous: an implementation keeps the entries since the
// last compaction in memory, and writes reach it only through the driver, between `ready` and `advance`.
import { entrySizeBytes } from '../entry-size.js';
import type { ConfState, Entry, HardState, SnapshotMetadata } from '../types.js';

export interface Storage {
  initialState(): { readonly hardState: HardState; readonly confState: ConfState };
  /** First index that `entries` can give; the one before it still has a known term. */
  firstIndex(): number;
  /** `firstIndex() - 1` if there are no entries. */
  lastIndex(): number;
  /** The term of an entry from `firstIndex() - 1` to `lastIndex()`; undefined outside of that. */
  term(index: number): number | undefined;
  /** Entries `low` up to but not including `high`: at least one, then as many as fit into `maxBytes`. */
  entries(low: number, high: number, maxBytes: number): readonly Entry[];
  /** The newest snapshot; index 0 if there is none. */
  snapshot(): SnapshotMetadata;
}

/** The longest prefix of `entries` of at most `maxBytes`, but at least one entry. */
export function limitBytes(entries: readonly Entry[], maxBytes: number): readonly Entry[] {
  let total = 0;
  for (const [count, entry] of entries.entries()) {
    total += entrySizeBytes(entry);
    if (count > 0 && total > maxBytes) return entries.slice(0, count);
  }
  return entries;
}
