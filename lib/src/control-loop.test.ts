import assert from 'node:assert/strict';
import { SimulatedClock } from './clock.js';
import { ControlLoop, type ControlLoopOptions, GIVE_UP_AFTER } from './control-loop.js';
import { silentLogger } from './log.js';

function setUp(work: (runs: number) => Promise<void> | void, onStuck?: ControlLoopOptions['onStuck']) {
  const clock = new SimulatedClock();
  const begin = clock.now();
  const runs: number[] = [];
  const loop = new ControlLoop({
    name: 'test',
    clock,
    random: () => 1,
    log: silentLogger,
    debounceMs: 10,
    maxDelayMs: 30,
    work: () => {
      runs.push(clock.now() - begin);
      return work(runs.length);
    },
    ...(onStuck ? { onStuck } : {}),
  });
  return { clock, runs, loop };
}

describe('a control loop', () => {
  it('works once after marks that come together, and in the end whatever comes', async () => {
    const { clock, runs, loop } = setUp(() => undefined);
    for (let i = 0; i < 10; i++) {
      loop.mark();
      await clock.advance(5);
    }
    await clock.advance(100);
    assert.deepEqual(runs, [30, 55]);
    await loop.stop();
    loop.mark();
    await clock.advance(100);
    assert.equal(runs.length, 2);
  });

  it('works again for what came meanwhile, and never twice at a time', async () => {
    let finish: () => void = () => undefined;
    const { clock, runs, loop } = setUp((n) => (n === 1 ? new Promise((resolve) => (finish = resolve)) : undefined));
    loop.mark();
    await clock.advance(20);
    loop.mark();
    await clock.advance(100);
    assert.deepEqual(runs, [10]);
    finish();
    await clock.advance(100);
    assert.deepEqual(runs, [10, 130]);
  });

  it('rests after work that kept the processor busy', async () => {
    const { clock, runs, loop } = setUp((n) => loop.giveWay(n === 1 ? 200 : 20));
    for (let i = 0; i < 3; i++) {
      loop.mark();
      await clock.advance(20);
    }
    await clock.advance(500);
    assert.deepEqual(runs, [10, 410]);
    loop.mark();
    await clock.advance(10);
    assert.equal(runs.length, 3);
  });

  it('is tried again no sooner because more has changed meanwhile', async () => {
    const { clock, runs, loop } = setUp((n) => {
      if (n <= 2) throw new Error(`failure ${n}`);
    });
    loop.mark();
    for (let i = 0; i < 100; i++) {
      await clock.advance(10);
      loop.mark();
    }
    assert.deepEqual(runs.slice(0, 3), [10, 110, 310], 'after 100 ms, and after 200 ms');
    await loop.stop();
  });

  it('is tried again when its work throws, and says when that goes on', async () => {
    const stuck: unknown[] = [];
    const { clock, runs, loop } = setUp(
      (n) => {
        if (n <= GIVE_UP_AFTER) throw new Error(`failure ${n}`);
      },
      (e) => stuck.push(e),
    );
    loop.mark();
    await clock.advance(200_000);
    assert.equal(runs.length, GIVE_UP_AFTER + 1);
    assert.deepEqual(stuck.map(String), [`Error: failure ${GIVE_UP_AFTER}`]);
  });
});
