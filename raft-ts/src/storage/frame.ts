// How records lie in a log segment: a header of 24 bytes (little-endian words), the payload, and one byte that is not zero.
//    0 magic, 4 payload length, 8 synced, 12 kind (low byte) and end-of-batch flag, 16 chained CRC, 20 header CRC
// The chained CRC covers words 4 to 15 and the payload and starts from the previous record's, so that no record can be
// taken out, put in or moved. `synced` is how many bytes of the segment were known to be on disk when the record was
// written: it tells damage (before `synced` of a later record) from a write that a crash cut short.
// Batches are all or nothing: records after the last end-of-batch flag were never confirmed and are dropped.
// Zeros behind the last record are room that was reserved; a record whose last byte is zero was not written to its end.
import { RaftError } from '../errors.js';
import { crc32c } from './crc32c.js';

export const HEADER_BYTES = 24;
const MAGIC = 0x32574652;
const END_OF_BATCH = 0x100;
const END_MARK = 0xa5;
/** Bytes of a record beside its payload. */
export const FRAME_BYTES = HEADER_BYTES + 1;
/** What a disk writes as a whole or not at all. */
const SECTOR_BYTES = 512;
const ZEROS = new Uint8Array(4096);

export interface RawRecord {
  readonly kind: number;
  readonly payload: Uint8Array;
}

export interface EncodedBatch {
  readonly bytes: Uint8Array;
  readonly chain: number;
}

export function encodeBatch(records: readonly RawRecord[], synced: number, chain: number): EncodedBatch {
  const bytes = Buffer.alloc(records.reduce((sum, record) => sum + FRAME_BYTES + record.payload.length, 0));
  let at = 0;
  let crc = chain;
  for (const [position, { kind, payload }] of records.entries()) {
    bytes.writeUInt32LE(MAGIC, at);
    bytes.writeUInt32LE(payload.length, at + 4);
    bytes.writeUInt32LE(synced, at + 8);
    bytes.writeUInt32LE(position === records.length - 1 ? kind | END_OF_BATCH : kind, at + 12);
    bytes.set(payload, at + HEADER_BYTES);
    crc = crc32c(payload, crc32c(bytes.subarray(at + 4, at + 16), crc));
    bytes.writeUInt32LE(crc, at + 16);
    bytes.writeUInt32LE(crc32c(bytes.subarray(at, at + 20)), at + 20);
    at += FRAME_BYTES + payload.length;
    bytes[at - 1] = END_MARK;
  }
  return { bytes, chain: crc };
}

interface Header {
  readonly length: number;
  readonly synced: number;
  readonly kind: number;
  readonly endsBatch: boolean;
  readonly crc: number;
}

/** Undefined if no intact header is there. */
function readHeader(bytes: Buffer, at: number): Header | undefined {
  if (at + HEADER_BYTES > bytes.length || bytes.readUInt32LE(at) !== MAGIC) return undefined;
  if (crc32c(bytes.subarray(at, at + 20)) !== bytes.readUInt32LE(at + 20)) return undefined;
  const word = bytes.readUInt32LE(at + 12);
  return {
    length: bytes.readUInt32LE(at + 4),
    synced: bytes.readUInt32LE(at + 8),
    kind: word & 0xff,
    endsBatch: (word & END_OF_BATCH) !== 0,
    crc: bytes.readUInt32LE(at + 16),
  };
}

export interface ParsedSegment {
  readonly records: readonly RawRecord[];
  /** Bytes of complete batches; what follows is to be cut off. */
  readonly length: number;
  readonly chain: number;
}

/**
 * The records of a segment. `isLast`: its end may have been cut short by a crash, which drops the batch concerned. In
 * any other case damaged bytes throw a RaftError `corrupt`.
 */
export function parseSegment(content: Uint8Array, initialChain: number | undefined, isLast: boolean): ParsedSegment {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const records: RawRecord[] = [];
  const complete = { count: 0, length: 0, chain: initialChain ?? 0 };
  const completeBatches = (): ParsedSegment => ({ ...complete, records: records.slice(0, complete.count) });
  let crc = initialChain;
  let at = 0;
  while (at < bytes.length) {
    const header = readHeader(bytes, at);
    const end = at + FRAME_BYTES + (header?.length ?? 0);
    const payload = bytes.subarray(at + HEADER_BYTES, end - 1);
    // The first segment that is left follows one that is gone: its first record tells what to start from.
    if (header !== undefined && crc === undefined && payload.length >= 4) crc = payload.readUInt32LE(0);
    const sum = crc32c(payload, crc32c(bytes.subarray(at + 4, at + 16), crc));
    if (header === undefined || end > bytes.length || sum !== header.crc || bytes[end - 1] !== END_MARK) {
      if (!isLast || !isCutShort(bytes, at, header)) {
        throw new RaftError('corrupt', `damaged record at byte ${at} of ${bytes.length}`);
      }
      return completeBatches();
    }
    crc = sum;
    at = end;
    records.push({ kind: header.kind, payload });
    if (header.endsBatch) Object.assign(complete, { count: records.length, length: at, chain: sum });
  }
  if (complete.length < at && !isLast) throw new RaftError('corrupt', `the batch before byte ${at} is not complete`);
  return completeBatches();
}

/** Whether the bad record at `at` can be what a crash leaves of a write that was never confirmed. */
function isCutShort(bytes: Buffer, at: number, header: Header | undefined): boolean {
  const contentEnd = endOfContent(bytes);
  // Nothing but what was reserved.
  if (contentEnd <= at) return true;
  if (wasSynced(bytes, at)) return false;
  if (header === undefined && contentEnd <= at + HEADER_BYTES) return true;
  const end = header === undefined ? contentEnd : at + FRAME_BYTES + header.length;
  if (end > bytes.length || bytes[end - 1] === 0) return true;
  // It has its place already but not all of its content: sectors that were not written read as zeros.
  return hasZeroSector(bytes, at, end);
}

/** Where the zeros begin that go on to the end of the file. */
function endOfContent(bytes: Buffer): number {
  let end = bytes.length;
  while (end >= ZEROS.length && bytes.compare(ZEROS, 0, ZEROS.length, end - ZEROS.length, end) === 0) {
    end -= ZEROS.length;
  }
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return end;
}

/** Whether a later record testifies that the bytes at `at` had been synced. */
function wasSynced(bytes: Buffer, at: number): boolean {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(MAGIC);
  for (let found = bytes.indexOf(magic, at + 1); found >= 0; found = bytes.indexOf(magic, found + 1)) {
    const later = readHeader(bytes, found);
    if (later !== undefined && later.synced > at) return true;
  }
  return false;
}

function hasZeroSector(bytes: Buffer, from: number, to: number): boolean {
  for (let at = from; at < to; ) {
    const end = Math.min(to, at + SECTOR_BYTES - (at % SECTOR_BYTES));
    if (bytes.compare(ZEROS, 0, end - at, at, end) === 0) return true;
    at = end;
  }
  return false;
}
