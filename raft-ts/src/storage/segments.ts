// The files of the log: `<number>.wal`, each headed by a record that names its number, the checksum it continues, and
// the first index that it can hold. Batches are appended to the last one; when that is full, the next is made aside,
// synced and renamed. Invariant: one operation at a time; after any failure nothing is accepted any more, because
// nobody knows what of the failed write is on disk.
import { RaftError } from '../errors.js';
import type { Disk, DiskFile } from './disk.js';
import { encodeBatch, parseSegment, type RawRecord } from './frame.js';
import { KIND_SEGMENT } from './log-records.js';

const SUFFIX = '.wal';
const TEMPORARY = '.tmp';
const FIRST_CHAIN = 0;

interface SegmentHead {
  readonly previousChain: number;
  readonly number: number;
  readonly startIndex: number;
}

interface SegmentInfo {
  readonly number: number;
  /** Everything in it is at or after this index, unless it was replaced. */
  readonly startIndex: number;
}

export class Segments {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #segments: SegmentInfo[];
  #file: DiskFile;
  #length: number;
  #synced: number;
  #chain: number;

  private constructor(disk: Disk, directory: string, segments: SegmentInfo[], open: OpenSegment) {
    this.#disk = disk;
    this.#directory = directory;
    this.#segments = segments;
    this.#file = open.file;
    this.#length = open.length;
    this.#synced = open.length;
    this.#chain = open.chain;
  }

  static async exist(disk: Disk, directory: string): Promise<boolean> {
    return (await disk.list(directory)).some((name) => name.endsWith(SUFFIX));
  }

  /** A new log whose first segment holds `records`; after a crash it is there as a whole or not at all. */
  static async create(disk: Disk, directory: string, records: readonly RawRecord[]): Promise<Segments> {
    const info = { number: 1, startIndex: 1 };
    const open = await createSegment(disk, directory, { ...info, previousChain: FIRST_CHAIN }, records);
    return new Segments(disk, directory, [info], open);
  }

  /** Reads all segments, gives every record to `onRecord`, and cuts off what a crash left of the last write. */
  static async open(disk: Disk, directory: string, onRecord: (record: RawRecord) => void): Promise<Segments> {
    const names = (await disk.list(directory)).slice().sort();
    for (const name of names) {
      if (!name.endsWith(SUFFIX)) await disk.remove(`${directory}/${name}`);
    }
    const segmentNames = names.filter((name) => name.endsWith(SUFFIX));
    const segments: SegmentInfo[] = [];
    let chain: number | undefined;
    let length = 0;
    for (const [position, name] of segmentNames.entries()) {
      const path = `${directory}/${name}`;
      const isLast = position === segmentNames.length - 1;
      const parsed = await readSegment(disk, path, chain, isLast);
      const { head } = parsed;
      const expected = (segments.at(-1)?.number ?? head.number - 1) + 1;
      if (nameOf(head.number) !== name || head.number !== expected) {
        throw new RaftError('corrupt', `log segment ${path} does not follow segment ${expected - 1}`);
      }
      for (const record of parsed.records) onRecord(record);
      segments.push({ number: head.number, startIndex: head.startIndex });
      chain = parsed.chain;
      length = parsed.length;
    }
    const last = segmentNames.at(-1);
    if (last === undefined || chain === undefined) throw new RaftError('corrupt', `no log in ${directory}`);
    const file = await disk.openAt(`${directory}/${last}`, length);
    return new Segments(disk, directory, segments, { file, length, chain });
  }

  /** Bytes in the last segment. */
  get length(): number {
    return this.#length;
  }

  async append(records: readonly RawRecord[], sync: boolean): Promise<void> {
    const batch = encodeBatch(records, this.#synced, this.#chain);
    await this.#file.append(batch.bytes);
    this.#length += batch.bytes.length;
    this.#chain = batch.chain;
    if (sync) await this.#sync();
  }

  async #sync(): Promise<void> {
    await this.#file.sync();
    this.#synced = this.#length;
  }

  /** Starts the next segment with `records`; entries from now on are at or after `startIndex`, or replace others. */
  async cut(startIndex: number, records: readonly RawRecord[]): Promise<void> {
    if (this.#synced < this.#length) await this.#sync();
    const info = { number: (this.#segments.at(-1)?.number ?? 0) + 1, startIndex };
    const open = await createSegment(this.#disk, this.#directory, { ...info, previousChain: this.#chain }, records);
    const previous = this.#file;
    this.#file = open.file;
    this.#length = open.length;
    this.#synced = open.length;
    this.#chain = open.chain;
    this.#segments.push(info);
    await previous.close();
  }

  /** Removes the segments whose entries are all before `index`, oldest first. */
  async release(index: number): Promise<void> {
    for (;;) {
      const [oldest, next] = this.#segments;
      if (oldest === undefined || next === undefined || next.startIndex > index) return;
      await this.#disk.remove(`${this.#directory}/${nameOf(oldest.number)}`);
      this.#segments.shift();
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

interface OpenSegment {
  readonly file: DiskFile;
  readonly length: number;
  readonly chain: number;
}

function nameOf(number: number): string {
  return `${number.toString(16).padStart(16, '0')}${SUFFIX}`;
}

async function createSegment(
  disk: Disk,
  directory: string,
  head: SegmentHead,
  records: readonly RawRecord[],
): Promise<OpenSegment> {
  const path = `${directory}/${nameOf(head.number)}`;
  const batch = encodeBatch([{ kind: KIND_SEGMENT, payload: encodeHead(head) }, ...records], 0, head.previousChain);
  const file = await disk.create(path + TEMPORARY);
  try {
    await file.append(batch.bytes);
    await file.sync();
    await disk.rename(path + TEMPORARY, path);
    await disk.syncDirectory(directory);
    return { file, length: batch.bytes.length, chain: batch.chain };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readSegment(
  disk: Disk,
  path: string,
  chain: number | undefined,
  isLast: boolean,
): Promise<{ head: SegmentHead; records: readonly RawRecord[]; length: number; chain: number }> {
  try {
    const parsed = parseSegment(await disk.read(path, 0, await disk.size(path)), chain, isLast);
    const [first, ...records] = parsed.records;
    // A segment gets its name only when its head is on disk: a crash cannot have cut that.
    if (first?.kind !== KIND_SEGMENT) throw new RaftError('corrupt', 'there is no segment head');
    const head = decodeHead(first.payload);
    if (chain !== undefined && head.previousChain !== chain) throw new RaftError('corrupt', 'the chain is broken');
    return { head, records, length: parsed.length, chain: parsed.chain };
  } catch (cause) {
    if (!(cause instanceof RaftError)) throw cause;
    throw new RaftError('corrupt', `log segment ${path}: ${cause.message}`, { cause });
  }
}

const HEAD_BYTES = 20;

function encodeHead(head: SegmentHead): Uint8Array {
  const bytes = Buffer.alloc(HEAD_BYTES);
  bytes.writeUInt32LE(head.previousChain, 0);
  bytes.writeBigUInt64LE(BigInt(head.number), 4);
  bytes.writeBigUInt64LE(BigInt(head.startIndex), 12);
  return bytes;
}

function decodeHead(payload: Uint8Array): SegmentHead {
  const bytes = Buffer.from(payload);
  if (bytes.length !== HEAD_BYTES) throw new RaftError('corrupt', 'the segment head has a wrong length');
  return {
    previousChain: bytes.readUInt32LE(0),
    number: Number(bytes.readBigUInt64LE(4)),
    startIndex: Number(bytes.readBigUInt64LE(12)),
  };
}
