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

export interface SnapshotChunks {
  /** As the file has it. */
  readonly stored: SnapshotMetadata;
  readonly sizeBytes: number;
  readonly chunks: AsyncGenerator<Uint8Array, void, undefined>;
}

/** One snapshot file on its way to the disk. */
export class SnapshotWriter {
  readonly metadata: SnapshotMetadata;
  readonly sizeBytes: number;
  readonly #file: DiskFile;
  readonly #encryptor: Encryptor;
  readonly #names: { publish(): Promise<void>; remove(): Promise<void> };
  #chain = 0;
  #chunks = 0;
  #writtenBytes = 0;
  #isOver = false;

  constructor(
    metadata: SnapshotMetadata,
    sizeBytes: number,
    file: DiskFile,
    encryptor: Encryptor,
    names: { publish(): Promise<void>; remove(): Promise<void> },
  ) {
    this.metadata = metadata;
    this.sizeBytes = sizeBytes;
    this.#file = file;
    this.#encryptor = encryptor;
    this.#names = names;
  }

  /** Bytes of the state that are in the file. */
  get writtenBytes(): number {
    return this.#writtenBytes;
  }

  async start(): Promise<void> {
    await this.#append(KIND_METADATA, encodeHead(this.metadata, this.sizeBytes));
  }

