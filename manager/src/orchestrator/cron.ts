/** Starts the runs of scheduled jobs at their times: each run is a new iteration of the job. */
import { ControlLoop, type TimerHandle, type Watch } from '@swarmts/lib';
import { JobStatus, type Service } from '@swarmts/proto';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import { iterationOf } from './job.js';
import { decideRun, type RunDecision, scheduleOf } from './schedule.js';

const DEBOUNCE_MS = 5;
const MAX_DELAY_MS = 100;
/** Timers are cut to this, so that a clock that is set does not make a run late by more. */
const LONGEST_WAIT_MS = 60_000;

interface Due {
  readonly serviceId: string;
  readonly decision: Exclude<RunDecision, { readonly kind: 'wait' }>;
}

export class CronOrchestrator implements LeaderComponent {
  readonly #c: LeaderContext;
  readonly #loop: ControlLoop;
  #watch: Watch | undefined;
  #timer: TimerHandle | undefined;

  constructor(context: LeaderContext) {
    this.#c = context;
    this.#loop = new ControlLoop({
      ...context,
      name: 'schedules',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
  }

  start(): void {
    this.#watch = this.#c.store.watch({
      change: (c) => c.kind === 'service' && scheduleOf(c.object) && this.#loop.mark(),
    });
    this.#loop.mark();
  }

  async stop(): Promise<void> {
    this.#watch?.close();
    this.#timer?.cancel();
    await this.#loop.stop();
  }

  async #work(): Promise<void> {
    const nowMs = this.#c.clock.now();
    let nextMs = nowMs + LONGEST_WAIT_MS;
    let any = false;
    const due: Due[] = [];
    this.#c.store.view((tx) => {
      for (const service of tx.list('service')) {
        const schedule = scheduleOf(service);
        if (!schedule) continue;
        any = true;
        const decision = decideRun(service, schedule, tx.by('task', 'service', service.id), nowMs);
        if (decision.kind !== 'wait') due.push({ serviceId: service.id, decision });
        else if (decision.atMs > 0) nextMs = Math.min(nextMs, decision.atMs);
      }
    });
    await this.#c.store.batch(
      due,
      (tx, d) => {
        const service = tx.get('service', d.serviceId);
        if (service)
          tx.update('service', { ...service, jobStatus: statusAfter(service, d.decision, this.#c.clock.now()) });
      },
      (d, error) => this.#c.log.warn('run of a job could not be started', { service: d.serviceId, error }),
    );
    this.#timer?.cancel();
    if (any) this.#timer = this.#c.clock.after(Math.max(1, nextMs - nowMs), () => this.#loop.mark());
  }
}

function statusAfter(service: Service, d: Due['decision'], nowMs: number): JobStatus {
  const old = service.jobStatus ?? JobStatus.create({});
  if (d.kind === 'skip') return { ...old, lastScheduledMs: d.scheduledMs, message: d.message };
  return JobStatus.create({
    jobIteration: { index: iterationOf(service) + 1 },
    lastExecutionMs: nowMs,
    lastScheduledMs: d.scheduledMs,
  });
}
