// When to take a snapshot of the own state, and getting it to disk beside the log's work. One at a time.
import type { DiskLog } from '../storage/disk-log.js';
import type { CommittedEntry, SnapshotMetadata } from '../types.js';
import type { StateMachine } from './options.js';

export interface SnapshotLimits {
  readonly entries: number;
  readonly bytes: number;
  readonly trailingEntries: number;
}

export class Snapshots {
  readonly #log: DiskLog;
  readonly #stateMachine: StateMachine;
  readonly #limits: SnapshotLimits;
  readonly #onWritten: () => void;
  readonly #onError: (error: unknown) => void;
  #bytes = 0;
  #entries = 0;
  #writing: Promise<void> | undefined;
  #written: SnapshotMetadata | undefined;

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

  noteApplied(entries: readonly CommittedEntry[]): void {
    this.#entries += entries.length;
    for (const entry of entries) this.#bytes += entry.data.length;
  }

  /** The leader's snapshot was restored. */
  noteRestored(): void {
    this.#entries = 0;
    this.#bytes = 0;
  }

  get isDue(): boolean {
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
    } catch (error) {
      this.#onError(error);
      return;
    } finally {
      this.#writing = undefined;
    }
    this.#onWritten();
  }

  get hasWritten(): boolean {
    return this.#written !== undefined;
  }

  /** Lets the log start from the snapshot written last. Not beside another write to the log. */
  async adopt(): Promise<void> {
    const metadata = this.#written;
    this.#written = undefined;
    if (metadata !== undefined) await this.#log.adoptSnapshot(metadata, this.#limits.trailingEntries);
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    await this.#writing;
  }
}
