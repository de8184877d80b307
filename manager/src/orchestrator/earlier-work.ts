/**
 * What an update has done already, from the store alone: whoever led when it began may be gone, and the next leader counts the same
 * slots and the same failures. Pure.
 */
import { isLive, isTerminal, observedState, type Service, type Task, TaskState } from '@swarmts/proto';
import type { ReadTx } from '../store/transaction.js';
import { groupBySeat } from './slots.js';
import { isUpdating } from './update-state.js';

export interface EarlierWork {
  /** Tasks that the update made, one of each slot that it has come to. */
  readonly made: readonly Task[];
  /** Those that have not come up yet. */
  readonly underWay: readonly Task[];
}

const NONE: EarlierWork = { made: [], underWay: [] };

export function earlierWork(tx: ReadTx, service: Service): EarlierWork {
  if (!isUpdating(service)) return NONE;
  const sinceMs = service.updateStatus?.startedAtMs ?? 0;
  const seats = [...groupBySeat(tx.by('task', 'service', service.id)).values()];
  const made = seats.flatMap((seat) => replacementIn(service, seat, sinceMs) ?? []);
  return { made, underWay: made.filter((t) => isLive(t) && observedState(t) < TaskState.RUNNING) };
}

const versionOf = (x: Pick<Task | Service, 'specVersion'>) => x.specVersion?.index ?? 0;
const createdAtMs = (t: Task) => t.meta?.createdAtMs ?? 0;

/** The first task of the new version in a slot that had another one: those after it are restarts. */
function replacementIn(service: Service, seat: readonly Task[], sinceMs: number): Task | undefined {
  if (!seat.some((t) => versionOf(t) < versionOf(service))) return undefined;
  return seat
    .filter((t) => versionOf(t) === versionOf(service) && createdAtMs(t) >= sinceMs)
    .sort((a, b) => createdAtMs(a) - createdAtMs(b))[0];
}

/** Whether a task that an update made counts as failed: it ended before it ran, or within `monitorMs` of that. */
export function hasFailed(task: Task, monitorMs: number): boolean {
  const state = observedState(task);
  if (!isTerminal(state)) return false;
  // What the system itself shut down (scale, drain) did not fail.
  if (state === TaskState.SHUTDOWN && task.desiredState > TaskState.COMPLETE) return false;
  const { runningSinceMs = 0, appliedAtMs = 0 } = task.status ?? {};
  return runningSinceMs === 0 || appliedAtMs - runningSinceMs <= monitorMs;
}
