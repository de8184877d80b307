/**
 * The seats of a service: its slots, or the nodes of a global one. A seat holds the tasks that were tried there one after the other;
 * when none of them is wanted any more, nobody tries again. Pure.
 */
import type { Service, Task } from '../engine-types.js';

/** What a task ends as, and what is desired of one that is to end. */
const ENDED: readonly string[] = ['complete', 'shutdown', 'failed', 'rejected', 'orphaned', 'remove'];
const FAILED: readonly string[] = ['failed', 'rejected'];
const SCHEDULE_LABEL = 'swarmts.schedule';

export interface EndedSeats {
  /** The last tasks of seats where the work is done: they ended well, and their restart policy wants no successor. */
  readonly finished: readonly Task[];
  /** The last tasks of seats where nobody tries again after a failure. */
  readonly failed: readonly Task[];
}

/** `tasks` are those of one version of the service, or of one iteration of the job. */
export function endedSeats(service: Service, tasks: readonly Task[]): EndedSeats {
  const isOver = isJob(service) ? hasEnded : (t: Task) => hasEnded(t) && t.DesiredState === 'shutdown';
  const over = [...seatsOf(service, tasks).values()].filter((seat) => seat.every(isOver));
  const last = over.flatMap((seat) => seat.slice(0, 1));
  return {
    finished: last.filter((t) => t.Status?.State === 'complete'),
    failed: last.filter(hasFailed),
  };
}

/** Those of the job's present iteration; all of a service that is no job. */
export function tasksOfIteration(service: Service, tasks: readonly Task[]): readonly Task[] {
  const iteration = service.JobStatus?.JobIteration?.Index ?? 0;
  return isJob(service) ? tasks.filter((t) => (t.JobIteration?.Index ?? 0) === iteration) : tasks;
}

/** The tasks of each seat, the newest first. */
export function seatsOf(service: Service, tasks: readonly Task[]): ReadonlyMap<string, readonly Task[]> {
  const newestFirst = tasks.toSorted((a, b) => (b.CreatedAt ?? '').localeCompare(a.CreatedAt ?? ''));
  const seats = new Map<string, Task[]>();
  for (const t of newestFirst) seats.set(seatOf(service, t), [...(seats.get(seatOf(service, t)) ?? []), t]);
  return seats;
}

/** Slots of jobs count from 0, which is left out of a task's JSON. */
export function seatOf({ Spec: spec }: Service, t: Task): string {
  const isGlobal = spec.Mode?.Global !== undefined || spec.Mode?.GlobalJob !== undefined;
  return isGlobal ? (t.NodeID ?? '') : String(t.Slot ?? 0);
}

/** A task of a job is desired to complete as long as it is wanted, and stays so. */
export function isWanted(t: Task): boolean {
  return t.DesiredState === 'complete' || !ENDED.includes(t.DesiredState ?? '');
}

export function hasEnded(t: Task): boolean {
  return ENDED.includes(t.Status?.State ?? '');
}

export function hasFailed(t: Task): boolean {
  return FAILED.includes(t.Status?.State ?? '');
}

/** An update or a rollback is under way. */
export function isUpdating({ UpdateStatus: status }: Service): boolean {
  return status?.State === 'updating' || status?.State === 'rollback_started';
}

export function isJob({ Spec: spec }: Service): boolean {
  return spec.Mode?.ReplicatedJob !== undefined || spec.Mode?.GlobalJob !== undefined;
}

/** Whether it is a job that runs at the times of its schedule; it does not with its creation, nor with a change that does not force it. */
export function awaitsSchedule(service: Service): boolean {
  const { Spec: spec, PreviousSpec: previous } = service;
  if (!isJob(service) || !spec.Labels?.[SCHEDULE_LABEL]) return false;
  return (previous?.TaskTemplate?.ForceUpdate ?? 0) === (spec.TaskTemplate?.ForceUpdate ?? 0);
}
