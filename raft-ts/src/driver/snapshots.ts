// When to take a snapshot of the own state, and getting it to disk beside the log's work. One at a time.
import { isRaftError } from '../errors.js';
import type { DiskLog } from '../storage/disk-log.js';
import type { CommittedEntry, SnapshotMetadata } from '../types.js';
import type { StateMachine } from './options.js';

/** Ticks until a snapshot that found no room is tried again, doubled with each failure up to the other number. */
const NO_SPACE_TICKS = 50;
const MAX_NO_SPACE_TICKS = 1_600;

export interface SnapshotLimits {
  readonly entries: number;
  readonly bytes: number;
  readonly trailingEntries: number;
}

export class Snapshots {
  readonly #log: DiskLog;
  readonly #stateMachine: StateMachine;
  #limits: SnapshotLimits;
  readonly #onWritten: () => void;
  readonly #onError: (error: unknown) => void;
  /** Snapshots of the own state that were written since the member was opened. */
  taken = 0;
  #bytes = 0;
  #entries = 0;
  #writing: Promise<void> | undefined;
  #written: SnapshotMetadata | undefined;
  /** The disk was full: not before so many ticks. */
  #pauseTicks = 0;
  #nextPauseTicks = NO_SPACE_TICKS;

  constructor(parts: {
    log: DiskLog;
    stateMachine: StateMachine;
    limits: SnapshotLimits;
    /** A file is complete: `adopt` has something to do. */
    onWritten: () => void;
    onError: (error: unknown) => void;
  }) {
    this.#log = parts.log;
    this.#stateMachine = parts.stateMachine;
    this.#limits = parts.limits;
    this.#onWritten = parts.onWritten;
    this.#onError = parts.onError;
  }

  setLimits(limits: Partial<SnapshotLimits>): void {
    this.#limits = { ...this.#limits, ...limits };
  }

  noteApplied(entries: readonly CommittedEntry[]): void {
    this.#entries += entries.length;
    for (const entry of entries) this.#bytes += entry.data.length;
  }

  /** The leader's snapshot was restored. */
  noteRestored(): void {
    this.#entries = 0;
    this.#bytes = 0;
  }

  tick(): void {
    if (this.#pauseTicks > 0) this.#pauseTicks -= 1;
  }

  get isDue(): boolean {
    if (this.#pauseTicks > 0) return false;
    if (this.#writing !== undefined || this.#written !== undefined) return false;
    return this.#entries >= this.#limits.entries || this.#bytes >= this.#limits.bytes;
  }

  /** Captures the state at once, which must be that of `metadata`, and writes it in the background. */
  take(metadata: SnapshotMetadata): void {
    this.#entries = 0;
    this.#bytes = 0;
    this.#writing = this.#write(metadata, this.#capture());
  }

  async #capture(): Promise<Uint8Array> {
    return await this.#stateMachine.snapshot();
  }

  async #write(metadata: SnapshotMetadata, capture: Promise<Uint8Array>): Promise<void> {
    try {
      await this.#log.writeSnapshotFile({ metadata, data: await capture });
      this.#written = metadata;
      this.taken += 1;
      this.#nextPauseTicks = NO_SPACE_TICKS;
    } catch (error) {
      if (isRaftError(error, 'no-space')) this.#tryAgainLater();
      else this.#onError(error);
      return;
    } finally {
      this.#writing = undefined;
    }
    this.#onWritten();
  }

  /** The log is as good as before; it only goes on growing. */
  #tryAgainLater(): void {
    this.#pauseTicks = this.#nextPauseTicks;
    this.#nextPauseTicks = Math.min(2 * this.#nextPauseTicks, MAX_NO_SPACE_TICKS);
    this.#entries = this.#limits.entries;
  }

  get hasWritten(): boolean {
    return this.#written !== undefined;
  }

  /** Lets the log start from the snapshot written last. Not beside another write to the log. */
  async adopt(): Promise<void> {
    const metadata = this.#written;
    if (metadata !== undefined) await this.#log.adoptSnapshot(metadata, this.#limits.trailingEntries);
    this.#written = undefined;
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    await this.#writing;
  }
}
