/** The runs of a scheduled job, those of the past as far as their tasks are kept. Pure. */
import { SwarmtsError } from '@swarmts/lib';
import { isWanted, observedState, type Schedule, type Service, type Task, TaskState } from '@swarmts/proto';
import { nextRunMs, scheduleOf } from '../orchestrator/schedule.js';

const NEXT_RUNS = 5;

export interface ScheduledRun {
  readonly iteration: number;
  /** Epoch milliseconds, when its first task was made. */
  readonly startedAtMs: number;
  readonly tasks: number;
  readonly completed: number;
  readonly failed: number;
  readonly running: number;
}

export interface ScheduleDescription {
  readonly schedule: Schedule;
  /** Epoch milliseconds. */
  readonly nextRunsMs: readonly number[];
  /** Why the last time was left out; '' when it was not. */
  readonly message: string;
  /** The newest first. */
  readonly runs: readonly ScheduledRun[];
}

export function describeSchedule(service: Service, tasks: readonly Task[], nowMs: number): ScheduleDescription {
  const schedule = scheduleOf(service);
  if (!schedule)
    throw new SwarmtsError(
      'invalid-argument',
      `service ${service.spec?.annotations?.name} has no schedule: give it one with --schedule`,
    );
  const nextRunsMs: number[] = [];
  let at = nextRunMs(schedule, nowMs);
  while (at !== undefined && nextRunsMs.length < NEXT_RUNS) {
    nextRunsMs.push(at);
    at = nextRunMs(schedule, at);
  }
  const byRun = new Map<number, Task[]>();
  for (const t of tasks) {
    const index = t.jobIteration?.index ?? 0;
    byRun.set(index, [...(byRun.get(index) ?? []), t]);
  }
  const runs = [...byRun].sort(([a], [b]) => b - a).map(([iteration, list]) => runOf(iteration, list));
  return { schedule, nextRunsMs, message: service.jobStatus?.message ?? '', runs };
}

function runOf(iteration: number, tasks: readonly Task[]): ScheduledRun {
  const count = (fn: (t: Task) => boolean) => tasks.filter(fn).length;
  return {
    iteration,
    startedAtMs: tasks.reduce((first, t) => Math.min(first, t.meta?.createdAtMs ?? 0), Number.POSITIVE_INFINITY),
    tasks: tasks.length,
    completed: count((t) => observedState(t) === TaskState.COMPLETE),
    failed: count((t) => observedState(t) === TaskState.FAILED || observedState(t) === TaskState.REJECTED),
    running: count((t) => isWanted(t) && observedState(t) <= TaskState.RUNNING),
  };
}
