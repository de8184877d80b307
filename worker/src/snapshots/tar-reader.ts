/**
 * A streaming reader of tar archives (ustar, pax, GNU long names). Names and extended attribute values are kept as byte
 * strings (latin1), because file names need not be UTF-8 and attribute values such as security.capability are binary;
 * that, and the owners and times of pax headers, is why no ready-made reader is used here.
 */
import { SwarmtsError } from '@swarmts/lib';
import { mapOfData, mapOfPax, oldGnuMap, type SparseMap } from './tar-sparse.js';

export type TarType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';

export interface TarHeader {
  /** Byte string. */
  readonly name: string;
  readonly type: TarType;
  /** Byte string, for links. */
  readonly linkName: string;
  readonly size: number;
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since the epoch, maybe fractional. */
  readonly mtime: number;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Attribute name -> value, both byte strings. */
  readonly xattrs: ReadonlyMap<string, string>;
}

const BLOCK = 512;
/** A pax header or long name larger than this is an attack, not a file name. */
const MAX_EXTENSION_BYTES = 1 << 20;
/** One of each kind, and some more. */
const MAX_EXTENSIONS = 16;
const ZEROS = Buffer.alloc(64 << 10);
const XATTR_PREFIX = 'SCHILY.xattr.';

const TYPES: Readonly<Record<string, TarType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
  '7': 'file',
  S: 'file',
};

/** Pulls exact numbers of bytes out of a stream of chunks. */
class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #buffer: Buffer = Buffer.alloc(0);

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]();
  }

  /** Passes on `count` bytes; false when the stream ended before. */
  async forward(count: number, sink: (chunk: Buffer) => void): Promise<boolean> {
    let left = count;
    while (left > 0) {
      if (this.#buffer.length === 0 && !(await this.#fill())) return false;
      const part = this.#buffer.subarray(0, left);
      this.#buffer = this.#buffer.subarray(part.length);
      left -= part.length;
      sink(part);
    }
    return true;
  }

  /** Exactly `count` bytes, or undefined at the end of the stream. */
  async take(count: number): Promise<Buffer | undefined> {
    if (this.#buffer.length >= count) {
      const head = this.#buffer.subarray(0, count);
      this.#buffer = this.#buffer.subarray(count);
      return head;
    }
    const parts: Buffer[] = [];
    return (await this.forward(count, (c) => parts.push(c))) ? Buffer.concat(parts) : undefined;
  }

  /** The next block, or undefined when nothing is left; throws when less than a block is. */
  async block(): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    if (await this.forward(BLOCK, (c) => parts.push(c))) return Buffer.concat(parts);
    if (parts.length > 0) throw truncated();
    return undefined;
  }

  async drain(): Promise<void> {
    this.#buffer = Buffer.alloc(0);
    while (await this.#fill()) this.#buffer = Buffer.alloc(0);
  }

  async close(): Promise<void> {
    this.#buffer = Buffer.alloc(0);
    await this.#chunks.return?.();
  }

  async #fill(): Promise<boolean> {
    for (;;) {
      const next = await this.#chunks.next();
      if (next.done) return false;
      if (next.value.length === 0) continue;
      this.#buffer = Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
      return true;
    }
  }
}

