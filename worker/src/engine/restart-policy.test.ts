import assert from 'node:assert/strict';
import type { RestartPolicy } from './container-config.js';
import { nextRestartDelayMs, wantsRestart } from './restart-policy.js';

describe('the restart policy', () => {
  const asks = (
    name: RestartPolicy['name'],
    exitCode: number,
    stoppedByUser = false,
    maxRetries = 0,
    restartCount = 0,
  ) => wantsRestart({ name, maxRetries }, { exitCode, stoppedByUser, restartCount });

  it('decides by exit code, retries and who ended it', () => {
    assert.equal(asks('no', 1), false);
    assert.equal(asks('always', 0), true);
    assert.equal(asks('always', 0, true), true);
    assert.equal(asks('unless-stopped', 0), true);
    assert.equal(asks('unless-stopped', 137, true), false);
    assert.equal(asks('on-failure', 0), false);
    assert.equal(asks('on-failure', 1), true);
    assert.equal(asks('on-failure', 1, false, 3, 2), true);
    assert.equal(asks('on-failure', 1, false, 3, 3), false);
    assert.equal(asks('on-failure', 137, true), false);
  });

  it('doubles the delay up to a minute, and begins anew after ten seconds of running', () => {
    const delays: number[] = [];
    for (let i = 0, d = 0; i < 12; i++) {
      d = nextRestartDelayMs(d, 50);
      delays.push(d);
    }
    assert.deepEqual(delays.slice(0, 4), [100, 200, 400, 800]);
    assert.equal(delays.at(-1), 60_000);
    assert.equal(nextRestartDelayMs(60_000, 10_000), 100);
  });
});
