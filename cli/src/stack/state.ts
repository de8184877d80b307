/** How far a service of a stack has come, and whether it will ever get there. Pure. */
import type { DependencyCondition } from '../compose/model.js';
import type { Service, Task } from '../engine-types.js';

/** A task of one slot that failed so often, and does not run now, is not going to. */
const HOPELESS_FAILURES = 3;

export interface ServiceState {
  readonly running: number;
  readonly desired: number;
  readonly completed: number;
  /** Why it does not get there by itself; '' while it may. */
  readonly problem: string;
  /** What the tasks wait for or complain about at the moment; '' = nothing. */
  readonly note: string;
}

const ENDED = ['complete', 'shutdown', 'failed', 'rejected', 'orphaned', 'remove'];
const FAILED = ['failed', 'rejected'];

/** `tasks` are those of the service's present version. */
export function stateOf(service: Service, tasks: readonly Task[], activeNodes: ReadonlySet<string>): ServiceState {
  const mode = service.Spec.Mode;
  const iteration = service.JobStatus?.JobIteration?.Index ?? 0;
  const isJob = mode?.ReplicatedJob !== undefined || mode?.GlobalJob !== undefined;
  const mine = isJob ? tasks.filter((t) => (t.JobIteration?.Index ?? 0) === iteration) : tasks;
  const live = mine.filter((t) => isWanted(t) && (!t.NodeID || activeNodes.has(t.NodeID)));
  const running = live.filter((t) => t.Status?.State === 'running').length;
  const completed = mine.filter((t) => t.Status?.State === 'complete').length;
  const seats = new Set(mine.map(seatOf)).size;
  return {
    running,
    completed,
    desired: mode?.Replicated?.Replicas ?? mode?.ReplicatedJob?.TotalCompletions ?? Math.max(1, seats),
    problem: problemOf(service, mine),
    note: live.map((t) => (t.Status?.State === 'running' ? '' : (t.Status?.Err ?? ''))).find((e) => e !== '') ?? '',
  };
}

function isWanted(t: Task): boolean {
  return t.DesiredState === 'complete' || !ENDED.includes(t.DesiredState ?? '');
}

const seatOf = (t: Task): string => (t.Slot ? String(t.Slot) : (t.NodeID ?? ''));

function problemOf(service: Service, tasks: readonly Task[]): string {
  const { State: state, Message: message = '' } = service.UpdateStatus ?? {};
  if (state === 'paused' || state === 'rollback_paused' || state === 'rollback_completed') return message;
  const seats = new Map<string, Task[]>();
  for (const t of tasks) seats.set(seatOf(t), [...(seats.get(seatOf(t)) ?? []), t]);
  for (const seat of seats.values()) {
    const sorted = seat.toSorted((a, b) => (b.CreatedAt ?? '').localeCompare(a.CreatedAt ?? ''));
    const failures = sorted.filter((t) => FAILED.includes(t.Status?.State ?? ''));
    const [last] = failures;
    const alive = sorted.some((t) => ['running', 'complete'].includes(t.Status?.State ?? ''));
    // Nobody is going to try again: the restart policy says so.
    const givenUp = sorted.every((t) => ENDED.includes(t.Status?.State ?? ''));
    if (last && !alive && (givenUp || failures.length >= HOPELESS_FAILURES))
      return `${last.Status?.Err || last.Status?.State} (${failures.length} ${failures.length === 1 ? 'attempt' : 'attempts'})`;
  }
  return '';
}

export function fulfils(condition: DependencyCondition, s: ServiceState): boolean {
  switch (condition) {
    case 'service_started':
      return s.running + s.completed > 0 || s.desired === 0;
    case 'service_healthy':
      // A task with a health check runs only once it is healthy.
      return s.running >= s.desired;
    case 'service_completed_successfully':
      return s.completed >= s.desired;
  }
}

/** Everything that it is to do is done, or under way as it should be. */
export function isUp(service: Service, s: ServiceState): boolean {
  const { Mode: mode } = service.Spec;
  if (mode?.ReplicatedJob || mode?.GlobalJob) return s.completed >= s.desired;
  const updating = ['updating', 'rollback_started'].includes(service.UpdateStatus?.State ?? '');
  return !updating && s.running >= s.desired;
}
