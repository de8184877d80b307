import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError, seededRandom, systemClock } from '@swarmts/lib';
import type { LogOptions } from './log-api.js';
import { readLogs } from './log-reader.js';
import { PlaceInLog } from './place-in-log.js';

const TIME = '2026-08-01T00:00:00.000000001Z';
const record = (stream: string, tag: 'F' | 'P', text: string) => `${TIME} ${stream} ${tag} ${text}\n`;

describe('a place in a log', () => {
  let dir: string;
  let path: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-place-'));
    path = join(dir, 'container.log');
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  /** At most `count` lines, and the place after them. */
  async function read(text: string, options: Partial<LogOptions> = {}, count = Number.POSITIVE_INFINITY) {
    const source = { logPath: path, isLive: () => false, onEnd: () => () => undefined, clock: systemClock };
    const place = new PlaceInLog(text);
    const wanted = { stdout: true, stderr: true, follow: false, tail: -1, ...options, ...place.from };
    const lines: string[] = [];
    const onStart = place.start.bind(place);
    for await (const e of readLogs(source, { ...wanted, onStart })) {
      if (lines.length >= count) break;
      if (place.isNew(e)) lines.push(`${e.stream} ${Buffer.from(e.line).toString()}`);
    }
    return { lines, place: place.text };
  }

  it('gives every later line once, wherever reading stopped, with parts of lines of both streams and equal times', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = seededRandom(seed);
      for (const file of [`${path}.1`, path]) {
        const part = () => record(random() < 0.5 ? 'stdout' : 'stderr', random() < 0.5 ? 'F' : 'P', 'x');
        writeFileSync(file, Array.from({ length: 15 }, part).join(''));
      }
      for (const tail of [-1, 7, 20]) {
        const { lines } = await read('', { tail });
        for (let first = 0; first <= lines.length; first++) {
          const a = await read('', { tail }, first);
          const b = await read(a.place, { tail }, 2);
          const c = await read(b.place, { tail });
          assert.deepEqual([...a.lines, ...b.lines, ...c.lines], lines, `seed ${seed}, tail ${tail}, cut at ${first}`);
        }
      }
    }
  });

  it('is known before the first line', async () => {
    const before = await read('', { tail: 0 });
    writeFileSync(path, record('stdout', 'F', 'a'));
    const { lines, place } = await read('', { tail: 0 });
    appendFileSync(path, record('stdout', 'F', 'b'));
    assert.deepEqual([lines, (await read(place, { tail: 0 })).lines], [[], ['stdout b\n']]);
    assert.deepEqual((await read(before.place, { tail: 0 })).lines, ['stdout a\n', 'stdout b\n']);
  });

  it('whose file is not kept any more is before all that are', async () => {
    writeFileSync(path, record('stdout', 'F', 'a'));
    assert.deepEqual((await read('1:500:3')).lines, ['stdout a\n']);
  });

  it('that makes no sense is refused', () => {
    assert.throws(
      () => new PlaceInLog('here'),
      (e) => isSwarmtsError(e, 'invalid-argument') && /"here" is no place/.test(e.message),
    );
  });
});
