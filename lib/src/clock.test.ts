import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { systemClock } from './clock.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Hour by hour: a timer that is set by another one begins at the end of a tick. */
function pass(days: number): void {
  for (let hours = 0; hours < 24 * days; hours++) mock.timers.tick(HOUR_MS);
}

describe('the clock of the system', () => {
  beforeEach(() => mock.timers.enable({ apis: ['setTimeout'] }));
  afterEach(() => mock.timers.reset());

  it('keeps times that are longer than a timer of the runtime can be', () => {
    let rung = 0;
    systemClock.after(90 * DAY_MS, () => rung++);
    pass(89);
    assert.equal(rung, 0);
    pass(2);
    assert.equal(rung, 1);
    pass(90);
    assert.equal(rung, 1, 'it rings once');
  });

  it('is silent when a long time is cancelled on its way', () => {
    const timer = systemClock.after(90 * DAY_MS, () => assert.fail('it was cancelled'));
    pass(60);
    timer.cancel();
    timer.cancel();
    pass(60);
  });
});
