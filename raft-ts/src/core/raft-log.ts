// A member's log as the core sees it: what is stored, followed by what is not written yet (unstable).
// Invariants: applied <= committed <= last; nothing at or below `committed` ever changes; the unstable part starts at
// #offset and is what the next Ready hands out to be written.
import { invariant } from '../errors.js';
import { limitBytes, type Storage } from '../storage/storage.js';
import type { Entry, Snapshot, SnapshotMetadata } from '../types.js';

export class RaftLog {
  committed: number;
  /** Handed to the state machine and confirmed. */
  applied: number;
  readonly #storage: Storage;
  #unstable: Entry[] = [];
  #offset: number;
  #snapshot: Snapshot | undefined;

  constructor(storage: Storage, committed: number, applied: number) {
    this.#storage = storage;
    this.#offset = storage.lastIndex() + 1;
    this.committed = Math.min(Math.max(committed, applied), storage.lastIndex());
    this.applied = applied;
  }

  get firstIndex(): number {
    return this.#snapshot ? this.#snapshot.metadata.index + 1 : this.#storage.firstIndex();
  }

  get lastIndex(): number {
    return this.#offset + this.#unstable.length - 1;
  }

  get lastTerm(): number {
    return this.term(this.lastIndex) ?? 0;
  }

  /** The last index that is surely on disk. */
  get stableIndex(): number {
    return this.#snapshot ? 0 : this.#offset - 1;
  }

  get pendingSnapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  get unstableEntries(): readonly Entry[] {
    return this.#unstable.slice();
  }

  get hasUnstable(): boolean {
    return this.#unstable.length > 0 || this.#snapshot !== undefined;
  }

  /** Undefined if the entry was compacted away or does not exist. */
  term(index: number): number | undefined {
    if (index >= this.#offset) return this.#unstable[index - this.#offset]?.term;
    if (this.#snapshot !== undefined) {
      return index === this.#snapshot.metadata.index ? this.#snapshot.metadata.term : undefined;
    }
    return this.#storage.term(index);
  }

  matches(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  storedSnapshot(): SnapshotMetadata {
    return this.#storage.snapshot();
  }

  /** Entries `low` up to but not including `high`, at least one if there is one, limited to `maxBytes` of data. */
  slice(low: number, high: number, maxBytes: number): readonly Entry[] {
    invariant(low >= this.firstIndex && high <= this.lastIndex + 1, `log entries ${low} to ${high} do not exist`);
    if (low >= high) return [];
    if (low >= this.#offset) {
      return limitBytes(this.#unstable.slice(low - this.#offset, high - this.#offset), maxBytes);
    }
    const storedEnd = Math.min(high, this.#offset);
    const stored = this.#storage.entries(low, storedEnd, maxBytes);
    if (high <= this.#offset || stored.length < storedEnd - low) return stored;
    return limitBytes([...stored, ...this.#unstable.slice(0, high - this.#offset)], maxBytes);
  }

  /** Adds entries right after or over what is there; everything from the first one's index on is replaced. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    invariant(first.index > this.committed, `committed entry ${first.index} would be replaced`);
    invariant(first.index <= this.lastIndex + 1, `entries from ${first.index} leave a gap after ${this.lastIndex}`);
    if (first.index < this.#offset) {
      this.#offset = first.index;
      this.#unstable = [];
    } else {
      this.#unstable.length = first.index - this.#offset;
    }
    for (const entry of entries) this.#unstable.push(entry);
  }

  /** The first of `entries` that differs from or is missing in the log; undefined if all are there. */
  firstConflict(entries: readonly Entry[]): Entry | undefined {
    return entries.find((entry) => !this.matches(entry.index, entry.term));
  }

  /**
   * The last index, from `index` down, whose term is at most `term`: where a log with an entry of `term` at `index`
   * may still agree with this one. Below what is known, the index is returned with term 0.
   */
  lastNotAfter(index: number, term: number): { index: number; term: number } {
    for (let at = index; at > 0; at -= 1) {
      const own = this.term(at);
      if (own === undefined) return { index: at, term: 0 };
      if (own <= term) return { index: at, term: own };
    }
    return { index: 0, term: 0 };
  }

  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  /** Never goes back, never beyond the end. */
  commitTo(index: number): boolean {
    const target = Math.min(index, this.lastIndex);
    if (target <= this.committed) return false;
    this.committed = target;
    return true;
  }

  /** Committed entries that were not applied yet; none while a snapshot waits to be restored first. */
  nextCommitted(maxBytes: number): readonly Entry[] {
    if (this.#snapshot !== undefined || this.applied >= this.committed) return [];
    return this.slice(this.applied + 1, this.committed + 1, maxBytes);
  }

  get hasNextCommitted(): boolean {
    return this.#snapshot === undefined && this.applied < this.committed;
  }

  hasUnappliedConfChange(): boolean {
    if (!this.hasNextCommitted) return false;
    const unapplied = this.slice(this.applied + 1, this.committed + 1, Number.POSITIVE_INFINITY);
    return unapplied.some((entry) => entry.type === 'conf');
  }

  appliedTo(index: number): void {
    invariant(index <= this.committed, `entry ${index} was applied but only ${this.committed} is committed`);
    this.applied = Math.max(this.applied, index);
  }

  /** Entries up to (`index`, `term`) are on disk. They may have been replaced meanwhile: then nothing is known. */
  stableTo(index: number, term: number): void {
    if (index < this.#offset || !this.matches(index, term)) return;
    this.#unstable.splice(0, index - this.#offset + 1);
    this.#offset = index + 1;
  }

  stableSnapshot(index: number): void {
    if (this.#snapshot?.metadata.index === index) this.#snapshot = undefined;
  }

  /** The leader's snapshot replaces everything. */
  restore(snapshot: Snapshot): void {
    this.#snapshot = snapshot;
    this.#unstable = [];
    this.#offset = snapshot.metadata.index + 1;
    this.committed = snapshot.metadata.index;
  }
}
