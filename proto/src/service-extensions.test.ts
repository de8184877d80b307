import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { readContainerExtensions, readExtensions } from './service-extensions.js';

describe('extensions of services', () => {
  it('have defaults', () => {
    assert.deepEqual(readExtensions({ other: 'x' }), { progressDeadlineMs: 600_000, rebalance: false });
    assert.deepEqual(readContainerExtensions({}), { privileged: false, shmSizeBytes: 0 });
  });

  it('are read from labels', () => {
    const labels = {
      'swarmts.update.progress-deadline': '30s',
      'swarmts.schedule': '0 3 * * *',
      'swarmts.schedule.timezone': 'Europe/Berlin',
      'swarmts.schedule.concurrency': 'replace',
      'swarmts.autoscale': 'min=2, max=20,cpu=60%,memory=70,up=1s',
      'swarmts.rebalance': 'auto',
    };
    assert.deepEqual(readExtensions(labels), {
      progressDeadlineMs: 30_000,
      schedule: { cron: '0 3 * * *', timezone: 'Europe/Berlin', concurrency: 'replace' },
      autoscale: { min: 2, max: 20, cpuPercent: 60, memoryPercent: 70, upWindowMs: 1000, downWindowMs: 300_000 },
      rebalance: true,
    });
    assert.deepEqual(readContainerExtensions({ 'swarmts.privileged': 'true', 'swarmts.shm-size': '64m' }), {
      privileged: true,
      shmSizeBytes: 64 * 1024 * 1024,
    });
  });

  for (const [label, value, message] of [
    ['swarmts.autoscal', 'x', /unknown label swarmts\.autoscal/],
    ['swarmts.update.progress-deadline', 'soon', /progress-deadline=soon/],
    ['swarmts.update.progress-deadline', '0s', /must be positive/],
    ['swarmts.schedule.timezone', 'UTC', /means nothing without swarmts\.schedule/],
    ['swarmts.rebalance', 'yes', /use auto or off/],
    ['swarmts.privileged', '1', /use true or false/],
    ['swarmts.shm-size', 'big', /shm-size=big/],
    ['swarmts.autoscale', '', /an empty part/],
    ['swarmts.autoscale', 'min=1,max=2', /at least one of cpu and memory/],
    ['swarmts.autoscale', 'min=3,max=2,cpu=50', /max is below min/],
    ['swarmts.autoscale', 'min=0,max=2,cpu=50', /min must be given/],
    ['swarmts.autoscale', 'min=1,max=2,cpu=0', /cpu must be a percentage/],
    ['swarmts.autoscale', 'min=1,max=2,cpu=5,cpu=6', /cpu=6 is not one of/],
    ['swarmts.autoscale', 'min=1,max=2,gpu=6', /gpu=6 is not one of/],
  ] as const) {
    it(`${label}=${value} is refused with the way out`, () =>
      assert.throws(
        () => readExtensions({ [label]: value }),
        (e) => isSwarmtsError(e, 'invalid-argument') && message.test((e as Error).message),
      ));
  }

  it('refuse a time zone that does not exist', () =>
    assert.throws(
      () => readExtensions({ 'swarmts.schedule': '* * * * *', 'swarmts.schedule.timezone': 'Mars/Base' }),
      /IANA/,
    ));
});
