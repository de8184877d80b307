// The end of the log that is not known to be on disk: a snapshot from the leader, or entries, or both in this order. Some
// first part of it may be with the disk already ("in progress"); it stays here until the disk has confirmed it.
// Invariants: entry i is of index offset + i; offset <= inProgressEnd <= end; what is in progress was handed out once.
import { invariant } from '../errors.js';
import type { Entry, Snapshot } from '../types.js';
import type { Trace } from './trace.js';

export class UnstableLog {
  offset: number;
  #entries: Entry[] = [];
  #inProgressEnd: number;
  #snapshot: Snapshot | undefined;
  #snapshotInProgress = false;
  readonly #trace: Trace | undefined;

  constructor(offset: number, trace: Trace | undefined) {
    this.offset = offset;
    this.#inProgressEnd = offset;
    this.#trace = trace;
  }

  get inProgressEnd(): number {
    return this.#inProgressEnd;
  }

  /** Waiting to be restored, whether or not the disk has it already. */
  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  get count(): number {
    return this.#entries.length;
  }

  /** Undefined if there is neither an entry nor a snapshot. */
  get lastIndex(): number | undefined {
    if (this.#entries.length > 0) return this.offset + this.#entries.length - 1;
    return this.#snapshot?.metadata.index;
  }

  term(index: number): number | undefined {
    if (index >= this.offset) return this.#entries[index - this.offset]?.term;
    const metadata = this.#snapshot?.metadata;
    return metadata?.index === index ? metadata.term : undefined;
  }

  slice(low: number, high: number): Entry[] {
    invariant(
      low >= this.offset && high <= this.offset + this.#entries.length,
      `no unstable entries ${low} to ${high}`,
    );
    return this.#entries.slice(low - this.offset, high - this.offset);
  }

  /** Entries to be given to the disk. */
  nextEntries(): readonly Entry[] {
    return this.#entries.slice(this.#inProgressEnd - this.offset);
  }

  get hasNextEntries(): boolean {
    return this.offset + this.#entries.length > this.#inProgressEnd;
  }

  /** Snapshot to be given to the disk. */
  nextSnapshot(): Snapshot | undefined {
    return this.#snapshotInProgress ? undefined : this.#snapshot;
  }

  /** Everything here is with the disk now. */
  acceptInProgress(): void {
    if (this.#entries.length > 0) this.#inProgressEnd = this.offset + this.#entries.length;
    if (this.#snapshot !== undefined) this.#snapshotInProgress = true;
  }

  /** The disk holds entries up to (`index`, `term`), and nothing under way will replace them there. */
  stableTo(index: number, term: number): void {
    const own = this.term(index);
    if (own === undefined || index < this.offset) {
      this.#trace?.({ kind: 'stable-entry-unknown', index, isSnapshot: own !== undefined });
      return;
    }
    if (own !== term) {
      this.#trace?.({ kind: 'stable-entry-replaced', index, term, ownTerm: own });
      return;
    }
    this.#entries.splice(0, index + 1 - this.offset);
    this.offset = index + 1;
    this.#inProgressEnd = Math.max(this.#inProgressEnd, this.offset);
  }

  stableSnapshotTo(index: number): void {
    if (this.#snapshot?.metadata.index !== index) return;
    this.#snapshot = undefined;
    this.#snapshotInProgress = false;
  }

  restore(snapshot: Snapshot): void {
    this.offset = snapshot.metadata.index + 1;
    this.#inProgressEnd = this.offset;
    this.#entries = [];
    this.#snapshot = snapshot;
    this.#snapshotInProgress = false;
  }

  /** Adds entries; from the first one's index on everything else is replaced. They may begin before `offset`. */
  append(entries: readonly Entry[]): void {
    const from = entries[0]?.index;
    if (from === undefined) return;
    const end = this.offset + this.#entries.length;
    invariant(from <= end, `entries from ${from} leave a gap after ${end - 1}`);
    if (from === end) {
      for (const entry of entries) this.#entries.push(entry);
      return;
    }
    if (from <= this.offset) {
      this.#trace?.({ kind: 'unstable-replaced', from, isAll: true });
      this.#entries = entries.slice();
      this.offset = from;
      this.#inProgressEnd = from;
      return;
    }
    this.#trace?.({ kind: 'unstable-replaced', from, isAll: false });
    this.#entries = [...this.#entries.slice(0, from - this.offset), ...entries];
    this.#inProgressEnd = Math.min(this.#inProgressEnd, from);
  }
}
