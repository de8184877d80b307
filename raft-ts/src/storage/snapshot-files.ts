// Snapshot files: `<term>-<index>.snap`, made aside, synced, then renamed, so that a file of that name is complete.
// The content goes in chunks, each framed like a log record and sealed on its own together with its number, so that
// neither writing nor reading a large state keeps the event loop busy for long.
import { ByteReader, ByteWriter } from '../codec/bytes.js';
import { readSnapshotMetadata, writeSnapshotMetadata } from '../codec/record-codec.js';
import { RaftError } from '../errors.js';
import type { Snapshot, SnapshotMetadata } from '../types.js';
import type { Disk, DiskFile } from './disk.js';
import { appending } from './disk-error.js';
import { type Encryptor, openSealed } from './encryption.js';
import { encodeBatch, FRAME_BYTES, HEADER_BYTES, parseSegment } from './frame.js';

const CHUNK_BYTES = 1024 * 1024;
const KIND_METADATA = 1;
const KIND_CHUNK = 2;
const SUFFIX = '.snap';
const TEMPORARY = '.tmp';

export class SnapshotFiles {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #encryptor: Encryptor;

  constructor(disk: Disk, directory: string, encryptor: Encryptor) {
    this.#disk = disk;
    this.#directory = directory;
    this.#encryptor = encryptor;
  }

  async write(snapshot: Snapshot): Promise<void> {
    const { metadata } = snapshot;
    const path = this.#path(metadata);
    const file = await this.#disk.create(path + TEMPORARY);
    try {
      await this.#writeTo(file, snapshot);
    } catch (error) {
      // A full disk is the one failure that the log survives: it must not keep the beginning of a file.
      await this.#disk.remove(path + TEMPORARY).catch(() => undefined);
      throw error;
    } finally {
      await file.close();
    }
    await this.#disk.rename(path + TEMPORARY, path);
    await this.#disk.syncDirectory(this.#directory);
  }

  async #writeTo(file: DiskFile, snapshot: Snapshot): Promise<void> {
    const { metadata, data } = snapshot;
    let chain = 0;
    const append = async (kind: number, plain: Uint8Array): Promise<void> => {
      const batch = encodeBatch([{ kind, payload: this.#encryptor.seal(plain) }], 0, chain);
      chain = batch.chain;
      await appending(async () => await file.append(batch.bytes));
    };
    await append(KIND_METADATA, encodeHead(snapshot));
    for (let at = 0, number = 0; at < data.length; at += CHUNK_BYTES, number += 1) {
      const writer = new ByteWriter();
      writer.uint(metadata.index);
      writer.uint(number);
      writer.bytes(data.subarray(at, at + CHUNK_BYTES));
      await append(KIND_CHUNK, writer.finish());
    }
    await file.sync();
  }

  /** Throws a RaftError `corrupt` if the file is missing or damaged. */
  async read(metadata: SnapshotMetadata): Promise<Snapshot> {
    const path = this.#path(metadata);
    if (!(await this.#names()).has(nameOf(metadata))) {
      throw new RaftError('corrupt', `snapshot file ${path} is missing`);
    }
    const frames = this.#frames(path);
    const head = await frames.next();
    if (head.done === true) throw new RaftError('corrupt', `snapshot file ${path} is empty`);
    const { total, metadata: stored } = decodeHead(head.value);
    if (stored.index !== metadata.index || stored.term !== metadata.term) {
      throw new RaftError('corrupt', `snapshot file ${path} holds another snapshot`);
    }
    const data = new Uint8Array(total);
    let at = 0;
    let number = 0;
    for await (const plain of frames) {
      const reader: ByteReader = new ByteReader(plain, 'corrupt');
      if (reader.uint() !== metadata.index || reader.uint() !== number) reader.fail('snapshot chunk out of place');
      const chunk = reader.bytes();
      reader.end();
      if (at + chunk.length > total) reader.fail('snapshot longer than announced');
      data.set(chunk, at);
      at += chunk.length;
      number += 1;
    }
    if (at !== total) throw new RaftError('corrupt', `snapshot file ${path} ends after ${at} of ${total} bytes`);
    return { metadata: stored, data };
  }

  /** Removes the files of older snapshots. */
  async removeBefore(metadata: SnapshotMetadata): Promise<void> {
    const keep = nameOf(metadata);
    for (const name of await this.#names()) {
      // Names sort like (term, index), and neither ever goes down from one snapshot to the next.
      if (name.endsWith(SUFFIX) && name < keep) await this.#disk.remove(`${this.#directory}/${name}`);
    }
  }

  /** Removes what a crash left behind: files that the log does not mention. Not while a snapshot is being written. */
  async keepOnly(metadata: SnapshotMetadata): Promise<void> {
    const keep = nameOf(metadata);
    for (const name of await this.#names()) {
      if (name !== keep) await this.#disk.remove(`${this.#directory}/${name}`);
    }
  }

  async #names(): Promise<ReadonlySet<string>> {
    return new Set(await this.#disk.list(this.#directory));
  }

  async *#frames(path: string): AsyncGenerator<Uint8Array, void, undefined> {
    const size = await this.#disk.size(path);
    let chain = 0;
    for (let at = 0; at < size; ) {
      const header = Buffer.from(await this.#disk.read(path, at, HEADER_BYTES));
      const length = FRAME_BYTES + (header.length === HEADER_BYTES ? header.readUInt32LE(4) : 0);
      if (at + length > size) throw new RaftError('corrupt', `snapshot file ${path} is damaged at byte ${at}`);
      const parsed = parseSegment(await this.#disk.read(path, at, length), chain, false);
      chain = parsed.chain;
      at += length;
      for (const record of parsed.records) yield openSealed(this.#encryptor, record.payload);
    }
  }

  #path(metadata: SnapshotMetadata): string {
    return `${this.#directory}/${nameOf(metadata)}`;
  }
}

function nameOf(metadata: SnapshotMetadata): string {
  const hex = (value: number): string => value.toString(16).padStart(16, '0');
  return `${hex(metadata.term)}-${hex(metadata.index)}${SUFFIX}`;
}

function encodeHead(snapshot: Snapshot): Uint8Array {
  const writer = new ByteWriter();
  writeSnapshotMetadata(writer, snapshot.metadata);
  writer.uint(snapshot.data.length);
  return writer.finish();
}

function decodeHead(plain: Uint8Array): { metadata: SnapshotMetadata; total: number } {
  const reader = new ByteReader(plain, 'corrupt');
  const metadata = readSnapshotMetadata(reader);
  const total = reader.uint();
  reader.end();
  return { metadata, total };
}
