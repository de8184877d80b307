/**
 * Writes tar archives (ustar, with pax headers for what does not fit) into a sink. Like the reader it takes names and
 * attribute values as byte strings (latin1), and it is deterministic: the same entries give the same bytes, so that a layer
 * that is packed twice has one digest.
 */
import { CAPABILITY_XATTR, capabilityInside } from '../userns/file-capabilities.js';
import { type IdMaps, ownerInside } from '../userns/id-map.js';
import type { TarHeader, TarType } from './tar-reader.js';

const BLOCK = 512;
const NAME_BYTES = 100;
const PREFIX_BYTES = 155;
const END_BLOCKS = 2;
/** What twelve and eight bytes of octal digits hold. */
const MAX_SIZE = 0o77777777777;
const MAX_ID = 0o7777777;

const FLAGS: Readonly<Record<TarType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

export type TarEntry = Pick<TarHeader, 'name' | 'type'> & Partial<TarHeader>;

export class TarWriter {
  readonly #sink: (chunk: Buffer) => void;
  readonly #ids: IdMaps | undefined;
  #left = 0;
  #padding = 0;

  /** Entries come with owners of the machine; the archive has those that `ids` makes of them. */
  constructor(sink: (chunk: Buffer) => void, ids?: IdMaps) {
    this.#sink = sink;
    this.#ids = ids;
  }

  /** Begins an entry; exactly `size` bytes of `body` must follow for a file. */
  entry(given: TarEntry): void {
    if (this.#left !== 0) throw new Error(`the entry before '${given.name}' lacks ${this.#left} bytes`);
    const e = this.#ids ? entryInside(this.#ids, given) : given;
    const records = paxRecords(e);
    if (records.size > 0) this.#paxHeader(records);
    this.#sink(headerBlock(e, FLAGS[e.type]));
    this.#left = e.type === 'file' ? (e.size ?? 0) : 0;
    this.#padding = paddingOf(this.#left);
  }

  body(chunk: Buffer): void {
    if (chunk.length > this.#left) throw new Error(`${chunk.length - this.#left} bytes more than the entry's size`);
    this.#left -= chunk.length;
    this.#sink(chunk);
    if (this.#left === 0 && this.#padding > 0) {
      this.#sink(Buffer.alloc(this.#padding));
      this.#padding = 0;
    }
  }

  finish(): void {
    if (this.#left !== 0) throw new Error(`the last entry lacks ${this.#left} bytes`);
    this.#sink(Buffer.alloc(END_BLOCKS * BLOCK));
  }

  #paxHeader(records: ReadonlyMap<string, string>): void {
    const data = Buffer.concat([...records].map(([k, v]) => paxRecord(k, v)));
    this.#sink(headerBlock({ name: 'PaxHeaders/0', type: 'file', size: data.length, mode: 0o644 }, 'x'));
    this.#sink(data);
    const padding = paddingOf(data.length);
    if (padding > 0) this.#sink(Buffer.alloc(padding));
  }
}

function entryInside(ids: IdMaps, e: TarEntry): TarEntry {
  const capability = e.xattrs?.get(CAPABILITY_XATTR);
  return {
    ...e,
    ...ownerInside(ids, { uid: e.uid ?? 0, gid: e.gid ?? 0 }),
    ...(e.xattrs && capability !== undefined
      ? { xattrs: new Map([...e.xattrs, [CAPABILITY_XATTR, capabilityInside(ids, capability)]]) }
      : {}),
  };
}

function paxRecords(e: TarEntry): Map<string, string> {
  const out = new Map<string, string>();
  const name = storedName(e);
  if (splitName(name) === undefined) out.set('path', name);
  if ((e.linkName ?? '').length > NAME_BYTES) out.set('linkpath', e.linkName ?? '');
  if ((e.size ?? 0) > MAX_SIZE) out.set('size', String(e.size));
  if ((e.uid ?? 0) > MAX_ID) out.set('uid', String(e.uid));
  if ((e.gid ?? 0) > MAX_ID) out.set('gid', String(e.gid));
  for (const [k, v] of [...(e.xattrs ?? [])].sort(([a], [b]) => (a < b ? -1 : 1))) out.set(`SCHILY.xattr.${k}`, v);
  return out;
}

/** "<length> <key>=<value>\n", where the length counts itself. */
function paxRecord(key: string, value: string): Buffer {
  const rest = ` ${key}=${value}\n`;
  let length = rest.length;
  while (String(length).length + rest.length !== length) length = String(length).length + rest.length;
  return Buffer.from(`${length}${rest}`, 'latin1');
}

function headerBlock(e: TarEntry, flag: string): Buffer {
  const block = Buffer.alloc(BLOCK);
  const [prefix, name] = splitName(storedName(e)) ?? ['', storedName(e).slice(0, NAME_BYTES)];
  block.write(name, 0, NAME_BYTES, 'latin1');
  octal(block, 100, 8, (e.mode ?? 0) & 0o7777);
  octal(block, 108, 8, fitting(e.uid, MAX_ID));
  octal(block, 116, 8, fitting(e.gid, MAX_ID));
  octal(block, 124, 12, e.type === 'file' ? fitting(e.size, MAX_SIZE) : 0);
  octal(block, 136, 12, fitting(Math.max(0, Math.floor(e.mtime ?? 0)), MAX_SIZE));
  block.write(flag, 156, 'latin1');
  block.write((e.linkName ?? '').slice(0, NAME_BYTES), 157, NAME_BYTES, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  octal(block, 329, 8, e.devMajor ?? 0);
  octal(block, 337, 8, e.devMinor ?? 0);
  block.write(prefix, 345, PREFIX_BYTES, 'latin1');
  block.write('        ', 148, 'latin1');
  let sum = 0;
  for (const b of block) sum += b;
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

function storedName(e: TarEntry): string {
  return e.type === 'directory' && !e.name.endsWith('/') ? `${e.name}/` : e.name;
}

/** Prefix and name as ustar stores them; undefined when the name needs a pax header. */
function splitName(name: string): [string, string] | undefined {
  if (name.length <= NAME_BYTES) return ['', name];
  for (let at = name.lastIndexOf('/', PREFIX_BYTES); at > 0; at = name.lastIndexOf('/', at - 1)) {
    const rest = name.slice(at + 1);
    if (rest.length > NAME_BYTES) return undefined;
    if (rest.length > 0) return [name.slice(0, at), rest];
  }
  return undefined;
}

/** A number that does not fit is in the pax header. */
function fitting(n: number | undefined, max: number): number {
  return n === undefined || n > max ? 0 : n;
}

function octal(block: Buffer, at: number, length: number, n: number): void {
  block.write(n.toString(8).padStart(length - 1, '0'), at, length - 1, 'latin1');
}

function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
