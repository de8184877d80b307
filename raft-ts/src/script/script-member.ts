// One member in a script: a core, a stored log in memory, a state machine that appends what it is given, and, with
// asynchronous writes, the work that waits for its two threads.

import { decodeMembershipChange } from '../codec/conf-change-codec.js';
import type { RaftOptions } from '../core/options.js';
import { RawNode } from '../core/raw-node.js';
import type { Ready } from '../core/ready.js';
import type { StorageAppend, StorageApply } from '../message.js';
import { limitBytes, type Storage } from '../storage/storage.js';
import {
  type ConfState,
  type Entry,
  type HardState,
  isConfEntry,
  type Snapshot,
  type SnapshotMetadata,
} from '../types.js';

const NO_HARD_STATE: HardState = { term: 0, vote: 0, commit: 0 };

/** An error that etcd's storage reports, in its words: part of what a script expects. */
export class StorageRefusal extends Error {
  override readonly name = 'StorageRefusal';
}

/** A stored log as etcd's MemoryStorage keeps it. Snapshots to send are the state machine's newest, not the stored one. */
export class ScriptStorage implements Storage {
  #hardState = NO_HARD_STATE;
  #snapshot: SnapshotMetadata;
  #offset: { readonly index: number; readonly term: number };
  #entries: Entry[] = [];
  readonly #newest: () => SnapshotMetadata;

  constructor(snapshot: SnapshotMetadata, newest: () => SnapshotMetadata) {
    this.#snapshot = snapshot;
    this.#offset = snapshot;
    this.#newest = newest;
  }

  initialState(): { hardState: HardState; confState: ConfState } {
    return { hardState: this.#hardState, confState: this.#snapshot.confState };
  }

  firstIndex(): number {
    return this.#offset.index + 1;
  }

  lastIndex(): number {
    return this.#offset.index + this.#entries.length;
  }

  term(index: number): number | undefined {
    if (index === this.#offset.index) return this.#offset.term;
    return this.#entries[index - this.#offset.index - 1]?.term;
  }

  entries(low: number, high: number, maxBytes: number): readonly Entry[] {
    const first = this.firstIndex();
    return limitBytes(this.#entries.slice(low - first, high - first), maxBytes);
  }

  snapshot(): SnapshotMetadata {
    return this.#newest();
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  installSnapshot(metadata: SnapshotMetadata): void {
    if (metadata.index <= this.#snapshot.index) {
      throw new StorageRefusal('requested index is older than the existing snapshot');
    }
    this.#snapshot = metadata;
    this.#offset = metadata;
    this.#entries = [];
  }

  append(entries: readonly Entry[]): void {
    const kept = entries.filter((entry) => entry.index > this.#offset.index);
    const [first] = kept;
    if (first === undefined) return;
    if (first.index > this.lastIndex() + 1) {
      throw new StorageRefusal(`missing log entry [last: ${this.lastIndex()}, append at: ${first.index}]`);
    }
    this.#entries = [...this.#entries.slice(0, first.index - this.firstIndex()), ...kept];
  }

  /** Forgets the entries up to `index`. */
  compact(index: number): void {
    if (index <= this.#offset.index) throw new StorageRefusal('requested index is unavailable due to compaction');
    const term = this.term(index);
    if (term === undefined) throw new StorageRefusal(`compact ${index} is out of bound lastindex(${this.lastIndex()})`);
    this.#entries = this.#entries.slice(index - this.#offset.index);
    this.#offset = { index, term };
  }
}

export class ScriptMember {
  readonly id: number;
  readonly core: RawNode;
  readonly storage: ScriptStorage;
  readonly options: Omit<RaftOptions, 'storage'>;
  appendWork: StorageAppend[] = [];
  applyWork: StorageApply[] = [];
  /** The state machine after each applied entry, the oldest first. */
  readonly #history: Snapshot[];
  #hardState = NO_HARD_STATE;

  constructor(options: Omit<RaftOptions, 'storage'>, initial: Snapshot) {
    this.id = options.id;
    this.options = options;
    this.#history = [initial];
    this.storage = new ScriptStorage(initial.metadata, () => this.newest.metadata);
    this.core = new RawNode({ ...options, storage: this.storage });
  }

  get newest(): Snapshot {
    const newest = this.#history.at(-1);
    if (newest === undefined) throw new Error('the history of a state machine is never empty');
    return newest;
  }

  get isAsync(): boolean {
    return this.options.asyncStorageWrites === true;
  }

  /** Whether the batch asks for a sync as etcd counts it. */
  mustSync(ready: Ready): boolean {
    const before = this.#hardState;
    const now = ready.hardState ?? before;
    this.#hardState = now;
    return ready.entries.length > 0 || now.term !== before.term || now.vote !== before.vote;
  }

  write(work: Pick<StorageAppend, 'hardState' | 'snapshot' | 'entries'>): void {
    if (work.hardState !== undefined) this.storage.setHardState(work.hardState);
    if (work.snapshot === undefined) this.storage.append(work.entries);
    else if (work.entries.length > 0) throw new StorageRefusal("can't apply snapshot and entries at the same time");
    else this.storage.installSnapshot(work.snapshot.metadata);
  }

  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const { data, metadata } = this.newest;
      const isConf = isConfEntry(entry);
      const confState = isConf ? this.core.applyConfEntry(entry).confState : metadata.confState;
      const update = isConf ? (decodeMembershipChange(entry)?.context ?? new Uint8Array()) : entry.data;
      const { index, term } = entry;
      this.#history.push({ metadata: { index, term, confState }, data: Buffer.concat([data, update]) });
    }
  }
}
