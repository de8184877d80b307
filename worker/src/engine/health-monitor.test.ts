import assert from 'node:assert/strict';
import { SimulatedClock, SwarmtsError } from '@swarmts/lib';
import { HealthMonitor } from './health-monitor.js';
import { initialHealth } from './health-state.js';

describe('the monitor of a container’s health', () => {
  it('says how long it has waited for an answer', async () => {
    const clock = new SimulatedClock();
    const config = {
      test: ['CMD', 'x'],
      intervalNs: 1e9,
      timeoutNs: 1.5e9,
      startPeriodNs: 0,
      startIntervalNs: 0,
      retries: 1,
    };
    const monitor = new HealthMonitor({
      ...{ config, shell: undefined, startedAtMs: clock.now(), initial: initialHealth, clock },
      run: (_argv, timeoutMs) => Promise.reject(new SwarmtsError('timeout', `after ${timeoutMs}`)),
      isPaused: () => false,
      onChange: async () => undefined,
    });
    await clock.advance(1_000);
    assert.equal(monitor.state.log.at(-1)?.output, 'Health check exceeded timeout (1.5s)');
    assert.equal(monitor.state.status, 'unhealthy');
    await monitor.stop();
  });
});
