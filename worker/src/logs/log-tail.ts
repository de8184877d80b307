/**
 * Where the last lines of a log begin. Read from the end, and no further than needed. Lines are counted as `joinLines` puts them together:
 * what the monitor has written in pieces is one. A line may begin before the end of an older one of the other stream: reading begins there,
 * and leaves the older one out.
 */
import type { LogEntry, LogPosition } from './log-api.js';
import type { LogFile } from './log-file.js';
import { JOINED_BYTES, MAX_LINE_BYTES, NEWLINE, parseLogLine } from './log-format.js';

const BLOCK_BYTES = 64 << 10;

/** Instead of an offset: the file is older than what is wanted. */
export const SKIPPED = -1;

/** Another line of the other stream may be open for long: its beginning is not looked for further back than so much text. */
const LOOK_BACK_BYTES = 1 << 20;

export interface Starts {
  /** Of each file. */
  readonly offsets: readonly number[];
  readonly leftOut?: LogPosition['leftOut'];
}

/** Where to begin in each file so that `tail` lines remain; a negative `tail` is all of them. `files` are oldest first. */
export async function tailStarts(files: readonly LogFile[], tail: number): Promise<Starts> {
  const from = ({ file, start }: Place) => files.map((_, f) => (f < file ? SKIPPED : f === file ? start : 0));
  if (tail < 0) return { offsets: from(BEGIN) };
  const counter = new BackwardCounter();
  let beginning: LineBeginning | undefined;
  for await (const record of allBackward(files)) {
    if (beginning?.isFoundBefore(record)) break;
    if (beginning) continue;
    if (!counter.isBefore(record.entry, tail)) {
      counter.add(record.entry, record);
      continue;
    }
    const first = counter.firstOf(tail) ?? { file: record.file, start: record.end };
    const other = record.entry.stream === 'stdout' ? 'stderr' : 'stdout';
    beginning = new LineBeginning(other, first, counter.openBytes(other));
    if (beginning.isFoundBefore(record)) break;
  }
  if (!beginning) return { offsets: from(counter.firstOf(tail) ?? BEGIN) };
  return { offsets: from(beginning.place), ...beginning.leftOut };
}

interface Place {
  readonly file: number;
  readonly start: number;
}

const BEGIN: Place = { file: 0, start: 0 };

type Piece = Place & { readonly bytes: number };

/** Counts lines whose pieces come newest first. */
class BackwardCounter {
  /** Of the oldest line of each stream, newest first. */
  readonly #pieces: Record<LogEntry['stream'], Piece[]> = { stdout: [], stderr: [] };
  #oldest: LogEntry['stream'] = 'stdout';
  /** Lines before which there is an older one of their stream. */
  #whole = 0;

  /** Whether the last `tail` lines begin after this record: it ends a line that is too many, or has begun one that never ended. */
  isBefore({ stream, line }: LogEntry, tail: number): boolean {
    const beginsLine = line.at(-1) === NEWLINE || this.#pieces[stream].length === 0;
    return beginsLine && this.#total >= tail;
  }

  add({ stream, line }: LogEntry, place: Place): void {
    if (line.at(-1) === NEWLINE) {
      this.#whole += partsOf(this.#pieces[stream]).length;
      this.#pieces[stream] = [];
    }
    this.#pieces[stream].push({ ...place, bytes: line.length });
    this.#oldest = stream;
  }

  /** Where the last `tail` lines begin when they do so within a very long one. */
  firstOf(tail: number): Place | undefined {
    return partsOf(this.#pieces[this.#oldest])[this.#total - tail];
  }

  /** How much is known of the oldest line of a stream. */
  openBytes(stream: LogEntry['stream']): number {
    return this.#pieces[stream].reduce((sum, p) => sum + p.bytes, 0);
  }

  get #total(): number {
    return this.#whole + partsOf(this.#pieces.stdout).length + partsOf(this.#pieces.stderr).length;
  }
}

/** Looks for the beginning of a stream's line among older records of both. */
class LineBeginning {
  readonly #stream: LogEntry['stream'];
  #place: Place;
  #lineBytes: number;
  #passedBytes = 0;
  /** Records of the other stream. */
  #passed = 0;
  #leftOut = 0;

  /** `place` is where the wanted lines begin otherwise; of the line itself `lineBytes` are known: 0 for none. */
  constructor(stream: LogEntry['stream'], place: Place, lineBytes: number) {
    this.#stream = stream;
    this.#place = place;
    this.#lineBytes = lineBytes;
  }

  get place(): Place {
    return this.#place;
  }

  get leftOut(): Pick<Starts, 'leftOut'> {
    const stream = this.#stream === 'stdout' ? 'stderr' : 'stdout';
    return this.#leftOut === 0 ? {} : { leftOut: { stream, records: this.#leftOut } };
  }

  /** Whether no older record belongs to the line. Very long ones come in parts, and begin with one. */
  isFoundBefore({ entry, file, start }: PlacedRecord): boolean {
    this.#passedBytes += entry.line.length;
    if (this.#lineBytes === 0 || this.#passedBytes > LOOK_BACK_BYTES) return true;
    if (entry.stream !== this.#stream) {
      this.#passed++;
      return false;
    }
    this.#lineBytes += entry.line.length;
    if (entry.line.at(-1) === NEWLINE || this.#lineBytes >= JOINED_BYTES) return true;
    this.#place = { file, start };
    this.#leftOut = this.#passed;
    return false;
  }
}

/** Where the lines begin that are made of these pieces: a very long one comes in parts. */
function partsOf(newestFirst: readonly Piece[]): readonly Place[] {
  const parts: Place[] = [];
  let open = 0;
  for (const piece of [...newestFirst].reverse()) {
    if (open === 0) parts.push(piece);
    open = open + piece.bytes < JOINED_BYTES ? open + piece.bytes : 0;
  }
  return parts;
}

interface PlacedRecord extends Place {
  /** Where the next newer one begins. */
  readonly end: number;
  readonly entry: LogEntry;
}

/** Complete records of all files, newest first. */
async function* allBackward(files: readonly LogFile[]): AsyncGenerator<PlacedRecord> {
  for (const [i, file] of [...files.entries()].reverse())
    for await (const record of recordsBackward(file)) yield { ...record, file: i };
}

async function* recordsBackward(file: LogFile): AsyncGenerator<Omit<PlacedRecord, 'file'>> {
  const block = Buffer.alloc(BLOCK_BYTES);
  let start = await file.sizeBytes();
  // From `start` to the newline that ends the oldest line that was seen, or to the end of the file.
  let rest: Buffer = Buffer.alloc(0);
  let isRecord = false;
  while (start > 0) {
    const length = Math.min(BLOCK_BYTES, start);
    start -= length;
    const bytesRead = await file.read(block, length, start);
    let data = Buffer.concat([block.subarray(0, bytesRead), rest]);
    for (let at = data.lastIndexOf(NEWLINE); at >= 0; at = data.lastIndexOf(NEWLINE)) {
      const entry = isRecord ? parseLogLine(data.subarray(at + 1)) : undefined;
      if (entry) yield { start: start + at + 1, end: start + data.length + 1, entry };
      isRecord = true;
      data = data.subarray(0, at);
    }
    // No record of ours is as long.
    if (data.length > MAX_LINE_BYTES) isRecord = false;
    rest = isRecord ? data : Buffer.alloc(0);
  }
  const first = isRecord ? parseLogLine(rest) : undefined;
  if (first) yield { start: 0, end: rest.length + 1, entry: first };
}