  async append(chunk: Uint8Array): Promise<void> {
    if (this.#writtenBytes + chunk.length > this.sizeBytes) {
      throw new RaftError('malformed', `a snapshot of more than the ${this.sizeBytes} bytes that were announced`);
    }
    const writer = new ByteWriter();
    writer.uint(this.metadata.index);
    writer.uint(this.#chunks);
    writer.bytes(chunk);
    await this.#append(KIND_CHUNK, writer.finish());
    this.#chunks += 1;
    this.#writtenBytes += chunk.length;
  }

  async #append(kind: number, plain: Uint8Array): Promise<void> {
    const batch = encodeBatch([{ kind, payload: this.#encryptor.seal(plain) }], 0, this.#chain);
    await appending(async () => await this.#file.append(batch.bytes));
    this.#chain = batch.chain;
  }

  /** Makes the file complete and gives it its name. */
  async finish(): Promise<void> {
    if (this.#writtenBytes !== this.sizeBytes) {
      throw new RaftError('malformed', `a snapshot of ${this.#writtenBytes} bytes; ${this.sizeBytes} were announced`);
    }
    await this.#file.sync();
    await this.#file.close();
    this.#isOver = true;
    await this.#names.publish();
  }

  /** Leaves nothing of it; does nothing after `finish`. */
  async discard(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#file.close().catch(() => undefined);
    await this.#names.remove().catch(() => undefined);
  }
}

export class SnapshotFiles {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #encryptor: Encryptor;
  /** How many read a file. */
  readonly #pins = new Map<string, number>();
  /** Files to be removed when nobody reads them any more. */
  readonly #unwanted = new Set<string>();
  #partial = 0;

  constructor(disk: Disk, directory: string, encryptor: Encryptor) {
    this.#disk = disk;
    this.#directory = directory;
    this.#encryptor = encryptor;
  }

  async write(snapshot: Snapshot): Promise<void> {
    const { metadata, data } = snapshot;
    const writer = await this.begin(metadata, data.length);
    try {
      for (let at = 0; at < data.length; at += CHUNK_BYTES) await writer.append(data.subarray(at, at + CHUNK_BYTES));
      await writer.finish();
    } catch (error) {
      // A full disk is the one failure that the log survives: it must not keep the beginning of a file.
      await writer.discard();
      throw error;
    }
  }

  /** A file to be filled chunk by chunk. It counts once `finish` has resolved. */
  async begin(metadata: SnapshotMetadata, sizeBytes: number): Promise<SnapshotWriter> {
    this.#partial += 1;
    const temporary = `${this.#path(metadata)}.${this.#partial}${TEMPORARY}`;
    const file = await appending(async () => await this.#disk.create(temporary));
    const writer = new SnapshotWriter(metadata, sizeBytes, file, this.#encryptor, {
      publish: async () => {
        await this.#disk.rename(temporary, this.#path(metadata));
        await this.#disk.syncDirectory(this.#directory);
      },
      remove: async () => await this.#disk.remove(temporary),
    });
    try {
      await writer.start();
    } catch (error) {
      await writer.discard();
      throw error;
    }
    return writer;
  }

  /** The file stays until `unpin`, whatever newer ones there are: somebody reads it. */
  pin(metadata: SnapshotMetadata): void {
    const name = nameOf(metadata);
    this.#pins.set(name, (this.#pins.get(name) ?? 0) + 1);
  }

  async unpin(metadata: SnapshotMetadata): Promise<void> {
    const name = nameOf(metadata);
    const left = (this.#pins.get(name) ?? 1) - 1;
    if (left > 0) {
      this.#pins.set(name, left);
      return;
    }
    this.#pins.delete(name);
    if (this.#unwanted.delete(name)) await this.#disk.remove(`${this.#directory}/${name}`);
  }

  /** Throws a RaftError `corrupt` if the file is missing or damaged. */
  async read(metadata: SnapshotMetadata): Promise<Snapshot> {
    const { stored, sizeBytes, chunks } = await this.openChunks(metadata);
    const data = new Uint8Array(sizeBytes);
    let at = 0;
    for await (const chunk of chunks) {
      data.set(chunk, at);
      at += chunk.length;
    }
    return { metadata: stored, data };
  }

  /** The file's content piece by piece; throws `corrupt`, also while it is read, if it is missing or damaged. */
  async openChunks(metadata: SnapshotMetadata): Promise<SnapshotChunks> {
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
    return { stored, sizeBytes: total, chunks: chunksOf(frames, path, metadata.index, total) };
  }

  /** Removes the files of older snapshots, but for the newest `keptOld` of them. */
  async removeBefore(metadata: SnapshotMetadata, keptOld: number): Promise<void> {
    for (const name of (await this.#olderThan(metadata)).slice(keptOld)) {
      if (this.#pins.has(name)) this.#unwanted.add(name);
      else await this.#disk.remove(`${this.#directory}/${name}`);
    }
  }

  /** Removes what a crash left behind: files that the log does not mention. Not while a snapshot is being written. */
  async keepOnly(metadata: SnapshotMetadata, keptOld: number): Promise<void> {
    const kept = new Set([nameOf(metadata), ...(await this.#olderThan(metadata)).slice(0, keptOld)]);
    for (const name of await this.#names()) {
      if (!kept.has(name)) await this.#disk.remove(`${this.#directory}/${name}`);
    }
  }

  /** Names of complete files, the newest first: they sort like (term, index), and neither ever goes down from one snapshot to the next. */
  async #olderThan(metadata: SnapshotMetadata): Promise<readonly string[]> {
    const newest = nameOf(metadata);
    return [...(await this.#names())]
      .filter((name) => name.endsWith(SUFFIX) && name < newest)
      .sort()
      .reverse();
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

async function* chunksOf(
  frames: AsyncGenerator<Uint8Array, void, undefined>,
  path: string,
  index: number,
  total: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let at = 0;
  let number = 0;
  for await (const plain of frames) {
    const reader: ByteReader = new ByteReader(plain, 'corrupt');
    if (reader.uint() !== index || reader.uint() !== number) reader.fail('snapshot chunk out of place');
    const chunk = reader.bytes();
    reader.end();
    if (at + chunk.length > total) reader.fail('snapshot longer than announced');
    at += chunk.length;
    number += 1;
    yield chunk;
  }
  if (at !== total) throw new RaftError('corrupt', `snapshot file ${path} ends after ${at} of ${total} bytes`);
}

function nameOf(metadata: SnapshotMetadata): string {
  const hex = (value: number): string => value.toString(16).padStart(16, '0');
  return `${hex(metadata.term)}-${hex(metadata.index)}${SUFFIX}`;
}

function encodeHead(metadata: SnapshotMetadata, sizeBytes: number): Uint8Array {
  const writer = new ByteWriter();
  writeSnapshotMetadata(writer, metadata);
  writer.uint(sizeBytes);
  return writer.finish();
}

function decodeHead(plain: Uint8Array): { metadata: SnapshotMetadata; total: number } {
  const reader = new ByteReader(plain, 'corrupt');
  const metadata = readSnapshotMetadata(reader);
  const total = reader.uint();
  reader.end();
  return { metadata, total };
}
