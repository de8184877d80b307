/** When a scheduled job runs: the times of its cron expression, and what is done with one that is due. Pure. */
import { messageOf, SwarmtsError } from '@swarmts/lib';
import {
  extensionsOf,
  isWanted,
  observedState,
  type Schedule,
  type Service,
  type Task,
  TaskState,
} from '@swarmts/proto';
import { Cron } from 'croner';
import { isJob, isOfIteration } from './job.js';

/** Clocks of managers that differ by less are nobody's trouble. */
const MAX_AHEAD_MS = 60_000;

/** The schedule of a job; undefined for other services and jobs that run once. */
export function scheduleOf(service: Service): Schedule | undefined {
  return isJob(service) ? extensionsOf(service.spec?.annotations?.labels ?? {}).schedule : undefined;
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
  return cronOf(s).nextRun(new Date(afterMs))?.getTime();
}

function cronOf({ cron, timezone }: Schedule): Cron {
  return new Cron(cron, { timezone, paused: true });
}

export type RunDecision =
  | { readonly kind: 'wait'; readonly atMs: number }
  | { readonly kind: 'run'; readonly scheduledMs: number }
  | { readonly kind: 'skip'; readonly scheduledMs: number; readonly message: string };

/** What to do now. Of several runs that were missed, while nobody led, one is made up for. */
export function decideRun(service: Service, schedule: Schedule, tasks: readonly Task[], nowMs: number): RunDecision {
  const since = service.jobStatus?.lastScheduledMs || (service.meta?.createdAtMs ?? 0);
  if (since > nowMs + MAX_AHEAD_MS) {
    const message = `runs up to ${new Date(since).toISOString()} were noted by a manager whose clock was ahead: they are counted from now on`;
    return { kind: 'skip', scheduledMs: nowMs, message };
  }
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

/** The last one up to now, however many there were since the first. */
function lastDue(schedule: Schedule, first: number, nowMs: number): number {
  // Those before a time are counted in whole seconds, and not with that time itself.
  const before = cronOf(schedule).previousRuns(2, new Date(nowMs + 1000));
  return Math.max(first, ...before.map((d) => d.getTime()).filter((ms) => ms <= nowMs));
}
