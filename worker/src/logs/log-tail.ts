/**
 * Where the last lines of a log begin. Read from the end, and no further than needed. Lines are counted as `joinLines` puts them together:
 * what the monitor has written in pieces is one. Only a line that was begun before the end of an older one of the other stream may come
 * without its beginning.
 */
import type { LogEntry } from './log-api.js';
import type { LogFile } from './log-file.js';
import { JOINED_BYTES, MAX_LINE_BYTES, NEWLINE, parseLogLine } from './log-format.js';

const BLOCK_BYTES = 64 << 10;

/** Instead of an offset: the file is older than what is wanted. */
export const SKIPPED = -1;

/** Where to begin in each file so that `tail` lines remain; a negative `tail` is all of them. `files` are oldest first. */
export async function tailStarts(files: readonly LogFile[], tail: number): Promise<readonly number[]> {
  const from = (file: number, offset: number) => files.map((_, f) => (f < file ? SKIPPED : f === file ? offset : 0));
  if (tail < 0) return from(0, 0);
  const counter = new BackwardCounter();
  for (let i = files.length - 1; i >= 0; i--) {
    const file = files[i];
    if (!file) continue;
    for await (const { start, end, entry } of recordsBackward(file)) {
      if (counter.isBefore(entry, tail)) {
        const first = counter.firstOf(tail) ?? { file: i, start: end };
        return from(first.file, first.start);
      }
      counter.add(entry, { file: i, start });
    }
  }
  const first = counter.firstOf(tail) ?? { file: 0, start: 0 };
  return from(first.file, first.start);
}

interface Place {
  readonly file: number;
  readonly start: number;
}

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

  get #total(): number {
    return this.#whole + partsOf(this.#pieces.stdout).length + partsOf(this.#pieces.stderr).length;
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

interface PlacedRecord {
  readonly start: number;
  /** Where the next newer one begins. */
  readonly end: number;
  readonly entry: LogEntry;
}

/** Complete records, newest first. */
async function* recordsBackward(file: LogFile): AsyncGenerator<PlacedRecord> {
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
