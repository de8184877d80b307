import assert from 'node:assert/strict';
import { SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import { JobStatus, Meta, type Service, TaskState } from '@swarmts/proto';
import { busyStore } from '../store/busy-store.js';
import { localStore } from '../store/store.js';
import { CronOrchestrator } from './cron.js';
import { nextJobStatus } from './job.js';
import { reconcileJob } from './reconcile-job.js';
import { decideRun, nextRunMs, validateSchedule } from './schedule.js';
import { nodeMap, testNode, testService, testTask } from './testing.js';

const DAILY = { cron: '0 3 * * *', timezone: 'UTC', concurrency: 'forbid' as const };
const at = (text: string) => Date.parse(text);

function job(last: Partial<JobStatus>, created = '2026-03-01T00:00:00Z'): Service {
  const s = testService({ job: 1, labels: { 'swarmts.schedule': DAILY.cron } });
  const meta = Meta.create({ version: { index: 1 }, createdAtMs: at(created), updatedAtMs: at(created) });
  return { ...s, meta, jobStatus: JobStatus.create({ jobIteration: { index: 3 }, ...last }) };
}

describe('the schedule of a job', () => {
  it('knows its next time in its own time zone, over the change to summer time too', () => {
    assert.equal(nextRunMs(DAILY, at('2026-03-01T02:59:59Z')), at('2026-03-01T03:00:00Z'));
    const berlin = { ...DAILY, timezone: 'Europe/Berlin' };
    assert.equal(nextRunMs(berlin, at('2026-03-28T12:00:00Z')), at('2026-03-29T01:00:00Z'), 'three in summer time');
    assert.equal(nextRunMs(berlin, at('2026-03-27T12:00:00Z')), at('2026-03-28T02:00:00Z'), 'three in winter time');
  });

  for (const cron of ['', 'often', '61 * * * *', '* * * *', '0 0 30 2 *'])
    it(`'${cron}' is refused`, () =>
      assert.throws(() => validateSchedule({ ...DAILY, cron }, at('2026-03-01T00:00:00Z')), /invalid schedule/));

  it('waits for its time, and runs at it', () => {
    assert.deepEqual(decideRun(job({}), DAILY, [], at('2026-03-01T02:00:00Z')), {
      kind: 'wait',
      atMs: at('2026-03-01T03:00:00Z'),
    });
    const due = at('2026-03-01T03:00:00Z');
    assert.deepEqual(decideRun(job({}), DAILY, [], due + 5), { kind: 'run', scheduledMs: due });
    assert.deepEqual(decideRun(job({ lastScheduledMs: due }), DAILY, [], due + 5), {
      kind: 'wait',
      atMs: due + 86_400_000,
    });
  });

  it('makes up for one run, the last, of those that were missed', () => {
    const decision = decideRun(job({}), DAILY, [], at('2026-03-05T12:00:00Z'));
    assert.deepEqual(decision, { kind: 'run', scheduledMs: at('2026-03-05T03:00:00Z') });
  });

  it('makes up for the last run after an outage that many fell into, at its own time', () => {
    const often = { ...DAILY, cron: '*/5 * * * * *' };
    for (const now of ['2026-04-05T12:00:03.250Z', '2026-04-05T12:00:00.000Z', '2026-04-05T12:00:04.999Z'])
      assert.deepEqual(decideRun(job({}), often, [], at(now)), {
        kind: 'run',
        scheduledMs: at('2026-04-05T12:00:00Z'),
      });
  });

  it('begins anew where the time of the run before lies in the future', () => {
    const now = at('2026-03-01T12:00:00Z');
    const ahead = job({ lastScheduledMs: at('2026-03-09T03:00:00Z') });
    const skipped = decideRun(ahead, DAILY, [], now);
    assert.ok(skipped.kind === 'skip' && skipped.scheduledMs === now, JSON.stringify(skipped));
    assert.match(skipped.message, /2026-03-09T03:00:00.000Z.*clock was ahead/);
    const next = { kind: 'wait', atMs: at('2026-03-02T03:00:00Z') };
    const made = job({ lastScheduledMs: now }, '2026-03-09T00:00:00Z');
    assert.deepEqual(decideRun(made, DAILY, [], now + 5), next, 'also where the service itself was made then');
    const slightly = job({ lastScheduledMs: at('2026-03-01T12:00:30Z') });
    assert.deepEqual(decideRun(slightly, DAILY, [], now), next);
  });

  it('leaves a run out while the one before goes on, unless it is to replace it', () => {
    const now = at('2026-03-01T03:00:00Z');
    const busy = [testTask({ id: 'a', slot: 0, desired: TaskState.COMPLETE, iteration: 3 })];
    const skipped = decideRun(job({}), DAILY, busy, now);
    assert.equal(skipped.kind, 'skip');
    assert.match(skipped.kind === 'skip' ? skipped.message : '', /2026-03-01T03:00:00.000Z was left out/);
    assert.equal(decideRun(job({}), { ...DAILY, concurrency: 'replace' }, busy, now).kind, 'run');
    const over = [testTask({ id: 'a', slot: 0, state: TaskState.COMPLETE, desired: TaskState.COMPLETE, iteration: 3 })];
    assert.equal(decideRun(job({}), DAILY, over, now).kind, 'run');
  });

  it('begins neither with the creation of the service nor with a change, but when it is forced', () => {
    const spec = job({}).spec;
    assert.ok(spec);
    const first = nextJobStatus(spec, undefined, 5);
    assert.equal(first?.lastExecutionMs, 0);
    const service = { ...job({}), jobStatus: first };
    const forced = { ...spec, task: spec.task && { ...spec.task, forceUpdate: 1 } };
    assert.deepEqual(reconcileJob({ service, tasks: [], nodes: nodeMap(testNode('n1')), nowMs: 5 }).steps, []);
    assert.deepEqual(nextJobStatus(spec, service, 6), first);
    assert.equal(nextJobStatus(forced, service, 7)?.lastExecutionMs, 7);
  });

  it('makes up for no run of the time before it was given its schedule, nor when it is forced', () => {
    const spec = job({}).spec;
    assert.ok(spec);
    const now = at('2026-03-01T12:00:00Z');
    const createdLongAgo = Meta.create({ createdAtMs: at('2026-01-01T00:00:00Z') });
    const unscheduled = { ...spec, annotations: { name: 'job', labels: {} } };
    const before = { ...job({}), meta: createdLongAgo, spec: unscheduled, jobStatus: undefined };
    const given = { ...before, spec, jobStatus: nextJobStatus(spec, before, now) };
    assert.equal(decideRun(given, DAILY, [], now + 1).kind, 'wait');
    const jobStatus = JobStatus.create({ jobIteration: { index: 3 }, lastScheduledMs: at('2026-03-01T03:00:00Z') });
    const running = { ...given, jobStatus };
    const after = nextJobStatus({ ...spec, task: spec.task && { ...spec.task, forceUpdate: 1 } }, running, now);
    assert.equal(decideRun({ ...running, jobStatus: after }, DAILY, [], now + 1).kind, 'wait');
  });
});

describe('the orchestrator of schedules', () => {
  it('starts each run at its time, as an iteration of its own', async () => {
    const clock = new SimulatedClock(at('2026-03-01T00:00:00Z'));
    const store = localStore(() => clock.now());
    const onStuck = (e: unknown) => assert.fail(String(e));
    const cron = new CronOrchestrator({ store, clock, random: seededRandom(1), log: silentLogger, onStuck });
    await store.update((tx) =>
      tx.create('service', { ...job({}), jobStatus: JobStatus.create({ jobIteration: { index: 0 } }) }),
    );
    cron.start();
    const iteration = () => store.get('service', 'svc')?.jobStatus?.jobIteration?.index;
    await clock.advance(2 * 3_600_000);
    assert.equal(iteration(), 0);
    await clock.advance(3_600_000 + 1000);
    assert.equal(iteration(), 1);
    assert.equal(store.get('service', 'svc')?.jobStatus?.lastScheduledMs, at('2026-03-01T03:00:00Z'));
    await clock.advance(2 * 86_400_000);
    assert.equal(iteration(), 3);
    await cron.stop();
  });

  it('starts no run of a job whose schedule was taken away meanwhile', async () => {
    const clock = new SimulatedClock(at('2026-03-01T00:00:00Z'));
    const { store, hold } = busyStore(() => clock.now());
    const onStuck = (e: unknown) => assert.fail(String(e));
    const cron = new CronOrchestrator({ store, clock, random: seededRandom(1), log: silentLogger, onStuck });
    await store.update((tx) =>
      tx.create('service', { ...job({}), jobStatus: JobStatus.create({ jobIteration: { index: 0 } }) }),
    );
    cron.start();
    await clock.advance(2 * 3_600_000);
    const letGo = hold();
    const update = store.update((tx) => {
      const service = tx.get('service', 'svc');
      assert.ok(service?.spec);
      tx.update('service', { ...service, spec: { ...service.spec, annotations: { name: 'job', labels: {} } } });
    });
    await clock.advance(3_600_000 + 1000);
    letGo();
    await update;
    await clock.advance(1000);
    assert.equal(store.get('service', 'svc')?.jobStatus?.jobIteration?.index, 0);
    await cron.stop();
  });
});
