import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
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
  function forwarder(take: () => Promise<void>, isLive = () => false) {
    const clock = new SimulatedClock();
    const sent: string[] = [];
    const closed: number[] = [];
    const warnings: string[] = [];
    const helper = {
      openInput: async () => 7,
      closeInput: async (input: number) => void closed.push(input),
      writeInput: async (_input: number, bytes: Uint8Array) => {
        await take();
        sent.push(/(line \d+)\n?$/.exec(Buffer.from(bytes).toString('latin1'))?.[1] ?? '');
      },
    } satisfies Partial<HelperApi>;
    const source = { logPath: join(dir, 'log'), isLive, onEnd: () => () => undefined, clock };
    const origin = { id: 'a'.repeat(64), name: 'c', image: 'busybox', labels: {}, env: [], options: {} };
    const log = { driver: 'journald', journalSocket: join(dir, 'journal'), source, origin } as const;
    const logger = createLogger({ level: 'warn', write: (line) => void warnings.push(line) });
    // The sink asks for nothing else of it.
    const forwarder = new LogForwarder(log, helper as Partial<HelperApi> as HelperApi, clock, logger);
    return { forwarder, sent, closed, warnings, clock };
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

  it('goes on within lines of both streams as if it had not stopped, also with what has equal times', async () => {
    const at = '2026-01-01T00:00:00.000000001Z';
    const written = [
      `${at} stdout P li`,
      `${at} stderr F line 2`,
      `${at} stderr P lin`,
      `${at} stdout F ne 1`,
      `${at} stderr F e 3`,
      `${at} stdout F line 4`,
    ];
    writeFileSync(join(dir, 'log'), `${written.slice(0, 3).join('\n')}\n`);
    const first = forwarder(later, () => true);
    while (first.sent.length === 0) await later();
    await first.forwarder.close();
    writeFileSync(join(dir, 'log'), `${written.join('\n')}\n`);
    const second = forwarder(later);
    await second.forwarder.finish();
    assert.deepEqual([first.sent, second.sent], [['line 2'], ['line 1', 'line 3', 'line 4']]);
  });

  it('sends what the next run writes behind a line that the last one did not end', async () => {
    writeFileSync(join(dir, 'log'), '2026-01-01T00:00:00.000000001Z stdout P line 1\n');
    const first = forwarder(later);
    await first.forwarder.finish();
    appendFileSync(join(dir, 'log'), '2026-01-01T00:00:01.000000001Z stdout F line 2\n');
    const second = forwarder(later);
    await second.forwarder.finish();
    assert.deepEqual([first.sent, second.sent], [['line 1'], ['line 2']]);
  });

  it('goes on where a release left off that kept times', async () => {
    writeFileSync(join(dir, 'forwarded'), `${BigInt(Date.parse('2026-01-01')) * 1_000_000n + 1_999n} 0`);
    const { forwarder: f, sent } = forwarder(later);
    await f.finish();
    assert.deepEqual(sent, ['line 1999', 'line 2000']);
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

  it('finishes after a while where a line is never taken, and closes at once', async () => {
    let begun = 0;
    const never = () => {
      begun++;
      return new Promise<void>(() => undefined);
    };
    const [first, second] = [forwarder(never), forwarder(never)];
    while (begun < 2) await later();
    let finished = false;
    const end = first.forwarder.finish().then(() => {
      finished = true;
    });
    await first.clock.advance(4_000);
    assert.equal(finished, false);
    await first.clock.advance(2_000);
    await Promise.all([end, second.forwarder.close()]);
    for (const { sent, closed, warnings } of [first, second])
      assert.deepEqual([sent, closed, warnings], [[], [7], []], 'and gives up quietly');
  });
});
