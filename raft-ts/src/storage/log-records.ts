// What the log's records say, and what a log amounts to when its records are read from the first to the last.
import { ByteReader, ByteWriter } from '../codec/bytes.js';
import {
  readEntry,
  readHardState,
  readSnapshotMetadata,
  writeEntry,
  writeHardState,
  writeSnapshotMetadata,
} from '../codec/record-codec.js';
import { RaftError } from '../errors.js';
import type { Entry, HardState, SnapshotMetadata } from '../types.js';
import { type Encryptor, openSealed } from './encryption.js';
import type { RawRecord } from './frame.js';
import { NO_HARD_STATE, NO_SNAPSHOT, type StoredLog } from './memory-storage.js';

/** Written on disk: never renumber. Kind 1 heads a segment and is never sealed. */
export const KIND_SEGMENT = 1;
const KIND_METADATA = 2;
const KIND_HARD_STATE = 3;
const KIND_ENTRY = 4;
/** A snapshot of the own state: the log goes on. */
const KIND_SNAPSHOT_TAKEN = 5;
/** A snapshot of the leader's: the log before it is void. */
const KIND_SNAPSHOT_INSTALLED = 6;

export type LogRecord =
  | { readonly kind: 'metadata'; readonly bytes: Uint8Array }
  | { readonly kind: 'hard-state'; readonly hardState: HardState }
  | { readonly kind: 'entry'; readonly entry: Entry }
  | { readonly kind: 'snapshot-taken' | 'snapshot-installed'; readonly metadata: SnapshotMetadata };

export function encodeLogRecord(record: LogRecord, encryptor: Encryptor): RawRecord {
  const writer = new ByteWriter();
  switch (record.kind) {
    case 'metadata':
      return { kind: KIND_METADATA, payload: encryptor.seal(record.bytes) };
    case 'hard-state':
      writeHardState(writer, record.hardState);
      return { kind: KIND_HARD_STATE, payload: encryptor.seal(writer.finish()) };
    case 'entry':
      writeEntry(writer, record.entry);
      return { kind: KIND_ENTRY, payload: encryptor.seal(writer.finish()) };
    case 'snapshot-taken':
    case 'snapshot-installed': {
      writeSnapshotMetadata(writer, record.metadata);
      const kind = record.kind === 'snapshot-taken' ? KIND_SNAPSHOT_TAKEN : KIND_SNAPSHOT_INSTALLED;
      return { kind, payload: encryptor.seal(writer.finish()) };
    }
  }
}

function decodeLogRecord(raw: RawRecord, encryptor: Encryptor): LogRecord {
  const plain = openSealed(encryptor, raw.payload);
  if (raw.kind === KIND_METADATA) return { kind: 'metadata', bytes: plain };
  const reader: ByteReader = new ByteReader(plain, 'corrupt');
  const record = readRecord(reader, raw.kind);
  reader.end();
  return record;
}

function readRecord(reader: ByteReader, kind: number): LogRecord {
  switch (kind) {
    case KIND_HARD_STATE:
      return { kind: 'hard-state', hardState: readHardState(reader) };
    case KIND_ENTRY:
      return { kind: 'entry', entry: readEntry(reader) };
    case KIND_SNAPSHOT_TAKEN:
      return { kind: 'snapshot-taken', metadata: readSnapshotMetadata(reader) };
    case KIND_SNAPSHOT_INSTALLED:
      return { kind: 'snapshot-installed', metadata: readSnapshotMetadata(reader) };
    default:
      return reader.fail(`unknown record kind ${kind}`);
  }
}

/** Reads records in order and keeps what they amount to. */
export class LogReplay {
  metadata: Uint8Array | undefined;
  readonly #encryptor: Encryptor;
  #hardState: HardState = NO_HARD_STATE;
  #snapshot: SnapshotMetadata = NO_SNAPSHOT;
  /** Index and term before the first entry; undefined until something tells. */
  #offset: { index: number; term: number } | undefined;
  /** The offset is an entry of which only the term is used, because what came before it was released. */
  #offsetIsEntry = false;
  #entries: Entry[] = [];

  constructor(encryptor: Encryptor) {
    this.#encryptor = encryptor;
  }

  add(raw: RawRecord): void {
    const record = decodeLogRecord(raw, this.#encryptor);
    switch (record.kind) {
      case 'metadata':
        this.metadata = record.bytes;
        break;
      case 'hard-state':
        this.#hardState = record.hardState;
        break;
      case 'entry':
        this.#addEntry(record.entry);
        break;
      case 'snapshot-taken':
        this.#snapshot = record.metadata;
        break;
      case 'snapshot-installed':
        this.#snapshot = record.metadata;
        this.#offset = { index: record.metadata.index, term: record.metadata.term };
        this.#offsetIsEntry = false;
        this.#entries = [];
        break;
    }
  }

  #addEntry(entry: Entry): void {
    if (this.#offset === undefined && entry.index === this.#snapshot.index + 1) this.#offset = this.#snapshot;
    if (this.#offset === undefined || (this.#offsetIsEntry && entry.index <= this.#offset.index)) {
      this.#offset = { index: entry.index, term: entry.term };
      this.#offsetIsEntry = true;
      this.#entries = [];
      return;
    }
    const at = entry.index - this.#offset.index - 1;
    if (at < 0 || at > this.#entries.length) {
      throw new RaftError('corrupt', `log entry ${entry.index} does not follow ${this.#lastIndex()}`);
    }
    this.#entries.length = at;
    this.#entries.push(entry);
  }

  #lastIndex(): number {
    return (this.#offset?.index ?? this.#snapshot.index) + this.#entries.length;
  }

  result(): StoredLog {
    const offset = this.#offset ?? this.#snapshot;
    const last = this.#lastIndex();
    if (offset.index > this.#snapshot.index || last < this.#snapshot.index) {
      throw new RaftError('corrupt', `log of ${offset.index} to ${last} does not fit snapshot ${this.#snapshot.index}`);
    }
    if (this.#hardState.commit > last) {
      throw new RaftError('corrupt', `entry ${this.#hardState.commit} is committed but the log ends at ${last}`);
    }
    return {
      hardState: this.#hardState,
      snapshot: this.#snapshot,
      offset: { index: offset.index, term: offset.term },
      entries: this.#entries,
    };
  }
}
