/**
 * Reads a container's log over its rotated files: the last lines, a time window, and what is still to come. A file is
 * recognised by its identity, so rotation during a read neither repeats nor loses a line as long as the file is kept.
 */
import { statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { Clock } from '@swarmts/lib';
import type { LogEntry, LogOptions, LogPosition } from './log-api.js';
import { formatIdentity } from './log-compression.js';
import { LogFile } from './log-file.js';
import { MAX_LOG_FILES } from './log-files.js';
import { joinLines, LineSplitter, parseLogLine } from './log-format.js';
import { SKIPPED, type Starts, tailStarts } from './log-tail.js';

const READ_BYTES = 64 << 10;
/** Followers look again after this long, should the kernel's notification be lost. */
const POLL_MS = 1_000;
/** The newest file is not there until the monitor has made it, and an index is free while a rotation moves files up, or was cut short. */
const MAX_MISSING = 2;

export interface LogSource {
  readonly logPath: string;
  /** Whether more output may come. */
  readonly isLive: () => boolean;
  /** Calls back once when `isLive` turns false; returns the unsubscribe function. */
  readonly onEnd: (fn: () => void) => () => void;
  readonly clock: Clock;
}

/**
 * Lines in the order in which they were written. Ends when the log ends, for followers when the container has ended, or when
 * `signal` aborts. What a container writes in pieces comes as the line that it is.
 */
export async function* readLogs(
  source: LogSource,
  options: LogOptions,
  signal?: AbortSignal,
): AsyncGenerator<LogEntry> {
  yield* joinLines(readRecords(source, options, signal));
}

/** As `readLogs`, in the pieces in which the container wrote them. */
export async function* readRecords(
  source: LogSource,
  options: LogOptions,
  signal?: AbortSignal,
): AsyncGenerator<LogEntry> {
  const wake = options.follow ? new WakeUp(source) : undefined;
  const files = await openAll(source.logPath);
  try {
    const starts = options.from ? startsFrom(files, options.from) : await tailStarts(files, options.tail);
    options.onStart?.(startOf(files, starts));
    const records = recordsFrom(files, starts.offsets, source, wake, options, signal);
    yield* wanted(withoutFirst(records, starts.leftOut), options);
  } finally {
    wake?.close();
    for (const f of files) await f.close();
  }
}

async function* recordsFrom(
  files: readonly LogFile[],
  offsets: readonly number[],
  source: LogSource,
  wake: WakeUp | undefined,
  options: LogOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogEntry> {
  for (const [i, file] of files.entries()) {
    if (offsets[i] === SKIPPED) continue;
    const isLast = i === files.length - 1;
    const cursor = new Cursor(file, offsets[i] ?? 0);
    if (isLast && wake) yield* follow(source, cursor, wake, options, signal);
    else {
      yield* cursor.read(signal);
      // What was unpacked takes room.
      await file.close();
    }
    if (signal?.aborted) return;
  }
  if (files.length === 0 && wake) yield* followFromNothing(source, wake, options, signal);
}

/** Reads records of one file from an offset to its current end; calling it again goes on there. */
class Cursor {
  readonly file: LogFile;
  readonly #splitter = new LineSplitter();
  #offset: number;

  constructor(file: LogFile, offset: number) {
    this.file = file;
    this.#offset = offset;
  }

  async *read(signal: AbortSignal | undefined): AsyncGenerator<LogEntry> {
    const buffer = Buffer.alloc(READ_BYTES);
    while (!signal?.aborted) {
      const bytesRead = await this.file.read(buffer, buffer.length, this.#offset);
      if (bytesRead === 0) return;
      this.#offset += bytesRead;
      const lines = this.#splitter.push(buffer.subarray(0, bytesRead));
      let offset = lines.reduce((at, l) => at - l.length - 1, this.#offset - this.#splitter.pendingBytes);
      for (const line of lines) {
        offset += line.length + 1;
        const entry = parseLogLine(line);
        if (entry) yield { ...entry, end: { file: this.file.identity, offset } };
      }
    }
  }
}

async function* follow(
  source: LogSource,
  first: Cursor,
  wake: WakeUp,
  options: LogOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogEntry> {
  const opened: LogFile[] = [];
  let cursor = first;
  try {
    while (!signal?.aborted) {
      // Asked before reading: what is written up to the end is then certainly read.
      const live = source.isLive();
      const successors = await successorsOf(source.logPath, cursor.file.identity);
      opened.push(...successors);
      // Read after the successor is known to exist: nobody writes into this file any more then.
      yield* cursor.read(signal);
      const next = successors[0];
      if (next) {
        for (const s of successors.slice(1)) await release(opened, s);
        await release(opened, cursor.file);
        cursor = new Cursor(next, 0);
        continue;
      }
      if (!live || isPast(options, source.clock)) return;
      await wake.wait(signal);
    }
  } finally {
    for (const f of opened) await f.close();
  }
}

async function* followFromNothing(
  source: LogSource,
  wake: WakeUp,
  options: LogOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator<LogEntry> {
  while (!signal?.aborted) {
    const live = source.isLive();
    const [file] = await openAll(source.logPath);
    if (file) {
      try {
        yield* follow(source, new Cursor(file, 0), wake, options, signal);
      } finally {
        await file.close();
      }
      return;
    }
    if (!live || isPast(options, source.clock)) return;
    await wake.wait(signal);
  }
}

async function* withoutFirst(
  entries: AsyncGenerator<LogEntry>,
  leftOut: LogPosition['leftOut'],
): AsyncGenerator<LogEntry> {
  let left = leftOut?.records ?? 0;
  for await (const e of entries) {
    if (left > 0 && e.stream === leftOut?.stream) left--;
    else yield e;
  }
}

async function* wanted(entries: AsyncGenerator<LogEntry>, o: LogOptions): AsyncGenerator<LogEntry> {
  for await (const e of entries) {
    if (o.untilNs !== undefined && e.timeNs > o.untilNs) return;
    if (o.sinceNs !== undefined && e.timeNs < o.sinceNs) continue;
    if (e.stream === 'stdout' ? o.stdout : o.stderr) yield e;
  }
}

function isPast(options: LogOptions, clock: Clock): boolean {
  return options.untilNs !== undefined && BigInt(clock.now()) * 1_000_000n > options.untilNs;
}

/** All files, oldest first. */
function openAll(logPath: string): Promise<LogFile[]> {
  return openNewest(logPath, () => false);
}

/** The files that are newer than this one, oldest first. When it is not kept any more, all of them are. */
function successorsOf(logPath: string, identity: string): Promise<LogFile[]> {
  return openNewest(logPath, (file) => file.identity === identity);
}

/**
 * The files down to the one that is older than what is wanted. Opened newest first: a rotation in between shows as the same file twice, and
 * one that is under way as an index that is missing.
 */
async function openNewest(logPath: string, isOlder: (file: LogFile) => boolean): Promise<LogFile[]> {
  const files: LogFile[] = [];
  try {
    for (let i = 0, missing = 0; i < MAX_LOG_FILES && missing <= MAX_MISSING; i++) {
      const file = await LogFile.open(logPath, i);
      if (!file) missing++;
      else if (isOlder(file)) {
        await file.close();
        break;
      } else if (files.some((f) => f.identity === file.identity)) await file.close();
      else files.push(file);
    }
    return files.reverse();
  } catch (e) {
    for (const f of files) await f.close();
    throw e;
  }
}

async function release(opened: LogFile[], file: LogFile): Promise<void> {
  const at = opened.indexOf(file);
  if (at < 0) return;
  opened.splice(at, 1);
  await file.close();
}

/** The end of the log as it is now, undefined while there is none. */
export function endOfLog(logPath: string): LogPosition | undefined {
  const s = statSync(logPath, { bigint: true, throwIfNoEntry: false });
  return s && { file: formatIdentity(s), offset: Number(s.size) };
}

/** A place in a file that is not kept any more is before all that are. */
function startsFrom(files: readonly LogFile[], from: LogPosition): Starts {
  const at = files.findIndex((f) => f.identity === from.file);
  const offsets = files.map((_, i) => (i === at ? from.offset : i < at ? SKIPPED : 0));
  return { offsets, ...(at >= 0 && from.leftOut ? { leftOut: from.leftOut } : {}) };
}

/** The first place that is read. Without files: before whatever will come. */
function startOf(files: readonly LogFile[], { offsets, leftOut }: Starts): LogPosition {
  // Of a file before it nothing is read, or it starts at its end.
  const at = Math.max(
    0,
    offsets.findLastIndex((s) => s > 0),
    offsets.lastIndexOf(SKIPPED) + 1,
  );
  return { file: files[at]?.identity ?? '', offset: offsets[at] ?? 0, ...(leftOut ? { leftOut } : {}) };
}

/** Wakes a follower when the log directory changes, the container ends, or a while has passed. */
class WakeUp {
  readonly #clock: Clock;
  readonly #watcher: ReturnType<typeof watch> | undefined;
  readonly #unsubscribe: () => void;
  #pending = false;
  #notify: (() => void) | undefined;

  constructor(source: LogSource) {
    this.#clock = source.clock;
    this.#unsubscribe = source.onEnd(() => this.#fire());
    this.#watcher = startWatching(dirname(source.logPath), () => this.#fire());
  }

  wait(signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        this.#notify = undefined;
        this.#pending = false;
        timer.cancel();
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = this.#clock.after(POLL_MS, done);
      if (this.#pending || signal?.aborted) {
        done();
        return;
      }
      this.#notify = done;
      signal?.addEventListener('abort', done, { once: true });
    });
  }

  close(): void {
    this.#unsubscribe();
    this.#watcher?.close();
  }

  #fire(): void {
    this.#pending = true;
    this.#notify?.();
  }
}

/** Without a watch (too many of them, or no directory) polling alone does the work. */
function startWatching(directory: string, fire: () => void): ReturnType<typeof watch> | undefined {
  try {
    const watcher = watch(directory, { persistent: false }, fire);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}
