/** How far a service of a stack has come, and whether it will ever get there. Pure. */
import type { DependencyCondition } from '../compose/model.js';
import type { Service, Task } from '../engine-types.js';
import {
  awaitsSchedule,
  endedSeats,
  hasEnded,
  hasFailed,
  isJob,
  isUpdating,
  isWanted,
  seatOf,
  seatsOf,
  tasksOfIteration,
} from '../service/seats.js';

/** A task of one slot that failed so often, and does not run now, is not going to. */
const HOPELESS_FAILURES = 3;

export interface ServiceState {
  readonly running: number;
  /** Slots or nodes where it came to its end, and is not started again. */
  readonly finished: number;
  readonly desired: number;
  readonly completed: number;
  /** A job that is run by its schedule: there is nothing to wait for. */
  readonly waitsForSchedule: boolean;
  /** Why it does not get there by itself; '' while it may. */
  readonly problem: string;
  /** What the tasks wait for or complain about at the moment; '' = nothing. */
  readonly note: string;
}

/** `tasks` are those of the service's present version. */
export function stateOf(service: Service, tasks: readonly Task[], activeNodes: ReadonlySet<string>): ServiceState {
  const mine = tasksOfIteration(service, tasks);
  const live = mine.filter((t) => isWanted(t) && (!t.NodeID || activeNodes.has(t.NodeID)));
  const { finished, failed } = endedSeats(service, mine);
  const waitsForSchedule = awaitsSchedule(service);
  return {
    running: live.filter((t) => t.Status?.State === 'running').length,
    finished: finished.length,
    completed: mine.filter((t) => t.Status?.State === 'complete').length,
    desired: desiredOf(service, [...live, ...finished, ...failed]),
    waitsForSchedule,
    problem: waitsForSchedule ? '' : problemOf(service, mine),
    note: live.map((t) => (t.Status?.State === 'running' ? '' : (t.Status?.Err ?? ''))).find((e) => e !== '') ?? '',
  };
}

/** A global service counts the nodes that have a task for it: each that fits is given one, those that are drained are not. */
function desiredOf(service: Service, counted: readonly Task[]): number {
  const { ReplicatedJob: job, Replicated: replicated } = service.Spec.Mode ?? {};
  if (job) return job.TotalCompletions ?? job.MaxConcurrent ?? 1;
  // What the autoscaler has decided is in the status alone.
  if (replicated) return service.ServiceStatus?.DesiredTasks ?? replicated.Replicas ?? 1;
  const nodes = new Set(counted.map((t) => seatOf(service, t))).size;
  // Before an update has begun, the tasks of the version before are all that there is.
  return nodes === 0 && service.ServiceStatus?.DesiredTasks !== 0 ? 1 : nodes;
}

function problemOf(service: Service, tasks: readonly Task[]): string {
  const { State: state, Message: message = '' } = service.UpdateStatus ?? {};
  if (state === 'paused' || state === 'rollback_paused' || state === 'rollback_completed') return message;
  for (const seat of seatsOf(service, tasks).values()) {
    const failures = seat.filter(hasFailed);
    const [last] = failures;
    const alive = seat.some((t) => ['running', 'complete'].includes(t.Status?.State ?? ''));
    // Nobody is going to try again: the restart policy says so.
    const givenUp = seat.every(hasEnded);
    if (last && !alive && (givenUp || failures.length >= HOPELESS_FAILURES))
      return `${last.Status?.Err || last.Status?.State} (${failures.length} ${failures.length === 1 ? 'attempt' : 'attempts'})`;
  }
  return '';
}

export function fulfils(condition: DependencyCondition, s: ServiceState): boolean {
  switch (condition) {
    case 'service_started':
      return s.running + s.completed > 0 || s.desired === 0 || s.waitsForSchedule;
    case 'service_healthy':
      // A task with a health check runs only once it is healthy.
      return s.running >= s.desired;
    case 'service_completed_successfully':
      return s.completed >= s.desired;
  }
}

/** Everything that it is to do is done, or under way as it should be. */
export function isUp(service: Service, s: ServiceState): boolean {
  if (s.waitsForSchedule) return true;
  if (isJob(service)) return s.completed >= s.desired;
  return !isUpdating(service) && s.running + s.finished >= s.desired;
}
