import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, SimulatedClock } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import { LogForwarder } from './log-forwarder.js';

/** More than is read at a time: what is read is sent. */
const LINES = 2_000;

describe('the forwarder of a container that has ended', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-forwarder-'));
    const at = (i: number) => `2026-01-01T00:00:00.${String(i).padStart(9, '0')}Z`;
    const lines = Array.from({ length: LINES }, (_, i) => `${at(i + 1)} stdout F ${'.'.repeat(100)} line ${i + 1}\n`);
    writeFileSync(join(dir, 'log'), lines.join(''));
    writeFileSync(join(dir, 'journal'), '');
  });
  afterEach(() => rmSync(dir, { recursive: true }));

  /** Forwards the log to a journal that takes an entry when `take` resolves. */
  function forwarder(take: () => Promise<void>) {
    const clock = new SimulatedClock();
    const sent: string[] = [];
    const helper = {
      openInput: async () => 7,
      closeInput: async () => undefined,
      writeInput: async (_input: number, bytes: Uint8Array) => {
        await take();
        sent.push(/(line \d+)\n$/.exec(Buffer.from(bytes).toString('latin1'))?.[1] ?? '');
      },
    } satisfies Partial<HelperApi>;
    const source = { logPath: join(dir, 'log'), isLive: () => false, onEnd: () => () => undefined, clock };
    const origin = { id: 'a'.repeat(64), name: 'c', image: 'busybox', labels: {}, env: [], options: {} };
    const log = { driver: 'journald', journalSocket: join(dir, 'journal'), source, origin } as const;
    const logger = createLogger({ level: 'error', write: () => undefined });
    // The sink asks for nothing else of it.
    return { forwarder: new LogForwarder(log, helper as Partial<HelperApi> as HelperApi, clock, logger), sent, clock };
  }
  const later = () => new Promise<void>((resolve) => setImmediate(resolve));

  it('sends the last line before it finishes, however slow the journal is', async () => {
    const { forwarder: f, sent } = forwarder(later);
    await f.finish();
    assert.equal(sent.length, LINES);
    assert.equal(sent.at(-1), `line ${LINES}`);
  });

  it('sends a line that was begun before another one and ended after it', async () => {
    const at = (i: number) => `2026-01-01T00:00:00.${String(i).padStart(9, '0')}Z`;
    const written = [
      `${at(1)} stdout P li`,
      `${at(2)} stderr F line 2`,
      `${at(3)} stdout F ne 1`,
      `${at(4)} stdout F line 4`,
    ];
    writeFileSync(join(dir, 'log'), `${written.join('\n')}\n`);
    const first = forwarder(later);
    await first.forwarder.finish();
    assert.deepEqual(first.sent, ['line 2', 'line 1', 'line 4']);
    const second = forwarder(later);
    await second.forwarder.finish();
    assert.deepEqual(second.sent, [], 'and once');
  });

  it('sends no more once it is closed', async () => {
    const { forwarder: f, sent } = forwarder(later);
    while (sent.length === 0) await later();
    await f.close();
    assert.ok(sent.length < LINES, `${sent.length} lines`);
  });

  it('finishes after a while where nobody takes the lines', async () => {
    rmSync(join(dir, 'journal'));
    const { forwarder: f, sent, clock } = forwarder(later);
    let finished = false;
    const end = f.finish().then(() => {
      finished = true;
    });
    await clock.advance(4_000);
    assert.equal(finished, false);
    await clock.advance(2_000);
    await end;
    assert.deepEqual(sent, []);
  });
});
