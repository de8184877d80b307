/** When a scheduled job runs: the times of its cron expression, and what is done with one that is due. Pure. */
import { messageOf, SwarmtsError } from '@swarmts/lib';
import {
  isWanted,
  observedState,
  readExtensions,
  type Schedule,
  type Service,
  type Task,
  TaskState,
} from '@swarmts/proto';
import { Cron } from 'croner';
import { isJob, isOfIteration } from './job.js';

/** A schedule that was not looked at for longer than that many runs is taken up at the last of them. */
const MAX_MISSED = 10_000;

/** The schedule of a job; undefined for other services and jobs that run once. */
export function scheduleOf(service: Service): Schedule | undefined {
  return isJob(service) ? readExtensions(service.spec?.annotations?.labels ?? {}).schedule : undefined;
}

/** Throws SwarmtsError 'invalid-argument' naming the expression. */
export function validateSchedule(s: Schedule, nowMs: number): void {
  let next: number | undefined;
  try {
    next = nextRunMs(s, nowMs);
  } catch (e) {
    throw new SwarmtsError(
      'invalid-argument',
      `invalid schedule '${s.cron}': ${messageOf(e)}: use minute, hour, day, month and weekday`,
    );
  }
  if (next === undefined) throw new SwarmtsError('invalid-argument', `invalid schedule '${s.cron}': it never comes`);
}

/** The first time of the schedule after `afterMs`; undefined when there is none any more. Epoch milliseconds. */
export function nextRunMs(s: Schedule, afterMs: number): number | undefined {
  return new Cron(s.cron, { timezone: s.timezone, paused: true }).nextRun(new Date(afterMs))?.getTime();
}

export type RunDecision =
  | { readonly kind: 'wait'; readonly atMs: number }
  | { readonly kind: 'run'; readonly scheduledMs: number }
  | { readonly kind: 'skip'; readonly scheduledMs: number; readonly message: string };

/** What to do now. Of several runs that were missed, while nobody led, one is made up for. */
export function decideRun(service: Service, schedule: Schedule, tasks: readonly Task[], nowMs: number): RunDecision {
  const since = Math.max(service.jobStatus?.lastScheduledMs ?? 0, service.meta?.createdAtMs ?? 0);
  const first = nextRunMs(schedule, since);
  if (first === undefined) return { kind: 'wait', atMs: 0 };
  if (first > nowMs) return { kind: 'wait', atMs: first };
  const scheduledMs = lastDue(schedule, first, nowMs);
  const busy = tasks.some((t) => isOfIteration(service, t) && isWanted(t) && observedState(t) <= TaskState.RUNNING);
  if (busy && schedule.concurrency === 'forbid') {
    const message = `the run of ${new Date(scheduledMs).toISOString()} was left out: the one before was still under way`;
    return { kind: 'skip', scheduledMs, message };
  }
  return { kind: 'run', scheduledMs };
}

function lastDue(schedule: Schedule, first: number, nowMs: number): number {
  let due = first;
  for (let i = 0; i < MAX_MISSED; i++) {
    const next = nextRunMs(schedule, due);
    if (next === undefined || next > nowMs) return due;
    due = next;
  }
  return nowMs;
}
