// What must hold in every run whatever fails, checked as it happens: one leader per term, the same entry at the same
// index everywhere (applied or only stored), nothing applied twice or out of order, no acknowledged write missing,
// no read older than what was acknowledged before it began.

import type { StoredLog } from '../storage/memory-storage.js';
import type { CommittedEntry, Entry } from '../types.js';

export class SafetyViolation extends Error {
  override readonly name = 'SafetyViolation';
}

const textOf = (data: Uint8Array): string => Buffer.from(data).toString('latin1');

export class Checker {
  readonly #leaders = new Map<number, number>();
  readonly #applied = new Map<number, string>();
  readonly #stored = new Map<string, string>();
  readonly #acknowledged = new Map<string, number>();
  highestAcknowledged = 0;

  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  noteLeader(id: number, term: number): void {
    const other = this.#leaders.get(term) ?? id;
    if (other !== id) throw new SafetyViolation(`members ${other} and ${id} both lead in term ${term}`);
    this.#leaders.set(term, id);
  }

  noteApplied(id: number, entry: CommittedEntry): void {
    const value = `${entry.term}:${textOf(entry.data)}`;
    const before = this.#applied.get(entry.index) ?? value;
    if (before !== value) {
      throw new SafetyViolation(`member ${id} applied ${value} at ${entry.index}, where another applied ${before}`);
    }
    this.#applied.set(entry.index, value);
  }

  /** A log as found on disk: entries of the same index and term, and their predecessors' terms, agree everywhere. */
  noteStoredLog(id: number, log: Pick<StoredLog, 'offset' | 'entries'>): void {
    let previous: { index: number; term: number } = log.offset;
    for (const entry of log.entries) {
      this.#noteStoredEntry(id, previous, entry);
      previous = entry;
    }
  }

  #noteStoredEntry(id: number, previous: { term: number }, entry: Entry): void {
    const key = `${entry.index}@${entry.term}`;
    const value = `${previous.term}>${entry.type}:${textOf(entry.data)}`;
    const before = this.#stored.get(key) ?? value;
    if (before !== value) {
      throw new SafetyViolation(`member ${id} stores ${value} at ${key}, where another stores ${before}`);
    }
    this.#stored.set(key, value);
  }

  noteAcknowledged(value: string, index: number): void {
    this.#acknowledged.set(value, index);
    this.highestAcknowledged = Math.max(this.highestAcknowledged, index);
  }

  noteRead(id: number, index: number, acknowledgedBefore: number): void {
    if (index < acknowledgedBefore) {
      throw new SafetyViolation(`member ${id} read at ${index} although ${acknowledgedBefore} was acknowledged before`);
    }
  }

  /** At the end: a member that caught up holds every acknowledged write, each once. */
  checkComplete(id: number, values: readonly string[]): void {
    const present = new Set(values);
    if (present.size !== values.length) throw new SafetyViolation(`member ${id} applied a write twice`);
    for (const [value, index] of this.#acknowledged) {
      if (!present.has(value)) throw new SafetyViolation(`member ${id} lacks ${value}, acknowledged at ${index}`);
    }
  }
}
