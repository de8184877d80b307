/** Log lines and files, with rotation played by hand. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { seededRandom, systemClock } from '@swarmts/lib';
import fc from 'fast-check';
import type { LogOptions } from './log-api.js';
import { compressRotated, rotateLog } from './log-files.js';
import { joinLines, LineSplitter, MAX_LINE_BYTES, parseLogLine, parseTimeNs } from './log-format.js';
import { endOfLog, readLogs } from './log-reader.js';

const record = (n: number, text = `line ${n}`, tag = 'F') =>
  `2024-01-01T00:00:00.${String(n).padStart(9, '0')}Z stdout ${tag} ${text}\n`;
const ALL: LogOptions = { stdout: true, stderr: true, follow: false, tail: -1 };

describe('a log line', () => {
  it('has a time with nanoseconds, in any zone', () => {
    assert.equal(parseTimeNs('1970-01-01T00:00:01.000000007Z'), 1_000_000_007n);
    assert.equal(parseTimeNs('1970-01-01T02:00:00.5+02:00'), 500_000_000n);
    assert.equal(parseTimeNs('1969-12-31T23:59:59Z'), -1_000_000_000n);
    assert.equal(parseTimeNs('yesterday'), undefined);
  });

  it('ends with a newline when it is whole and without when it is a part', () => {
    const parse = (text: string) => parseLogLine(Buffer.from(text));
    assert.equal(parse('2024-01-01T00:00:00Z stdout F a b ')?.line.toString(), 'a b \n');
    assert.equal(parse('2024-01-01T00:00:00Z stderr P a')?.line.toString(), 'a');
    assert.equal(parse('2024-01-01T00:00:00Z stdout F ')?.line.toString(), '\n');
    for (const bad of ['', 'x', 'x stdout F y', '2024-01-01T00:00:00Z stdin F y', '2024-01-01T00:00:00Z stdout X y']) {
      assert.equal(parse(bad), undefined, bad);
    }
  });

  it('is found whatever the pieces it comes in', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[a-z]{0,20}$/)),
        fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 }),
        (lines, sizes) => {
          const data = Buffer.from(lines.map((l) => `${l}\n`).join(''));
          const splitter = new LineSplitter();
          const out: string[] = [];
          for (let at = 0, i = 0; at < data.length; i++) {
            const size = sizes[i % sizes.length] ?? 1;
            out.push(...splitter.push(data.subarray(at, at + size)).map(String));
            at += size;
          }
          assert.deepEqual(out, lines);
        },
      ),
    );
  });

  it('does not eat the memory when it never ends', () => {
    const splitter = new LineSplitter();
    for (let i = 0; i < 3; i++) assert.deepEqual(splitter.push(Buffer.alloc(MAX_LINE_BYTES, 0x61)), []);
    assert.deepEqual(splitter.push(Buffer.from('tail\nnext\n')).at(-1)?.toString(), 'next');
  });
});

describe('a line that was written in pieces', () => {
  const joined = async (...lines: readonly (readonly [stream: 'stdout' | 'stderr', text: string])[]) => {
    async function* records() {
      for (const [i, [stream, text]] of lines.entries()) yield { stream, timeNs: BigInt(i), line: Buffer.from(text) };
    }
    const out: string[] = [];
    for await (const e of joinLines(records())) out.push(`${e.timeNs} ${e.stream} ${Buffer.from(e.line).toString()}`);
    return out;
  };

  it('comes as one, with the time of its beginning, each stream for itself', async () => {
    assert.deepEqual(
      await joined(
        ['stdout', 'hun'],
        ['stderr', 'oops\n'],
        ['stdout', 'ter2'],
        ['stdout', 'welcome\n'],
        ['stdout', 'x\n'],
      ),
      ['1 stderr oops\n', '0 stdout hunter2welcome\n', '4 stdout x\n'],
    );
  });

  it('comes without a newline when it never ended, and in parts when it is very long', async () => {
    assert.deepEqual(await joined(['stdout', 'pass'], ['stdout', 'word: ']), ['0 stdout password: ']);
    const long = 'x'.repeat(16 * 1024);
    assert.deepEqual(await joined(['stdout', long], ['stdout', 'end\n']), [`0 stdout ${long}`, '1 stdout end\n']);
  });
});

describe('reading logs', () => {
  let dir: string;
  let path: string;
  let live: boolean;
  let end: () => void;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-logs-'));
    path = join(dir, 'container.log');
    live = true;
    end = () => undefined;
  });

  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const source = () => ({
    logPath: path,
    isLive: () => live,
    onEnd: (fn: () => void) => {
      end = () => {
        live = false;
        fn();
      };
      return () => undefined;
    },
    clock: systemClock,
  });

  async function numbers(options: Partial<LogOptions> = {}): Promise<number[]> {
    const out: number[] = [];
    for await (const e of readLogs(source(), { ...ALL, ...options }))
      out.push(Number(Buffer.from(e.line).toString().slice(5)));
    return out;
  }

  const lines = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, i) => record(from + i)).join('');
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

  it('gives the last lines over all files', async () => {
    writeFileSync(`${path}.2`, lines(1, 3));
    writeFileSync(`${path}.1`, lines(4, 6));
    writeFileSync(path, lines(7, 9));
    assert.deepEqual(await numbers(), range(1, 9));
    for (const tail of range(0, 12))
      assert.deepEqual(await numbers({ tail }), range(1, 9).slice(tail === 0 ? 9 : -tail), `tail ${tail}`);
  });

  it('counts lines that were written in pieces as one, over files and between those of the other stream', async () => {
    const of = (n: number, stream: string, text: string, tag: string) => record(n, text, tag).replace('stdout', stream);
    const long = 'x'.repeat(8 * 1024);
    writeFileSync(`${path}.1`, of(1, 'stdout', 'one', 'F') + of(2, 'stdout', 'be', 'P'));
    const more = [
      of(4, 'stdout', 'gun', 'F'),
      of(3, 'stderr', 'oo', 'P'),
      of(5, 'stderr', 'ps', 'F'),
      ...[6, 7, 8].map((n) => of(n, 'stdout', long, 'P')),
      of(9, 'stdout', 'end', 'F'),
      of(10, 'stdout', 'la', 'P'),
      of(11, 'stdout', 'st', 'P'),
    ];
    writeFileSync(path, `${more.join('')}half a rec`);
    const whole = ['one\n', 'begun\n', 'oops\n', long + long, `${long}end\n`, 'last'];
    for (const tail of range(0, 8)) {
      const read: string[] = [];
      for await (const e of readLogs(source(), { ...ALL, tail })) read.push(Buffer.from(e.line).toString());
      assert.deepEqual(read, tail === 0 ? [] : whole.slice(-tail), `tail ${tail}`);
    }
    const errors: string[] = [];
    for await (const e of readLogs(source(), { ...ALL, stdout: false, tail: 4 }))
      errors.push(`${e.timeNs % 1000n} ${e.line}`);
    assert.deepEqual(errors, [`3 ${Buffer.from('oops\n')}`], 'of one stream, of those of both');
  });

  it('gives lines wholly whose beginning is before the end of older ones of the other stream', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seededRandom(seed);
      const part = (n: number) => {
        const piece = record(n, `${n}.`, random() < 0.3 ? 'F' : 'P');
        return random() < 0.5 ? piece : piece.replace('stdout', 'stderr');
      };
      writeFileSync(`${path}.1`, range(1, 20).map(part).join(''));
      const ends = [record(41, 'end'), record(42, 'end').replace('stdout', 'stderr')];
      writeFileSync(path, [...range(21, 40).map(part), ...ends].join(''));
      const read = async (tail: number) => {
        const entries: string[] = [];
        for await (const e of readLogs(source(), { ...ALL, tail })) entries.push(`${e.stream} ${e.timeNs} ${e.line}`);
        return entries;
      };
      const whole = await read(-1);
      for (const tail of range(1, whole.length))
        assert.deepEqual(await read(tail), whole.slice(-tail), `seed ${seed}, tail ${tail}`);
    }
  });

  it('finds the last lines of a large file', async () => {
    writeFileSync(path, lines(1, 20_000));
    assert.deepEqual(await numbers({ tail: 3 }), [19_998, 19_999, 20_000]);
    assert.equal((await numbers({ tail: 19_999 }))[0], 2);
  });

  it('follows over rotations, even several at once', async () => {
    writeFileSync(path, lines(1, 2));
    const seen: number[] = [];
    const done = (async () => {
      for await (const e of readLogs(source(), { ...ALL, follow: true })) {
        const n = Number(Buffer.from(e.line).toString().slice(5));
        seen.push(n);
        if (n === 2) appendFileSync(path, lines(3, 3));
        if (n === 3) {
          // The monitor writes a last line into the file that was renamed, and begins two new ones.
          renameSync(path, `${path}.2`);
          appendFileSync(`${path}.2`, lines(4, 4));
          writeFileSync(`${path}.1`, lines(5, 6));
          writeFileSync(path, lines(7, 7));
        }
        if (n === 7) end();
      }
    })();
    await done;
    assert.deepEqual(seen, range(1, 7));
  });

  it('begins at a place that was taken before, over rotations, or with all that is kept when its file is gone', async () => {
    writeFileSync(path, lines(1, 2));
    const from = endOfLog(path);
    assert.ok(from);
    appendFileSync(path, lines(3, 3));
    renameSync(path, `${path}.1`);
    writeFileSync(path, lines(4, 4));
    assert.deepEqual(await numbers({ from }), [3, 4]);
    assert.deepEqual(await numbers({ from: { file: 'gone', offset: 5 } }), [1, 2, 3, 4]);
    assert.equal(endOfLog(`${path}.none`), undefined);
  });

  it('waits for a log that does not exist yet', async () => {
    const follower = numbers({ follow: true });
    setImmediate(() => {
      writeFileSync(path, lines(1, 1));
      end();
    });
    assert.deepEqual(await follower, [1]);
  });

  it('ends with what was written last', async () => {
    writeFileSync(path, lines(1, 1));
    const follower = numbers({ follow: true });
    setImmediate(() => {
      appendFileSync(path, lines(2, 2));
      end();
    });
    assert.deepEqual(await follower, [1, 2]);
    assert.deepEqual(await numbers({ follow: true }), [1, 2]);
  });

  it('stops when it is told to', async () => {
    writeFileSync(path, lines(1, 1));
    const abort = new AbortController();
    const seen: number[] = [];
    for await (const _ of readLogs(source(), { ...ALL, follow: true }, abort.signal)) {
      seen.push(1);
      setImmediate(() => abort.abort());
    }
    assert.deepEqual(seen, [1]);
  });

  it('does not follow beyond the time that was asked for', async () => {
    writeFileSync(path, lines(1, 5));
    const untilNs = (parseTimeNs('2024-01-01T00:00:00Z') ?? 0n) + 3n;
    assert.deepEqual(await numbers({ follow: true, untilNs }), [1, 2, 3]);
  });

  it('rotates by renaming, keeps so many files, and bears a monitor that is gone', async () => {
    for (let i = 0; i < 5; i++) {
      writeFileSync(path, lines(i, i));
      await rotateLog(path, 3, join(dir, 'no-fifo'));
    }
    assert.deepEqual(readdirSync(dir).sort(), ['container.log.1', 'container.log.2']);
    assert.deepEqual(await numbers(), [3, 4]);
    writeFileSync(path, lines(9, 9));
    await rotateLog(path, 1, join(dir, 'no-fifo'));
    assert.deepEqual(readdirSync(dir), []);
  });

  const noFifo = () => join(dir, 'no-fifo');
  /** As the engine and the monitor do it together. */
  const rotated = async (from: number, to: number, keep = 9) => {
    await rotateLog(path, keep, noFifo());
    writeFileSync(path, lines(from, to));
    await compressRotated(path);
  };

  it('reads compressed files as what they were made of, and unpacks no more than it has to', async () => {
    writeFileSync(path, lines(1, 3));
    await rotated(4, 6);
    await rotated(7, 9);
    assert.deepEqual(readdirSync(dir).sort(), ['container.log', 'container.log.1.gz', 'container.log.2.gz']);
    assert.equal(gunzipSync(readFileSync(`${path}.2.gz`)).toString(), lines(1, 3), 'zcat can read it');
    for (const tail of range(0, 12))
      assert.deepEqual(await numbers({ tail }), range(1, 9).slice(tail === 0 ? 9 : -tail), `tail ${tail}`);
    assert.deepEqual(readdirSync(dir).length, 3, 'nothing is left of what was unpacked');
    const packed = readFileSync(`${path}.2.gz`);
    writeFileSync(`${path}.2.gz`, packed.subarray(0, packed.length - 20));
    assert.deepEqual(await numbers({ tail: 5 }), range(5, 9));
    await assert.rejects(numbers(), /unexpected end of file/);
    writeFileSync(`${path}.2.gz`, 'no log');
    await assert.rejects(numbers(), /container\.log\.2\.gz is no compressed log of this engine/);
  });

  it('begins and goes on in files that are compressed meanwhile', async () => {
    writeFileSync(path, lines(1, 2));
    const from = endOfLog(path);
    assert.ok(from);
    appendFileSync(path, lines(3, 3));
    const seen: number[] = [];
    for await (const e of readLogs(source(), { ...ALL, follow: true })) {
      const n = Number(Buffer.from(e.line).toString().slice(5));
      seen.push(n);
      if (n === 3) {
        await rotated(4, 5);
        await rotated(6, 7);
      }
      if (n === 7) end();
    }
    assert.deepEqual(seen, range(1, 7));
    assert.deepEqual(await numbers({ from }), range(3, 7));
  });

  it('loses and repeats nothing when compressing or rotating was cut short', async () => {
    writeFileSync(path, lines(1, 2));
    await rotateLog(path, 9, noFifo());
    writeFileSync(path, lines(3, 4));
    const plain = readFileSync(`${path}.1`);
    renameSync(`${path}.1`, `${path}.kept`);
    appendFileSync(`${path}.1.part`, 'half');
    renameSync(`${path}.kept`, `${path}.1`);
    assert.deepEqual(await numbers(), range(1, 4), 'beside a half');
    await compressRotated(path);
    const packed = readFileSync(`${path}.1.gz`);
    assert.deepEqual(gunzipSync(packed), plain);
    // Rotated, but not to the end: the old ones have moved, the newest has not.
    renameSync(`${path}.1.gz`, `${path}.2.gz`);
    assert.deepEqual(await numbers(), range(1, 4), 'over an index that is free');
    await rotated(5, 6);
    assert.deepEqual(readdirSync(dir).sort(), ['container.log', 'container.log.1.gz', 'container.log.2.gz']);
    assert.deepEqual(await numbers(), range(1, 6));
  });

  it('leaves a file alone that the monitor may still write into', async () => {
    writeFileSync(path, lines(1, 1));
    await rotateLog(path, 3, noFifo());
    await compressRotated(path);
    assert.deepEqual(readdirSync(dir), ['container.log.1']);
    writeFileSync(path, '');
    await compressRotated(path);
    assert.deepEqual(readdirSync(dir).sort(), ['container.log', 'container.log.1.gz']);
    appendFileSync(`${path}.1.gz-012345.part`, 'what a reader left that was killed');
    for (const n of [2, 3, 4]) await rotated(n, n, 3);
    assert.deepEqual(readdirSync(dir).sort(), ['container.log', 'container.log.1.gz', 'container.log.2.gz']);
    assert.deepEqual(await numbers(), [2, 3, 4]);
  });
});
