// A member's durable state: log segments, snapshot files, and the in-memory view of them that the core reads.
// Invariants: memory never shows what is not written; a snapshot file is complete before the log mentions it, and the
// log mentions it before anything that it replaces is removed; the first failure is final.
import { dirname } from 'node:path';
import { RaftError } from '../errors.js';
import type { Entry, HardState, Snapshot, SnapshotMetadata } from '../types.js';
import type { DirectoryLock } from './directory-lock.js';
import { type Disk, openNodeDisk } from './disk.js';
import { isNoSpace } from './disk-error.js';
import { type Encryptor, NO_ENCRYPTION } from './encryption.js';
import { encodeLogRecord, type LogRecord, LogReplay } from './log-records.js';
import { MemoryStorage, NO_HARD_STATE } from './memory-storage.js';
import { Segments } from './segments.js';
import { SnapshotFiles, type SnapshotWriter } from './snapshot-files.js';

export const DEFAULT_SEGMENT_BYTES = 16 * 1024 * 1024;

export interface DiskLogOptions {
  readonly directory: string;
  readonly encryptor?: Encryptor | undefined;
  readonly segmentBytes?: number | undefined;
  readonly disk?: Disk | undefined;
  /** Snapshot files that stay beside the newest one. Default 0. */
  readonly keptOldSnapshots?: number | undefined;
}

export interface LogWrite {
  readonly hardState?: HardState | undefined;
  /** From the leader: replaces the log. */
  readonly snapshot?: Snapshot | undefined;
  /** The snapshot's file is complete already, made by `beginSnapshotFile`: its data is not looked at. */
  readonly isSnapshotStored?: boolean;
  readonly entries?: readonly Entry[];
  readonly mustSync: boolean;
}

export interface OpenSnapshot {
  readonly metadata: SnapshotMetadata;
  readonly sizeBytes: number;
  /** The whole content, from its beginning, in pieces. */
  chunks(): Promise<AsyncIterable<Uint8Array>>;
  release(): Promise<void>;
}

export class DiskLog {
  readonly storage: MemoryStorage;
  /** What `create` was given. */
  readonly metadata: Uint8Array;
  /** May be changed; what is too many goes with the next snapshot. */
  keptOldSnapshots: number;
  readonly #segments: Segments;
  readonly #snapshots: SnapshotFiles;
  readonly #encryptor: Encryptor;
  readonly #hold: Hold;
  #failure: RaftError | undefined;
  #busy = false;

  private constructor(parts: {
    storage: MemoryStorage;
    metadata: Uint8Array;
    segments: Segments;
    snapshots: SnapshotFiles;
    encryptor: Encryptor;
    hold: Hold;
    keptOldSnapshots: number;
  }) {
    this.storage = parts.storage;
    this.metadata = parts.metadata;
    this.#segments = parts.segments;
    this.#snapshots = parts.snapshots;
    this.#encryptor = parts.encryptor;
    this.#hold = parts.hold;
    this.keptOldSnapshots = parts.keptOldSnapshots;
  }

  /** The log in a directory; a new one, holding `initial`, if there is none. */
  static async open(options: DiskLogOptions, initial: InitialLog | undefined): Promise<DiskLog> {
    return await describeFailure(`the log in ${options.directory} cannot be opened`, async () => {
      const hold = await holdDirectory(options);
      try {
        return await DiskLog.#open(options, hold, initial);
      } catch (error) {
        await hold.release();
        throw error;
      }
    });
  }

