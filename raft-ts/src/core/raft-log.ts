// A member's log as the core sees it: what is stored, followed by what is not known to be written yet (unstable).
// Invariants: applied <= applying <= committed <= last; nothing at or below `committed` ever changes. `applying` is what
// was handed to the state machine, `applied` what the state machine has confirmed.
import { entriesSizeBytes } from '../entry-size.js';
import { invariant } from '../errors.js';
import { limitBytes, type Storage } from '../storage/storage.js';
import { type Entry, isConfEntry, type Snapshot, type SnapshotMetadata } from '../types.js';
import type { Rules } from './rules.js';
import type { LogEnd, Trace } from './trace.js';
import { UnstableLog } from './unstable-log.js';

export interface RaftLogOptions {
  readonly storage: Storage;
  readonly commit: number;
  readonly applied: number;
  /** Entries that are with the state machine at once; at least one. */
  readonly maxApplyBytes: number;
  readonly rules: Rules;
  readonly trace: Trace | undefined;
}

export class RaftLog {
  committed: number;
  applied: number;
  applying: number;
  readonly unstable: UnstableLog;
  readonly #storage: Storage;
  readonly #maxApplyBytes: number;
  readonly #rules: Rules;
  readonly #trace: Trace | undefined;
  #applyingBytes = 0;
  /** The state machine has its fill. */
  #applyingPaused = false;

  constructor(options: RaftLogOptions) {
    const { storage, commit, applied } = options;
    this.#storage = storage;
    this.#maxApplyBytes = options.maxApplyBytes;
    this.#rules = options.rules;
    this.#trace = options.trace;
    this.unstable = new UnstableLog(storage.lastIndex() + 1, options.trace);
    this.committed = Math.min(Math.max(commit, applied), storage.lastIndex());
    this.applied = applied;
    this.applying = applied;
  }

  get firstIndex(): number {
    const { snapshot } = this.unstable;
    return snapshot === undefined ? this.#storage.firstIndex() : snapshot.metadata.index + 1;
  }

  get lastIndex(): number {
    return this.unstable.lastIndex ?? this.#storage.lastIndex();
  }

  get end(): LogEnd {
    const index = this.lastIndex;
    return { index, term: this.term(index) ?? 0 };
  }

  /** Undefined if the entry was compacted away or does not exist. */
  term(index: number): number | undefined {
    const unstable = this.unstable.term(index);
    if (unstable !== undefined || index >= this.unstable.offset) return unstable;
    return this.unstable.snapshot === undefined ? this.#storage.term(index) : undefined;
  }

  matches(index: number, term: number): boolean {
    return this.term(index) === term;
  }

  storedSnapshot(): SnapshotMetadata {
    return this.#storage.snapshot();
  }

  /** Entries `low` up to but not including `high`, at least one if there is one, limited to `maxBytes`. */
  slice(low: number, high: number, maxBytes: number): readonly Entry[] {
    invariant(low >= this.firstIndex && high <= this.lastIndex + 1, `log entries ${low} to ${high} do not exist`);
    if (low >= high) return [];
    const { offset } = this.unstable;
    if (low >= offset) return limitBytes(this.unstable.slice(low, high), maxBytes);
    const storedEnd = Math.min(high, offset);
    const stored = this.#storage.entries(low, storedEnd, maxBytes);
    if (high <= offset || stored.length < storedEnd - low) return stored;
    return limitBytes([...stored, ...this.unstable.slice(offset, high)], maxBytes);
  }

  /** Adds entries right after or over what is there; everything from the first one's index on is replaced. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    invariant(first.index > this.committed, `committed entry ${first.index} would be replaced`);
    this.unstable.append(entries);
  }

  /**
   * Takes a leader's entries after (`prevIndex`, `prevTerm`). False if they do not follow on here, or would replace a
   * committed entry: that cannot be, so no answer is better than going along.
   */
  take(entries: readonly Entry[]): boolean {
    const conflict = this.#rules.firstToReplace(entries, (index) => this.term(index));
    if (conflict === undefined) return true;
    const ownTerm = this.term(conflict.index);
    if (conflict.index <= this.lastIndex) {
      this.#trace?.({ kind: 'conflict', index: conflict.index, ownTerm: ownTerm ?? 0, term: conflict.term });
    }
    if (conflict.index <= this.committed) return false;
    this.append(entries.slice(conflict.index - (entries[0]?.index ?? 0)));
    return true;
  }

  /**
   * The last index, from `index` down, whose term is at most `term`: where a log with an entry of `term` at `index`
   * may still agree with this one. Below what is known, the index is returned with term 0.
   */
  lastNotAfter(index: number, term: number): LogEnd {
    for (let at = index; at > 0; at -= 1) {
      const own = this.term(at);
      if (own === undefined) return { index: at, term: 0 };
      if (own <= term) return { index: at, term: own };
    }
    return { index: 0, term: 0 };
  }

  /** Never goes back, never beyond the end. */
  commitTo(index: number): boolean {
    const target = Math.min(index, this.lastIndex);
    if (target <= this.committed) return false;
    this.committed = target;
    return true;
  }

  /** How far entries may be applied: what is not stored here yet may be withheld. */
  #appliableEnd(withUnstable: boolean): number {
    return withUnstable ? this.committed : Math.min(this.committed, this.unstable.offset - 1);
  }

  /** Committed entries that nobody applies yet; none while a snapshot waits to be restored first. */
  nextCommitted(withUnstable: boolean): readonly Entry[] {
    if (!this.hasNextCommitted(withUnstable)) return [];
    const room = this.#maxApplyBytes - this.#applyingBytes;
    return this.slice(this.applying + 1, this.#appliableEnd(withUnstable) + 1, room);
  }

  hasNextCommitted(withUnstable: boolean): boolean {
    if (this.#applyingPaused || this.unstable.snapshot !== undefined) return false;
    return this.applying < this.#appliableEnd(withUnstable);
  }

  /** The entries, which `nextCommitted` gave, are with the state machine. */
  acceptApplying(entries: readonly Entry[], withUnstable: boolean): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.applying = last.index;
    this.#applyingBytes += entriesSizeBytes(entries);
    // Also if only the size has kept the next entry back.
    this.#applyingPaused = this.#applyingBytes >= this.#maxApplyBytes || last.index < this.#appliableEnd(withUnstable);
  }

  /** The state machine has applied entries of `bytes` up to `index`. */
  appliedTo(index: number, bytes: number): void {
    invariant(index <= this.committed, `entry ${index} was applied but only ${this.committed} is committed`);
    this.applied = Math.max(this.applied, index);
    this.applying = Math.max(this.applying, this.applied);
    this.#applyingBytes = Math.max(0, this.#applyingBytes - bytes);
    this.#applyingPaused = this.#applyingBytes >= this.#maxApplyBytes;
  }

  hasUnappliedConfChange(): boolean {
    const low = Math.max(this.applied + 1, this.firstIndex);
    const high = this.committed + 1;
    for (let at = low; at < high; ) {
      const page = this.slice(at, high, this.#maxApplyBytes);
      if (page.some((entry) => isConfEntry(entry))) return true;
      at += page.length;
    }
    return false;
  }

  /** The leader's snapshot replaces everything. */
  restore(snapshot: Snapshot): void {
    const { index, term } = snapshot.metadata;
    const { offset, inProgressEnd, count } = this.unstable;
    const { committed: commit, applied, applying } = this;
    const unstable = { offset, inProgressEnd, count };
    this.#trace?.({ kind: 'snapshot-restoring', snapshot: { index, term }, commit, applied, applying, unstable });
    this.committed = index;
    this.unstable.restore(snapshot);
  }
}
