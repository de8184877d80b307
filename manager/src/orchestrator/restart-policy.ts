/**
 * Whether and when a task that ended gets a successor. Everything is derived from the tasks that are kept of the
 * slot, so a new leader decides the same. Delays double with each failure in a row, and start over after a stable run.
 */
import {
  defaults,
  observedState,
  RestartCondition,
  type RestartPolicy,
  type Service,
  type Task,
  TaskState,
} from '@swarmts/proto';
import { isJob } from './job.js';

/** A task that lived this long is not part of a crash loop. */
export const STABLE_RUN_MS = 60_000;
/** Delays grow up to this factor, and never beyond MAX_DELAY_MS unless the policy itself asks for more. */
export const MAX_BACKOFF_FACTOR = 16;
export const MAX_DELAY_MS = 60_000;

/**
 * Whether `task`, which has ended or lost its node, is to be replaced. `history` are all tasks of its slot. Without restarts, what
 * a lost node ran is run elsewhere all the same, unless it is a job's: that may do harm when it is done twice.
 */
export function shouldRestart(service: Service, task: Task, history: readonly Task[], nowMs: number): boolean {
  const policy = service.spec?.task?.restart;
  const state = observedState(task);
  const ended = state > TaskState.RUNNING;
  const condition = policy?.condition ?? RestartCondition.ANY;
  if (condition === RestartCondition.NONE && (ended || isJob(service))) return false;
  if (ended) {
    const onFailureOnly = condition === RestartCondition.ON_FAILURE || isJob(service);
    if (onFailureOnly && state === TaskState.COMPLETE) return false;
  }
  const max = policy?.maxAttempts ?? 0;
  if (max === 0) return true;
  return attempts(service, task, history, nowMs) < max;
}

/** Restarts of this slot and spec version so far, within the policy's window. */
function attempts(service: Service, task: Task, history: readonly Task[], nowMs: number): number {
  const windowMs = (service.spec?.task?.restart?.windowNs ?? 0) / 1e6;
  const same = history.filter((t) => t.specVersion?.index === task.specVersion?.index);
  const oldest = same.reduce((a, t) => Math.min(a, t.meta?.createdAtMs ?? nowMs), Number.POSITIVE_INFINITY);
  // The first task of a slot is no restart, unless it was cleaned away and this one is a successor already.
  return same.filter((t) => {
    const created = t.meta?.createdAtMs ?? nowMs;
    return created > oldest && (windowMs === 0 || nowMs - created < windowMs);
  }).length;
}

/**
 * When the task's restart delay is over; 0 for none. A time that is further away than any delay of its service was written by a leader
 * whose clock was ahead, and is not waited for.
 */
export function delayedUntilMs(task: Task, nowMs: number): number {
  const longestMs = Math.max(baseDelayMs(task.spec?.restart), MAX_DELAY_MS);
  return task.restartNotBeforeMs - nowMs > longestMs ? 0 : task.restartNotBeforeMs;
}

function baseDelayMs(policy: RestartPolicy | undefined): number {
  return (policy?.hasDelay ? policy.delayNs : defaults.restartDelayNs) / 1e6;
}

/** Milliseconds to wait before the successor of `task` starts. */
export function restartDelayMs(service: Service, task: Task, history: readonly Task[]): number {
  const base = baseDelayMs(service.spec?.task?.restart);
  const factor = Math.min(MAX_BACKOFF_FACTOR, 2 ** Math.max(0, failuresInARow(task, history) - 1));
  return Math.max(base, Math.min(MAX_DELAY_MS, base * factor));
}

function failuresInARow(task: Task, history: readonly Task[]): number {
  const newestFirst = history
    .filter((t) => t.specVersion?.index === task.specVersion?.index && observedState(t) > TaskState.RUNNING)
    .sort((a, b) => (b.meta?.createdAtMs ?? 0) - (a.meta?.createdAtMs ?? 0));
  const stable = newestFirst.findIndex((t) => !isFailure(t) || lifetimeMs(t) >= STABLE_RUN_MS);
  return stable === -1 ? newestFirst.length : stable;
}

function isFailure(t: Task): boolean {
  const s = observedState(t);
  return s === TaskState.FAILED || s === TaskState.REJECTED || s === TaskState.COMPLETE;
}

function lifetimeMs(t: Task): number {
  return (t.status?.appliedAtMs ?? 0) - (t.meta?.createdAtMs ?? 0);
}