  static async #open(options: DiskLogOptions, hold: Hold, initial: InitialLog | undefined): Promise<DiskLog> {
    const { disk } = hold;
    const { directory, encryptor = NO_ENCRYPTION, segmentBytes = DEFAULT_SEGMENT_BYTES } = options;
    const { keptOldSnapshots = 0 } = options;
    const [walDirectory, snapshotDirectory] = [`${directory}/wal`, `${directory}/snap`];
    for (const path of [walDirectory, snapshotDirectory]) await disk.makeDirectory(path);
    for (const path of [directory, dirname(directory)]) await disk.syncDirectory(path);
    const snapshots = new SnapshotFiles(disk, snapshotDirectory, encryptor);
    if (!(await Segments.exist(disk, walDirectory))) {
      if (initial === undefined) throw new RaftError('invalid', `there is no log in ${directory}`);
      const records = initialRecords(initial).map((record) => encodeLogRecord(record, encryptor));
      const segments = await Segments.create(disk, walDirectory, segmentBytes, records);
      const storage = new MemoryStorage();
      storage.setHardState(initial.hardState ?? NO_HARD_STATE);
      storage.append(initial.entries ?? []);
      const { metadata } = initial;
      return new DiskLog({ storage, metadata, segments, snapshots, encryptor, hold, keptOldSnapshots });
    }
    const replay = new LogReplay(encryptor);
    const segments = await Segments.open(disk, walDirectory, segmentBytes, (record) => replay.add(record));
    try {
      const storage = MemoryStorage.from(replay.result());
      await snapshots.keepOnly(storage.snapshot(), keptOldSnapshots);
      const metadata = replay.metadata ?? new Uint8Array(0);
      return new DiskLog({ storage, metadata, segments, snapshots, encryptor, hold, keptOldSnapshots });
    } catch (error) {
      await segments.close();
      throw error;
    }
  }

  /** How much was written since it was opened: bytes, batches, and syncs of the log. */
  get counts(): { readonly bytes: number; readonly batches: number; readonly syncs: number } {
    return { ...this.#segments.counts };
  }

  /** The disk is full, and what is left of the log's own room is kept for what the group cannot do without. */
  get isRunningOut(): boolean {
    return this.#segments.isRunningOut;
  }

  /** Asks a full disk again. */
  askForRoom(): void {
    if (this.#failure === undefined) this.#segments.askForRoom();
  }

  get snapshotIndex(): number {
    return this.storage.snapshot().index;
  }

  /**
   * Writes one batch: all of it or nothing survives a crash. Not to be called before the last call has resolved.
   * Throws a RaftError `no-space` if the disk is full: nothing has changed, and the same call may be made again.
   */
  async write(write: LogWrite): Promise<void> {
    const { hardState, snapshot, entries = [] } = write;
    const records: LogRecord[] = [];
    if (hardState !== undefined) records.push({ kind: 'hard-state', hardState });
    if (snapshot !== undefined) records.push({ kind: 'snapshot-installed', metadata: snapshot.metadata });
    for (const entry of entries) records.push({ kind: 'entry', entry });
    if (records.length === 0) return;
    await this.#exclusively(async () => {
      if (snapshot !== undefined && write.isSnapshotStored !== true) await this.#snapshots.write(snapshot);
      await this.#append(records, write.mustSync);
      if (hardState !== undefined) this.storage.setHardState(hardState);
      if (snapshot !== undefined) this.storage.installSnapshot(snapshot.metadata);
      this.storage.append(entries);
      if (snapshot !== undefined) await this.#forgetBefore(snapshot.metadata, snapshot.metadata.index);
      if (this.#segments.isFull) await this.#cut();
    });
  }

  /**
   * Writes the file of a snapshot of the own state. May run beside `write`; it counts only after `adoptSnapshot`.
   * Throws a RaftError `no-space` if the disk is full, and leaves nothing of it.
   */
  async writeSnapshotFile(snapshot: Snapshot): Promise<void> {
    this.#refuseAfterFailure();
    await this.#guard(async () => await this.#snapshots.write(snapshot));
  }

  /** Begins the file of a snapshot that comes in chunks. It counts only after a `write` with its metadata. */
  async beginSnapshotFile(metadata: SnapshotMetadata, sizeBytes: number): Promise<SnapshotWriter> {
    this.#refuseAfterFailure();
    return await describeFailure('the snapshot cannot be written', async () => {
      return await this.#snapshots.begin(metadata, sizeBytes);
    });
  }

  /** Lets the log start from a snapshot whose file is written; keeps `trailing` entries before it in memory and log. */
  async adoptSnapshot(metadata: SnapshotMetadata, trailing: number): Promise<void> {
    // The leader's snapshot may have overtaken it.
    if (metadata.index <= this.snapshotIndex) return;
    await this.#exclusively(async () => {
      await this.#append([{ kind: 'snapshot-taken', metadata }], true);
      this.storage.noteSnapshot(metadata);
      await this.#forgetBefore(metadata, Math.max(0, metadata.index - trailing));
    });
  }

  /** The newest snapshot with its data; undefined if there is none. */
  async readSnapshot(): Promise<Snapshot | undefined> {
    const metadata = this.storage.snapshot();
    if (metadata.index === 0) return undefined;
    return await describeFailure('the snapshot cannot be read', async () => await this.#snapshots.read(metadata));
  }

  /** The newest snapshot to be read in pieces; its file stays until `release`. Undefined if there is none. */
  async openSnapshot(): Promise<OpenSnapshot | undefined> {
    const metadata = this.storage.snapshot();
    if (metadata.index === 0) return undefined;
    this.#snapshots.pin(metadata);
    const release = async (): Promise<void> => await this.#snapshots.unpin(metadata);
    try {
      const { stored, sizeBytes } = await this.#snapshots.openChunks(metadata);
      const chunks = async (): Promise<AsyncIterable<Uint8Array>> =>
        (await this.#snapshots.openChunks(metadata)).chunks;
      return { metadata: stored, sizeBytes, chunks, release };
    } catch (error) {
      await release();
      throw error;
    }
  }

  async close(): Promise<void> {
    try {
      await this.#segments.close();
    } finally {
      await this.#hold.release();
    }
  }

  async #append(records: readonly LogRecord[], sync: boolean): Promise<void> {
    const encoded = records.map((record) => encodeLogRecord(record, this.#encryptor));
    await this.#segments.append(encoded, sync);
  }

  /** A new segment repeats what old ones may take with them when they are released. */
  async #cut(): Promise<void> {
    const head: LogRecord[] = [
      { kind: 'metadata', bytes: this.metadata },
      { kind: 'hard-state', hardState: this.storage.initialState().hardState },
    ];
    const metadata = this.storage.snapshot();
    if (metadata.index > 0) head.push({ kind: 'snapshot-taken', metadata });
    const encoded = head.map((record) => encodeLogRecord(record, this.#encryptor));
    await this.#segments.cut(this.storage.lastIndex() + 1, encoded);
  }

  async #forgetBefore(snapshot: SnapshotMetadata, index: number): Promise<void> {
    this.storage.compact(index);
    await this.#segments.release(index);
    await this.#snapshots.removeBefore(snapshot, this.keptOldSnapshots);
  }

  async #exclusively(work: () => Promise<void>): Promise<void> {
    this.#refuseAfterFailure();
    if (this.#busy) throw new Error('raft invariant broken: two writes to the log at once');
    this.#busy = true;
    try {
      await this.#guard(work);
    } finally {
      this.#busy = false;
    }
  }

  #refuseAfterFailure(): void {
    if (this.#failure === undefined) return;
    throw new RaftError('io', `the log accepts nothing since: ${this.#failure.message}`, { cause: this.#failure });
  }

  async #guard(work: () => Promise<void>): Promise<void> {
    try {
      await describeFailure('the log cannot be written', work);
    } catch (error) {
      if (isNoSpace(error)) throw error;
      this.#failure ??= error instanceof RaftError ? error : new RaftError('io', String(error), { cause: error });
      throw error;
    }
  }
}

/** A directory that is this process's own until `release`. */
interface Hold {
  readonly disk: Disk;
  release(): Promise<void>;
}

async function holdDirectory({ directory, disk: given }: DiskLogOptions): Promise<Hold> {
  const disk = given ?? openNodeDisk();
  // A disk that was made here ends here; one that was given is the giver's.
  const closeDisk = async (): Promise<void> => {
    if (given === undefined) await disk.close?.();
  };
  let lock: DirectoryLock | undefined;
  try {
    await disk.makeDirectory(directory);
    lock = await disk.lock?.(directory);
  } catch (error) {
    await closeDisk();
    throw error;
  }
  return {
    disk,
    async release() {
      await lock?.release();
      await closeDisk();
    },
  };
}

interface InitialLog {
  readonly metadata: Uint8Array;
  readonly hardState?: HardState;
  readonly entries?: readonly Entry[];
}

function initialRecords(initial: InitialLog): LogRecord[] {
  const records: LogRecord[] = [{ kind: 'metadata', bytes: initial.metadata }];
  if (initial.hardState !== undefined) records.push({ kind: 'hard-state', hardState: initial.hardState });
  for (const entry of initial.entries ?? []) records.push({ kind: 'entry', entry });
  return records;
}

/** Turns what the file system throws into a RaftError `io`. */
async function describeFailure<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof RaftError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RaftError('io', `${what}: ${reason}`, { cause });
  }
}
