/** Starts the runs of scheduled jobs at their times: each run is a new iteration of the job. */
import { JobStatus, type Service } from '@swarmts/proto';
import type { LeaderContext } from '../leader-component.js';
import { LeaderLoop, UNTIL_CHANGED } from '../leader-loop.js';
import type { AnyChange } from '../store/tables.js';
import type { ReadTx } from '../store/transaction.js';
import { eachService } from './each-service.js';
import { iterationOf } from './job.js';
import { decideRun, type RunDecision, scheduleOf } from './schedule.js';

const DEBOUNCE_MS = 5;
const MAX_DELAY_MS = 100;
/** Timers are cut to this, so that a clock that is set does not make a run late by more. */
const LONGEST_WAIT_MS = 60_000;

type Due = Exclude<RunDecision, { readonly kind: 'wait' }>;

export class CronOrchestrator extends LeaderLoop {
  constructor(context: LeaderContext) {
    super(context, 'schedules', { debounceMs: DEBOUNCE_MS, maxDelayMs: MAX_DELAY_MS });
  }

  protected override concerns(c: AnyChange): boolean {
    return c.kind === 'service' && scheduleOf(c.object) !== undefined;
  }

  protected override async work(): Promise<number> {
    const { store, clock, log } = this.context;
    const nowMs = clock.now();
    const decisions = store.view((tx) =>
      eachService(tx.list('service'), log, (service) => {
        const decision = decisionOf(tx, service, nowMs);
        return decision ? [{ id: service.id, decision }] : [];
      }),
    );
    const times = decisions.flatMap(({ decision: d }) => (d.kind === 'wait' && d.atMs > 0 ? [d.atMs] : []));
    const nextMs = Math.min(nowMs + LONGEST_WAIT_MS, ...times);
    await store.batch(
      decisions.filter(({ decision }) => decision.kind !== 'wait').map(({ id }) => id),
      (tx, id) => {
        const service = tx.get('service', id);
        // The user may have changed it meanwhile.
        const decision = service && decisionOf(tx, service, nowMs);
        if (decision && decision.kind !== 'wait')
          tx.update('service', { ...service, jobStatus: statusAfter(service, decision, clock.now()) });
      },
      (service, error) => log.warn('run of a job could not be started', { service, error }),
    );
    return decisions.length > 0 ? Math.max(1, nextMs - nowMs) : UNTIL_CHANGED;
  }
}

/** Undefined for what has no schedule. */
function decisionOf(tx: ReadTx, service: Service, nowMs: number): RunDecision | undefined {
  const schedule = scheduleOf(service);
  return schedule && decideRun(service, schedule, tx.by('task', 'service', service.id), nowMs);
}

function statusAfter(service: Service, d: Due, nowMs: number): JobStatus {
  const old = service.jobStatus ?? JobStatus.create({});
  if (d.kind === 'skip') return { ...old, lastScheduledMs: d.scheduledMs, message: d.message };
  return JobStatus.create({
    jobIteration: { index: iterationOf(service) + 1 },
    lastExecutionMs: nowMs,
    lastScheduledMs: d.scheduledMs,
  });
}
