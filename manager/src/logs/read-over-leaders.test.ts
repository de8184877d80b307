import assert from 'node:assert/strict';
import { isSwarmtsError, SimulatedClock, SwarmtsError } from '@swarmts/lib';
import { LogChunk, LogLine, LogPlace, LogQuery } from '@swarmts/proto';
import type { LogSubject } from './log-broker.js';
import { readOverLeaders } from './read-over-leaders.js';

/** The log of one task, of which each leader gives so many lines before it ends with its error; the last one gives the rest. */
function bed(log: readonly string[], leaders: readonly { readonly lines: number; readonly error: SwarmtsError }[]) {
  const clock = new SimulatedClock(1_000);
  const asked: LogSubject[] = [];
  async function* open(subject: LogSubject): AsyncGenerator<LogChunk> {
    const leader = leaders[asked.length];
    asked.push(subject);
    const from = Number(subject.from[0]?.place ?? 0);
    for (const [i, text] of log.slice(from, leader && from + leader.lines).entries())
      yield LogChunk.create({
        lines: [LogLine.create({ taskId: 't', data: Buffer.from(text) })],
        places: [LogPlace.create({ taskId: 't', place: String(from + i + 1) })],
      });
    if (leader) throw leader.error;
  }
  const read = async (query: Partial<LogQuery>, signal = new AbortController().signal) => {
    const lines: string[] = [];
    const subject = { taskIds: ['t'], serviceId: '', from: [] };
    for await (const c of readOverLeaders({ clock, open }, subject, LogQuery.create(query), signal))
      lines.push(...c.lines.map((l) => Buffer.from(l.data).toString()));
    return lines;
  };
  /** As `read`, with the time going on meanwhile. */
  const readInTime = async (query: Partial<LogQuery>, signal?: AbortSignal) => {
    let isOver = false;
    const reading = read(query, signal).finally(() => {
      isOver = true;
    });
    reading.catch(() => undefined);
    for (let i = 0; i < 1_000 && !isOver; i++) await clock.advance(50);
    return reading;
  };
  return { asked, read: readInTime };
}

const gone = (code: 'no-leader' | 'unavailable' | 'aborted' | 'not-found') => new SwarmtsError(code, code);

describe('logs over changes of the leader', () => {
  it('have every line once, whoever leads, and however it ended', async () => {
    const log = ['a', 'b', 'c', 'd', 'e'];
    const b = bed(log, [
      { lines: 2, error: gone('no-leader') },
      { lines: 0, error: gone('unavailable') },
      { lines: 1, error: gone('aborted') },
    ]);
    assert.deepEqual(await b.read({ follow: true }), log);
    assert.deepEqual(
      b.asked.map((s) => s.from[0]?.place),
      [undefined, '2', '2', '3'],
    );
  });

  it('are waited for by followers for as long as it takes, by others for a while', async () => {
    const away = Array.from({ length: 200 }, () => ({ lines: 0, error: gone('no-leader') }));
    assert.deepEqual(await bed(['a'], away).read({ follow: true }), ['a']);
    await assert.rejects(bed(['a'], away).read({}), (e) => isSwarmtsError(e, 'no-leader'));
    assert.deepEqual(await bed(['a'], away.slice(0, 20)).read({}), ['a']);
  });

  it('end with an error that no leader can mend, and with their reader', async () => {
    const b = bed(['a', 'b'], [{ lines: 1, error: gone('not-found') }]);
    await assert.rejects(b.read({ follow: true }), (e) => isSwarmtsError(e, 'not-found'));
    assert.equal(b.asked.length, 1);
    await assert.rejects(
      bed(['a'], [{ lines: 0, error: gone('aborted') }]).read({ follow: true }, AbortSignal.abort()),
    );
  });
});
