// The files of the log: `<number>.wal`, each headed by a record that names its number, the checksum it continues, and
// the first index that it can hold. Batches are appended to the last one, over zeros that were reserved for them; when
// it is full, the next, made aside in the meantime, gets its head, is synced and renamed. Without room for a next one
// the last one grows while it can. Invariants: one operation at a time; a batch that found no room leaves no trace;
// after any other failure nothing is accepted any more, because nobody knows what of the failed write is on disk.
import { RaftError } from '../errors.js';
import type { Disk, DiskFile } from './disk.js';
import { appending, isNoSpace } from './disk-error.js';
import { encodeBatch, parseSegment, type RawRecord } from './frame.js';
import { KIND_SEGMENT } from './log-records.js';
import { SpareSegment } from './spare-segment.js';

const SUFFIX = '.wal';
const TEMPORARY = '.tmp';
const SPARE = `spare${TEMPORARY}`;
const FIRST_CHAIN = 0;
/** Without room for a next segment, proposals are refused once so much of the last one is full: the rest is for what
 * the group cannot do without, terms and votes and what a leader has taken already. */
const RUNNING_OUT = 0.75;

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
  readonly #segmentBytes: number;
  /** Undefined on disks that reserve nothing. */
  readonly #spare: SpareSegment | undefined;
  /** On disks that reserve nothing: there was no room for the next segment. */
  #isRefused = false;
  #file: DiskFile;
  #length: number;
  #synced: number;
  #chain: number;
  readonly counts = { bytes: 0, batches: 0, syncs: 0 };

  private constructor(disk: Disk, directory: string, segmentBytes: number, segments: SegmentInfo[], open: OpenSegment) {
    this.#disk = disk;
    this.#directory = directory;
    this.#segmentBytes = segmentBytes;
    this.#segments = segments;
    this.#file = open.file;
    this.#length = open.length;
    this.#synced = open.length;
    this.#chain = open.chain;
    const path = `${directory}/${SPARE}`;
    const openReserved = disk.openReserved?.bind(disk, path, 0, segmentBytes);
    this.#spare = openReserved && new SpareSegment(openReserved, async () => await disk.remove(path));
    this.#spare?.prepare();
  }

  static async exist(disk: Disk, directory: string): Promise<boolean> {
    return (await disk.list(directory)).some((name) => name.endsWith(SUFFIX));
  }

  /** A new log whose first segment holds `records`; after a crash it is there as a whole or not at all. */
  static async create(
    disk: Disk,
    directory: string,
    segmentBytes: number,
    records: readonly RawRecord[],
  ): Promise<Segments> {
    const info = { number: 1, startIndex: 1 };
    const path = `${directory}/${SPARE}`;
    const file = (await disk.openReserved?.(path, 0, segmentBytes)) ?? (await disk.create(path));
    const head = { ...info, previousChain: FIRST_CHAIN };
    const open = await startSegment(disk, directory, file, head, records);
    return new Segments(disk, directory, segmentBytes, [info], open);
  }

  /** Reads all segments, gives every record to `onRecord`, and cuts off what a crash left of the last write. */
  static async open(
    disk: Disk,
    directory: string,
    segmentBytes: number,
    onRecord: (record: RawRecord) => void,
  ): Promise<Segments> {
    const names = (await disk.list(directory)).slice().sort();
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
    // Only now: a log that is refused is left as it was found.
    for (const name of names) if (name.endsWith(TEMPORARY)) await disk.remove(`${directory}/${name}`);
    const file = await openLast(disk, `${directory}/${last}`, length, segmentBytes);
    return new Segments(disk, directory, segmentBytes, segments, { file, length, chain });
  }

  /** The last segment has taken as much as it should. */
  get isFull(): boolean {
    return this.#length >= this.#segmentBytes;
  }

  /** There is no room for another segment, and not much is left of the last one. */
  get isRunningOut(): boolean {
    const isRefused = this.#spare?.isRefused ?? this.#isRefused;
    return isRefused && this.#length >= this.#segmentBytes * RUNNING_OUT;
  }

  /** Asks a full disk again for room. */
  askForRoom(): void {
    if (this.#spare === undefined) this.#isRefused = false;
    else this.#spare.prepare();
  }

  /** Throws a RaftError `no-space`, and has changed nothing, if there was no room. */
  async append(records: readonly RawRecord[], sync: boolean): Promise<void> {
    const batch = encodeBatch(records, this.#synced, this.#chain);
    const { length } = batch.bytes;
    const isSynced = await this.#appendBytes(batch.bytes, sync);
    this.#length += length;
    this.#chain = batch.chain;
    this.counts.bytes += length;
    this.counts.batches += 1;
    if (isSynced) this.#noteSynced();
    else if (sync) await this.#sync();
  }

  /** Returns whether it was synced as well. */
  async #appendBytes(bytes: Uint8Array, sync: boolean): Promise<boolean> {
    try {
      return await appending(async () => {
        if (!sync || this.#file.appendAndSync === undefined) {
          await this.#file.append(bytes);
          return false;
        }
        await this.#file.appendAndSync(bytes);
        return true;
      });
    } catch (error) {
      if (isNoSpace(error)) await this.#file.truncate(this.#length);
      throw error;
    }
  }

  async #sync(): Promise<void> {
    await this.#file.sync();
    this.#noteSynced();
  }

  #noteSynced(): void {
    this.#synced = this.#length;
    this.counts.syncs += 1;
  }

  /**
   * Starts the next segment with `records`; entries from now on are at or after `startIndex`, or replace others. Does
   * nothing while there is no file for it: the last segment goes on growing.
   */
  async cut(startIndex: number, records: readonly RawRecord[]): Promise<void> {
    if (this.#synced < this.#length) await this.#sync();
    const file = await this.#nextFile();
    if (file === undefined) return;
    const info = { number: (this.#segments.at(-1)?.number ?? 0) + 1, startIndex };
    const open = await this.#tryStart(file, { ...info, previousChain: this.#chain }, records);
    if (open === undefined) return;
    const previous = this.#file;
    this.#file = open.file;
    this.#length = open.length;
    this.#synced = open.length;
    this.#chain = open.chain;
    this.#segments.push(info);
    this.#spare?.prepare();
    await previous.close();
  }

  async #nextFile(): Promise<DiskFile | undefined> {
    if (this.#spare === undefined) {
      return this.#isRefused ? undefined : await this.#disk.create(`${this.#directory}/${SPARE}`);
    }
    const file = this.#spare.take();
    if (file === undefined && !this.#spare.isRefused) this.#spare.prepare();
    return file;
  }

  /** Undefined if there was no room after all. */
  async #tryStart(file: DiskFile, head: SegmentHead, records: readonly RawRecord[]): Promise<OpenSegment | undefined> {
    try {
      return await startSegment(this.#disk, this.#directory, file, head, records);
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      await this.#disk.remove(`${this.#directory}/${SPARE}`);
      this.#isRefused = true;
      return undefined;
    }
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
    await this.#spare?.close();
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

/** Makes the spare file a segment: its head is on disk before it gets its name. */
async function startSegment(
  disk: Disk,
  directory: string,
  file: DiskFile,
  head: SegmentHead,
  records: readonly RawRecord[],
): Promise<OpenSegment> {
  const batch = encodeBatch([{ kind: KIND_SEGMENT, payload: encodeHead(head) }, ...records], 0, head.previousChain);
  const { length } = batch.bytes;
  try {
    await file.append(batch.bytes);
    await file.sync();
    await disk.rename(`${directory}/${SPARE}`, `${directory}/${nameOf(head.number)}`);
    await disk.syncDirectory(directory);
    return { file, length, chain: batch.chain };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function openLast(disk: Disk, path: string, length: number, segmentBytes: number): Promise<DiskFile> {
  if (disk.openReserved === undefined) return await disk.openAt(path, length);
  try {
    return await disk.openReserved(path, length, Math.max(length, segmentBytes));
  } catch (error) {
    if (!isNoSpace(error)) throw error;
    // A full disk is no reason not to start.
    return await disk.openReserved(path, length, length);
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
