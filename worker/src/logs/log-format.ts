/**
 * The on-disk format of container logs, conmon's "k8s-file": `<RFC 3339 time with nanoseconds> <stream> <F|P> <text>\n`. F
 * ends a line of the container's output, P is a part of one. Pure.
 */
import type { LogEntry } from './log-api.js';

export const NEWLINE = 0x0a;
const SPACE = 0x20;
/** A line that grows beyond this without an end is not ours; it is dropped instead of eating the memory. */
export const MAX_LINE_BYTES = 1 << 20;

/** Cuts a byte stream into complete lines; what is left waits for the next chunk. */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);
  #pendingBytes = 0;

  /** How much came after the last complete line. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  push(chunk: Buffer): Buffer[] {
    const data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const lines: Buffer[] = [];
    let at = 0;
    for (let end = data.indexOf(NEWLINE, at); end >= 0; end = data.indexOf(NEWLINE, at)) {
      lines.push(data.subarray(at, end));
      at = end + 1;
    }
    this.#pendingBytes = data.length - at;
    // Copied: the caller reuses its read buffer.
    this.#rest = data.length - at > MAX_LINE_BYTES ? Buffer.alloc(0) : Buffer.from(data.subarray(at));
    return lines;
  }
}

/** One line of the file without its newline; undefined for anything that is not a record. */
export function parseLogLine(line: Buffer): LogEntry | undefined {
  const first = line.indexOf(SPACE);
  const second = line.indexOf(SPACE, first + 1);
  const third = line.indexOf(SPACE, second + 1);
  if (first < 0 || second < 0) return undefined;
  const timeNs = parseTimeNs(line.toString('latin1', 0, first));
  const stream = line.toString('latin1', first + 1, second);
  const tag = line.toString('latin1', second + 1, third < 0 ? line.length : third);
  if (timeNs === undefined || (stream !== 'stdout' && stream !== 'stderr')) return undefined;
  if (tag !== 'F' && tag !== 'P') return undefined;
  const text = third < 0 ? Buffer.alloc(0) : line.subarray(third + 1);
  return { stream, timeNs, line: tag === 'F' ? Buffer.concat([text, Buffer.from([NEWLINE])]) : Buffer.from(text) };
}

/** Docker's size of a line; a longer one comes in parts. */
export const JOINED_BYTES = 16 * 1024;

/**
 * Puts the parts of a line together, each stream for itself, with the time of the first. The monitor writes a part for whatever it has
 * read at a time, so where a line is cut says nothing. What is left in the end comes without a newline, what was written last behind the other.
 */
export async function* joinLines(records: AsyncIterable<LogEntry>): AsyncGenerator<LogEntry> {
  const open = new Map<LogEntry['stream'], LogEntry>();
  let last: LogEntry | undefined;
  for await (const r of records) {
    last = r;
    const begun = open.get(r.stream);
    open.delete(r.stream);
    const whole = begun ? { ...r, timeNs: begun.timeNs, line: Buffer.concat([begun.line, r.line]) } : r;
    if (whole.line.at(-1) === NEWLINE || whole.line.length >= JOINED_BYTES) {
      yield open.size === 0 ? whole : withoutEnd(whole);
    } else open.set(r.stream, whole);
  }
  for (const [stream, rest] of open) {
    open.delete(stream);
    yield last?.end && open.size === 0 ? { ...rest, end: last.end } : withoutEnd(rest);
  }
}

function withoutEnd({ stream, timeNs, line }: LogEntry): LogEntry {
  return { stream, timeNs, line };
}

/** RFC 3339 with up to nine decimals -> nanoseconds since the epoch. */
export function parseTimeNs(text: string): bigint | undefined {
  const m = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text);
  if (!m) return undefined;
  const ms = Date.parse(`${m[1]}${m[3]}`);
  if (!Number.isFinite(ms)) return undefined;
  return BigInt(ms) * 1_000_000n + BigInt((m[2] ?? '').padEnd(9, '0'));
}