export class TarReader {
  readonly #source: ByteSource;
  #global: ReadonlyMap<string, string> = new Map();
  #globalBytes = 0;
  #bodyLeft = 0;
  #padding = 0;
  /** Of the current entry. */
  #sparse: SparseMap | undefined;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#source = new ByteSource(chunks);
  }

  /** The next entry, or undefined at the end of the archive. A body that was not read is skipped. */
  async next(): Promise<TarHeader | undefined> {
    await this.#skipBody();
    let pax: ReadonlyMap<string, string> = new Map();
    let longName: string | undefined;
    let longLink: string | undefined;
    for (let extensions = 0; ; extensions++) {
      if (extensions > MAX_EXTENSIONS) throw corrupt('too many extended headers for one entry');
      const block = await this.#source.block();
      if (!block || block.every((b) => b === 0)) {
        // The end is two blocks of zeros; some leave out the second one, but nobody writes a part of it.
        if (block) await this.#source.block();
        return undefined;
      }
      verifyChecksum(block);
      const flag = String.fromCharCode(block[156] ?? 0);
      const size = numberField(block, 124, 12);
      if (flag === 'x') pax = parsePax(await this.#extension(size));
      else if (flag === 'g') await this.#globalHeader(size);
      else if (flag === 'L') longName = untilNul(await this.#extension(size));
      else if (flag === 'K') longLink = untilNul(await this.#extension(size));
      else return this.#entry(block, flag, new Map([...this.#global, ...pax]), longName, longLink);
    }
  }

  /** Passes the current entry's content to `sink`, holes as zeros; reads nothing when it was read already. */
  async readBody(sink: (chunk: Buffer) => void): Promise<void> {
    const left = this.#bodyLeft;
    const sparse = this.#sparse;
    this.#bodyLeft = 0;
    this.#sparse = undefined;
    if (sparse) await this.#expand(sparse, left, sink);
    else if (!(await this.#source.forward(left, sink))) throw truncated();
    // The last padding may be missing at the end of a sloppy archive.
    await this.#source.take(this.#padding);
    this.#padding = 0;
  }

  /** Reads whatever follows the end of the archive, so that a digest over the stream is complete. */
  async drain(): Promise<void> {
    await this.#source.drain();
  }

  /** For who does not read to the end: lets go of the stream, and of the programs behind it. */
  async close(): Promise<void> {
    await this.#source.close();
  }

  /** A body that nobody wants is skipped without its holes. */
  async #skipBody(): Promise<void> {
    this.#sparse = undefined;
    await this.readBody(() => undefined);
  }

  async #expand(map: SparseMap, stored: number, sink: (chunk: Buffer) => void): Promise<void> {
    let at = 0;
    let left = stored;
    for (const p of map.pieces) {
      emitZeros(p.offset - at, sink);
      left -= p.length;
      if (left < 0) throw corrupt('sparse map larger than its data');
      if (!(await this.#source.forward(p.length, sink))) throw truncated();
      at = p.offset + p.length;
    }
    emitZeros(map.realSize - at, sink);
    if (!(await this.#source.forward(left, () => undefined))) throw truncated();
  }

  async #sparseMap(block: Buffer, flag: string, pax: ReadonlyMap<string, string>): Promise<SparseMap | undefined> {
    const next = async () => {
      const more = await this.#source.take(BLOCK);
      if (!more) throw truncated();
      return more;
    };
    if (flag === 'S') return oldGnuMap(block, numberField, next);
    const text = pax.get('GNU.sparse.map');
    if (text !== undefined) return mapOfPax(text, paxNumber(pax, 'GNU.sparse.size') ?? this.#bodyLeft);
    if (pax.get('GNU.sparse.major') !== '1') return undefined;
    const { map, blocks } = await mapOfData(next, paxNumber(pax, 'GNU.sparse.realsize') ?? 0);
    if (blocks * BLOCK > this.#bodyLeft) throw corrupt('sparse map larger than its data');
    this.#bodyLeft -= blocks * BLOCK;
    return map;
  }

  async #globalHeader(size: number): Promise<void> {
    this.#globalBytes += size;
    if (this.#globalBytes > MAX_EXTENSION_BYTES) throw corrupt('too many global headers');
    this.#global = new Map([...this.#global, ...parsePax(await this.#extension(size))]);
  }

  async #extension(size: number): Promise<Buffer> {
    if (size > MAX_EXTENSION_BYTES) throw corrupt(`extended header of ${size} bytes`);
    const data = await this.#source.take(size);
    if (!data) throw truncated();
    await this.#source.take(paddingOf(size));
    return data;
  }

  async #entry(
    block: Buffer,
    flag: string,
    pax: ReadonlyMap<string, string>,
    longName: string | undefined,
    longLink: string | undefined,
  ): Promise<TarHeader> {
    const name = pax.get('GNU.sparse.name') ?? pax.get('path') ?? longName ?? ustarName(block);
    const legacyDirectory = (flag === '0' || flag === '\0') && name.endsWith('/');
    const type = legacyDirectory ? 'directory' : TYPES[flag];
    if (!type || pax.has('GNU.sparse.offset')) {
      throw new SwarmtsError('unsupported', `tar entry '${name}' has the unsupported type '${flag}'`);
    }
    const size = paxNumber(pax, 'size') ?? numberField(block, 124, 12);
    if (size < 0) throw corrupt(`'${name.slice(0, 100)}' has the size ${size}`);
    this.#bodyLeft = type === 'file' ? size : 0;
    this.#padding = paddingOf(this.#bodyLeft);
    this.#sparse = type === 'file' ? await this.#sparseMap(block, flag, pax) : undefined;
    return {
      name,
      type,
      linkName: pax.get('linkpath') ?? longLink ?? textField(block, 157, 100),
      size: this.#sparse?.realSize ?? this.#bodyLeft,
      mode: numberField(block, 100, 8) & 0o7777,
      uid: paxNumber(pax, 'uid') ?? numberField(block, 108, 8),
      gid: paxNumber(pax, 'gid') ?? numberField(block, 116, 8),
      mtime: paxNumber(pax, 'mtime') ?? numberField(block, 136, 12),
      devMajor: numberField(block, 329, 8),
      devMinor: numberField(block, 337, 8),
      xattrs: xattrsOf(pax),
    };
  }
}

function emitZeros(count: number, sink: (chunk: Buffer) => void): void {
  for (let left = count; left > 0; left -= ZEROS.length) sink(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS);
}

function ustarName(block: Buffer): string {
  const name = textField(block, 0, 100);
  const isUstar = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isUstar ? textField(block, 345, 155) : '';
  return prefix ? `${prefix}/${name}` : name;
}

/** Records of "<length> <key>=<value>\n". */
function parsePax(data: Buffer): Map<string, string> {
  const out = new Map<string, string>();
  let at = 0;
  while (at < data.length) {
    const space = data.indexOf(0x20, at);
    const length = space < 0 ? Number.NaN : Number(data.toString('latin1', at, space));
    if (!Number.isInteger(length) || length <= space - at || at + length > data.length)
      throw corrupt('broken pax header');
    const record = data.toString('latin1', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (equals <= 0) throw corrupt('broken pax header');
    out.set(record.slice(0, equals), record.slice(equals + 1));
    at += length;
  }
  return out;
}

function xattrsOf(pax: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const out = new Map<string, string>();
  for (const [k, v] of pax) if (k.startsWith(XATTR_PREFIX)) out.set(k.slice(XATTR_PREFIX.length), v);
  return out;
}

function paxNumber(pax: ReadonlyMap<string, string>, key: string): number | undefined {
  const text = pax.get(key);
  if (text === undefined || text === '') return undefined;
  const n = Number(text);
  if (!Number.isFinite(n) || (key !== 'mtime' && (n < 0 || !Number.isSafeInteger(n)))) {
    throw corrupt(`bad ${key} in a pax header`);
  }
  return n;
}

/** Octal text, or base-256 when the first bit is set (GNU). */
function numberField(block: Buffer, at: number, length: number): number {
  const field = block.subarray(at, at + length);
  const first = field[0] ?? 0;
  if (first & 0x80) {
    let n = BigInt(first & 0x40 ? first : first & 0x7f);
    for (const b of field.subarray(1)) n = (n << 8n) | BigInt(b);
    const value = Number(first & 0x40 ? BigInt.asIntN(length * 8, n) : n);
    if (!Number.isSafeInteger(value)) throw corrupt('number out of range in a header');
    return value;
  }
  const text = untilNul(field).trim();
  if (text === '') return 0;
  if (!/^[0-7]+$/.test(text)) throw corrupt('bad number in a header');
  return Number.parseInt(text, 8);
}

function verifyChecksum(block: Buffer): void {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : (block[i] ?? 0);
  if (sum !== numberField(block, 148, 8)) throw corrupt('header checksum mismatch');
}

function textField(block: Buffer, at: number, length: number): string {
  return untilNul(block.subarray(at, at + length));
}

function untilNul(data: Buffer): string {
  const end = data.indexOf(0);
  return data.toString('latin1', 0, end < 0 ? data.length : end);
}

function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function truncated(): SwarmtsError {
  return corrupt('unexpected end of archive');
}

function corrupt(message: string): SwarmtsError {
  return new SwarmtsError('corrupt', `invalid tar archive: ${message}`);
}
