/**
 * Sparse files in tar archives: where the pieces of data belong. GNU tar writes them in its old form (type S), and in pax
 * headers as 0.1 and 1.0. Everything here comes from the archive: order, overlap and size are checked.
 */
import { SwarmtsError } from '@swarmts/lib';

export interface SparsePiece {
  readonly offset: number;
  readonly length: number;
}

export interface SparseMap {
  readonly pieces: readonly SparsePiece[];
  /** Length of the whole file. */
  readonly realSize: number;
}

/** A file with more pieces than this is an attack on the memory. */
const MAX_PIECES = 1_000_000;
const OLD_ENTRIES = 4;
const OLD_ENTRY_BYTES = 24;
const EXTENDED_ENTRIES = 21;
const OLD_MAP_AT = 386;
const OLD_MORE_AT = 482;
const OLD_REAL_SIZE_AT = 483;
const EXTENDED_MORE_AT = 504;

type NumberField = (block: Buffer, at: number, length: number) => number;

/** The old GNU form; `nextBlock` gives the blocks with more of the map. */
export async function oldGnuMap(
  header: Buffer,
  number: NumberField,
  nextBlock: () => Promise<Buffer>,
): Promise<SparseMap> {
  const pieces: SparsePiece[] = [];
  readEntries(header, OLD_MAP_AT, OLD_ENTRIES, number, pieces);
  for (let more = header[OLD_MORE_AT] !== 0; more; ) {
    const block = await nextBlock();
    readEntries(block, 0, EXTENDED_ENTRIES, number, pieces);
    more = block[EXTENDED_MORE_AT] !== 0;
  }
  return checked(pieces, number(header, OLD_REAL_SIZE_AT, 12));
}

/** "offset,length,offset,length,..." of GNU.sparse.map. */
export function mapOfPax(text: string, realSize: number): SparseMap {
  const numbers = text === '' ? [] : text.split(',').map(decimal);
  if (numbers.length % 2 !== 0) throw corrupt('odd number of values in a sparse map');
  return checked(paired(numbers), realSize);
}

/** Version 1.0: the map stands in front of the data, as lines, filled up to whole blocks. Resolves to the blocks it took. */
export async function mapOfData(
  nextBlock: () => Promise<Buffer>,
  realSize: number,
): Promise<{ readonly map: SparseMap; readonly blocks: number }> {
  let text = '';
  let blocks = 0;
  const numbers: number[] = [];
  let wanted = 1;
  while (numbers.length < wanted) {
    const end = text.indexOf('\n');
    if (end < 0) {
      if (text.length > 32) throw corrupt('broken sparse map');
      text += (await nextBlock()).toString('latin1');
      blocks++;
      continue;
    }
    numbers.push(decimal(text.slice(0, end)));
    text = text.slice(end + 1);
    if (numbers.length === 1) {
      wanted = 1 + 2 * (numbers[0] ?? 0);
      if ((numbers[0] ?? 0) > MAX_PIECES) throw corrupt('sparse file with too many pieces');
    }
  }
  return { map: checked(paired(numbers.slice(1)), realSize), blocks };
}

function readEntries(block: Buffer, at: number, count: number, number: NumberField, out: SparsePiece[]): void {
  for (let i = 0; i < count; i++) {
    const from = at + i * OLD_ENTRY_BYTES;
    if (block[from] === 0) return;
    out.push({ offset: number(block, from, 12), length: number(block, from + 12, 12) });
    if (out.length > MAX_PIECES) throw corrupt('sparse file with too many pieces');
  }
}

function paired(numbers: readonly number[]): SparsePiece[] {
  return Array.from({ length: numbers.length / 2 }, (_, i) => ({
    offset: numbers[2 * i] ?? 0,
    length: numbers[2 * i + 1] ?? 0,
  }));
}

/** In order, without overlap, inside of the file. */
function checked(pieces: readonly SparsePiece[], realSize: number): SparseMap {
  let end = 0;
  for (const p of pieces) {
    if (p.offset < end || p.length < 0 || p.offset + p.length > realSize) throw corrupt('sparse map out of order');
    end = p.offset + p.length;
  }
  if (!Number.isSafeInteger(realSize) || realSize < 0) throw corrupt('sparse file with a bad size');
  return { pieces, realSize };
}

function decimal(text: string): number {
  const n = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(n))
    throw corrupt(`bad number in a sparse map: '${text.slice(0, 20)}'`);
  return n;
}

function corrupt(message: string): SwarmtsError {
  return new SwarmtsError('corrupt', `invalid tar archive: ${message}`);
}
