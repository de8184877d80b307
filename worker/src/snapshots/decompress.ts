/**
 * Detects by its first bytes how a stream is compressed (gzip, zstd, bzip2, xz or not at all) and yields the plain bytes. Runs in
 * child processes alone: zstd, bzip2 and xz are programs of their own, which get no more memory than honest data needs, however
 * little of it there is: a header of ten bytes can ask for gigabytes.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { errnoOf, messageOf, SwarmtsError } from '@swarmts/lib';

const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
/** Skippable zstd frames may come first (chunked images): 0x184D2A50 to 0x184D2A5F, little endian. */
const ZSTD_SKIPPABLE_TAIL = Buffer.from([0x2a, 0x4d, 0x18]);
const BZIP2_MAGIC = Buffer.from('BZh');
const XZ_MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
const MAGIC_BYTES = 6;

/** As zstd has it by itself: larger windows are for those who say so on both sides. */
const MAX_WINDOW_MIB = 128;
/** Of a program's address space: the largest window, threads with their stacks, what it is linked to. */
const MAX_PROGRAM_BYTES = 1 << 30;
const MAX_ERROR_TEXT = 1000;
/** Of those who start programs, for one that is not there. */
const NOT_FOUND = 127;

export type Compression = 'gzip' | 'zstd' | 'bzip2' | 'xz' | 'none';

/** The programs, and the Debian packages that have them. */
const PROGRAMS = {
  zstd: { args: ['-dcq', `--memory=${MAX_WINDOW_MIB}MB`], from: 'zstd' },
  bzip2: { args: ['-dc'], from: 'bzip2' },
  xz: { args: ['-dc', '--threads=1'], from: 'xz-utils' },
} as const;

export function detectCompression(head: Uint8Array): Compression {
  const b = Buffer.from(head);
  if (b.subarray(0, 2).equals(GZIP_MAGIC)) return 'gzip';
  if (b.subarray(0, 4).equals(ZSTD_MAGIC)) return 'zstd';
  if (b.subarray(0, 3).equals(BZIP2_MAGIC)) return 'bzip2';
  if (b.subarray(0, 6).equals(XZ_MAGIC)) return 'xz';
  const skippable = ((b[0] ?? 0) & 0xf0) === 0x50 && b.subarray(1, 4).equals(ZSTD_SKIPPABLE_TAIL);
  return skippable ? 'zstd' : 'none';
}

/**
 * Whoever stops reading early ends the iteration, and with it the program that unpacks: nothing else does. Fails as 'corrupt' when
 * the data is broken, 'unsupported' when it cannot be unpacked here (no program, too much memory), 'unavailable' when the program
 * could not be started or was ended: the last two say nothing against the data.
 */
export async function* decompressed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const input = source[Symbol.asyncIterator]();
  try {
    const start = await headOf(input);
    const whole = chained(start, input);
    const compression = detectCompression(start);
    if (compression === 'gzip') yield* gunzipped(whole);
    else if (compression !== 'none') yield* filtered(whole, compression);
    else yield* whole;
  } finally {
    await input.return?.();
  }
}

/** What tells of the compression, and what came along with it. */
async function headOf(input: AsyncIterator<Uint8Array>): Promise<Buffer> {
  const head: Buffer[] = [];
  let size = 0;
  while (size < MAGIC_BYTES) {
    const next = await input.next();
    if (next.done) break;
    head.push(Buffer.from(next.value));
    size += next.value.length;
  }
  return Buffer.concat(head);
}

async function* chained(start: Buffer, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Buffer> {
  if (start.length > 0) yield start;
  for (;;) {
    const next = await rest.next();
    if (next.done) return;
    yield Buffer.from(next.value.buffer, next.value.byteOffset, next.value.length);
  }
}

async function* gunzipped(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const input = Readable.from(source);
  const gunzip = createGunzip();
  // pipe() does not pass errors on.
  input.on('error', (e) => gunzip.destroy(e));
  try {
    for await (const chunk of input.pipe(gunzip)) yield chunk;
  } catch (e) {
    throw new SwarmtsError('corrupt', `broken gzip data: ${messageOf(e)}`, { cause: e });
  } finally {
    input.destroy();
  }
}

async function* filtered(source: AsyncIterable<Buffer>, program: keyof typeof PROGRAMS): AsyncGenerator<Buffer> {
  const { args, from } = PROGRAMS[program];
  const child = spawn('prlimit', [`--as=${MAX_PROGRAM_BYTES}`, program, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...process.env, LC_ALL: 'C' },
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-MAX_ERROR_TEXT);
  });
  const ended = once(child, 'close').catch((e: unknown) => e);
  const feeding = pipeline(Readable.from(source), child.stdin).then(
    () => undefined,
    (e: unknown) => e,
  );
  let isRead = false;
  try {
    for await (const chunk of child.stdout) yield chunk as Buffer;
    isRead = true;
  } finally {
    if (!isRead) child.kill('SIGKILL');
  }
  const end = await ended;
  if (end instanceof Error) throw notStarted(program, end);
  await feeding;
  if (child.exitCode === NOT_FOUND) throw missing(program, from);
  if (child.exitCode === null) {
    const what = `${program} was ended with ${child.signalCode} while it read this archive: try again when there is more memory`;
    throw new SwarmtsError('unavailable', what);
  }
  if (child.exitCode !== 0) throw refusal(program, said.trim().replace(/\s+/g, ' '));
}

function missing(program: string, from: string, cause?: Error): SwarmtsError {
  return new SwarmtsError('unsupported', `${program} is needed to read this archive: install ${from}`, { cause });
}

/** Not even prlimit was. */
function notStarted(program: string, e: Error): SwarmtsError {
  if (errnoOf(e) === 'ENOENT') return missing('prlimit', 'util-linux', e);
  return new SwarmtsError('unavailable', `${program} could not be started: ${e.message}`, { cause: e });
}

function refusal(program: string, said: string): SwarmtsError {
  if (said.startsWith('prlimit: ')) {
    const limit = `${MAX_PROGRAM_BYTES >> 20} MiB of address space`;
    const what = `${program} could not be started with a limit of ${limit} (${said}): this process needs as much (LimitAS=)`;
    return new SwarmtsError('unavailable', what);
  }
  if (/Window size larger than maximum/.test(said)) {
    const what = `zstd data with a window of more than ${MAX_WINDOW_MIB} MiB: compress it again with --long=27 or less`;
    return new SwarmtsError('unsupported', what);
  }
  if (/Cannot allocate memory/.test(said)) {
    const most = `${MAX_PROGRAM_BYTES >> 20} MiB`;
    const what = `${program} data that takes more than ${most} of memory: compress it again with a smaller dictionary`;
    return new SwarmtsError('unsupported', what);
  }
  return new SwarmtsError('corrupt', `broken ${program} data: ${said}`);
}
