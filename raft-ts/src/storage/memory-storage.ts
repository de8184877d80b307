// The log since the last compaction, in memory: what the core reads, behind the disk's back or (in tests and in the
// simulator) instead of a disk. Invariant: entries are contiguous and start right after (#offset, #offsetTerm).
import { invariant } from '../errors.js';
import type { ConfState, Entry, HardState, SnapshotMetadata } from '../types.js';
import { limitBytes, type Storage } from './storage.js';

export const NO_HARD_STATE: HardState = { term: 0, vote: 0, commit: 0 };
export const NO_SNAPSHOT: SnapshotMetadata = { index: 0, term: 0, confState: { voters: [], learners: [] } };

/** Entries that are looked at first when a few are asked for. */
const SLICE_ENTRIES = 512;

export interface StoredLog {
  readonly hardState: HardState;
  readonly snapshot: SnapshotMetadata;
  /** Index and term right before the first entry. */
  readonly offset: { readonly index: number; readonly term: number };
  readonly entries: readonly Entry[];
}

export class MemoryStorage implements Storage {
  #hardState: HardState = NO_HARD_STATE;
  #snapshot: SnapshotMetadata = NO_SNAPSHOT;
  #offset = 0;
  #offsetTerm = 0;
  #entries: Entry[] = [];

  static from(log: StoredLog): MemoryStorage {
    const storage = new MemoryStorage();
    storage.#hardState = log.hardState;
    storage.#snapshot = log.snapshot;
    storage.#offset = log.offset.index;
    storage.#offsetTerm = log.offset.term;
    storage.append(log.entries);
    return storage;
  }

  initialState(): { hardState: HardState; confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#snapshot.confState };
  }

  firstIndex(): number {
    return this.#offset + 1;
  }

  lastIndex(): number {
    return this.#offset + this.#entries.length;
  }

  term(index: number): number | undefined {
    if (index === this.#offset) return this.#offsetTerm;
    return this.#entries[index - this.#offset - 1]?.term;
  }

  entries(low: number, high: number, maxBytes: number): readonly Entry[] {
    invariant(low > this.#offset && high <= this.lastIndex() + 1, `stored entries ${low} to ${high} do not exist`);
    const from = low - this.#offset - 1;
    // Piece by piece: a member far behind asks for a little of very much.
    for (let count = Math.min(SLICE_ENTRIES, high - low); ; count = Math.min(2 * count, high - low)) {
      const slice = this.#entries.slice(from, from + count);
      const limited = limitBytes(slice, maxBytes);
      if (limited.length < slice.length || count >= high - low) return limited;
    }
  }

  snapshot(): SnapshotMetadata {
    return this.#snapshot;
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  /** Adds entries; what was stored at or after the first one's index is replaced. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    invariant(
      first.index > this.#offset && first.index <= this.lastIndex() + 1,
      `entries from ${first.index} do not join a log from ${this.firstIndex()} to ${this.lastIndex()}`,
    );
    this.#entries.length = first.index - this.#offset - 1;
    for (const entry of entries) this.#entries.push(entry);
  }

  /** A snapshot came from the leader: it replaces the whole log. */
  installSnapshot(metadata: SnapshotMetadata): void {
    this.#snapshot = metadata;
    this.#offset = metadata.index;
    this.#offsetTerm = metadata.term;
    this.#entries = [];
  }

  /** A snapshot of our own was taken: the log stays until `compact`. */
  noteSnapshot(metadata: SnapshotMetadata): void {
    if (metadata.index > this.#snapshot.index) this.#snapshot = metadata;
  }

  /** Forgets the entries up to `index`, which a snapshot must cover. */
  compact(index: number): void {
    if (index <= this.#offset) return;
    invariant(index <= this.#snapshot.index, `entries up to ${index} are not covered by a snapshot`);
    const term = this.term(index);
    invariant(term !== undefined, `entry ${index} to compact to does not exist`);
    this.#entries.splice(0, index - this.#offset);
    this.#offset = index;
    this.#offsetTerm = term;
  }
}
