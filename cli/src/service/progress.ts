/**
 * What to show while a service converges, decided from one reading of the service and its tasks. Pure: it keeps which
 * slot has which line and when the service first converged; time is passed in. Lines carry an id, under which a terminal
 * redraws them.
 */
import type { Service, Task } from '../engine-types.js';
import { awaitsSchedule, endedSeats, isJob, isUpdating, tasksOfIteration } from './seats.js';

export interface ProgressLine {
  readonly id: string;
  readonly text: string;
  /** Steps done towards RUNNING; shown as a bar on terminals only. */
  readonly step?: number;
}

export type Outcome =
  | { readonly kind: 'going'; readonly converged: boolean }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly message: string };

export interface Reading {
  readonly service: Service;
  readonly tasks: readonly Task[];
  /** Ids of the nodes that can run tasks. */
  readonly activeNodes: ReadonlySet<string>;
}

/** With more slots only the overall line is shown. */
export const MAX_TASK_LINES = 20;
export const RUNNING_STEP = 9;
const DEFAULT_MONITOR_NS = 5e9;
/** A task that has failed may have a successor in a moment. */
const FAILURE_MS = 2000;
/** So long the orchestrator may take to look at a service that has no tasks. */
const EMPTY_MS = 2000;
const MAX_ERROR_LENGTH = 80;

/** Order in a task's life; what is above RUNNING has ended. */
const STEPS: Readonly<Record<string, number>> = {
  new: 1,
  allocated: 2,
  pending: 3,
  assigned: 4,
  accepted: 5,
  preparing: 6,
  ready: 7,
  starting: 8,
  running: RUNNING_STEP,
  complete: 10,
  shutdown: 11,
  failed: 12,
  rejected: 13,
  remove: 14,
  orphaned: 15,
};
const STATE_WIDTH = 9;

const step = (state: string | undefined): number => STEPS[state ?? ''] ?? 0;
const ended = (state: string | undefined): boolean => step(state) > RUNNING_STEP;

export class ServiceProgress {
  /** Slot or node id -> the number of its line. */
  readonly #lines = new Map<string, number>();
  #started = false;
  #convergedAtMs: number | undefined;
  #converged = false;
  #rollback = false;
  #updating = false;
  #note: ProgressLine | undefined;
  #failedSinceMs: number | undefined;
  #emptySinceMs: number | undefined;

  read(r: Reading, nowMs: number): { readonly lines: readonly ProgressLine[]; readonly outcome: Outcome } {
    const lines: ProgressLine[] = [];
    const ending = this.#updateStatus(r.service, lines);
    if (ending) return { lines, outcome: ending };
    if (awaitsSchedule(r.service)) {
      lines.push({ id: '', text: 'the job runs at the times of its schedule' });
      return { lines, outcome: { kind: 'done' } };
    }

    const monitorMs = (r.service.Spec.UpdateConfig?.Monitor || DEFAULT_MONITOR_NS) / 1e6;
    if (this.#convergedAtMs !== undefined && this.#converged && nowMs - this.#convergedAtMs >= monitorMs) {
      lines.push({ id: 'verify', text: 'Service converged' });
      if (this.#note) lines.push(this.#note);
      return { lines, outcome: { kind: 'done' } };
    }

    const job = isJob(r.service);
    this.#converged = job ? this.#job(r, lines) : this.#running(r, nowMs, lines);
    if (job && this.#converged) {
      lines.push({ id: '', text: 'job complete' });
      return { lines, outcome: { kind: 'done' } };
    }
    const failure = this.#failure(r, nowMs);
    if (failure) return { lines, outcome: failure };
    this.#verify(monitorMs, nowMs, lines);
    return { lines, outcome: { kind: 'going', converged: this.#converged } };
  }

  #updateStatus(service: Service, lines: ProgressLine[]): Outcome | undefined {
    const { State: state, Message: message = '' } = service.UpdateStatus ?? {};
    switch (state) {
      case 'updating':
        this.#rollback = false;
        this.#updating = true;
        return undefined;
      case 'completed':
        // Only of an update that was seen: a service keeps the word of its last update.
        return this.#updating && !this.#converged ? { kind: 'done' } : undefined;
      case 'paused':
        return { kind: 'failed', message: `service update paused: ${message}` };
      case 'rollback_started':
        if (!this.#rollback && message !== '') lines.push({ id: 'rollback', text: message });
        this.#rollback = true;
        return undefined;
      case 'rollback_paused':
        return { kind: 'failed', message: `service rollback paused: ${message}` };
      case 'rollback_completed':
        if (!this.#converged) this.#note = { id: 'rollback', text: message };
        this.#rollback = true;
        return undefined;
      default:
        return undefined;
    }
  }

  /** A slot that nobody fills again; while an update is under way, that one decides what comes of it. */
  #failure(r: Reading, nowMs: number): Outcome | undefined {
    const [task] = isUpdating(r.service) ? [] : endedSeats(r.service, tasksOfIteration(r.service, r.tasks)).failed;
    if (!task) this.#failedSinceMs = undefined;
    else this.#failedSinceMs ??= nowMs;
    if (!task || nowMs - (this.#failedSinceMs ?? nowMs) < FAILURE_MS) return undefined;
    const why = task.Status?.Err || task.Status?.State;
    return { kind: 'failed', message: `a task failed and is not restarted: ${why}` };
  }

  #verify(monitorMs: number, nowMs: number, lines: ProgressLine[]): void {
    if (!this.#converged) {
      if (this.#convergedAtMs !== undefined) lines.push({ id: 'verify', text: 'Detected task failure' });
      this.#convergedAtMs = undefined;
      return;
    }
    this.#convergedAtMs ??= nowMs;
    const left = monitorMs - (nowMs - this.#convergedAtMs);
    if (left >= 0) {
      const seconds = Math.floor(left / 1000) + 1;
      lines.push({ id: 'verify', text: `Waiting ${seconds} seconds to verify that tasks are stable...` });
    }
  }

  /** Replicated and global services: every slot, or every node that has a task, is to run, or to have come to its end. */
  #running(r: Reading, nowMs: number, lines: ProgressLine[]): boolean {
    const { finished } = endedSeats(r.service, r.tasks);
    const current = inOrder([...currentTasks(r), ...finished.map((t) => [seatKey(t), t] as const)]);
    const { Global: global, Replicated: replicated } = r.service.Spec.Mode ?? {};
    // What the autoscaler has decided is in the status alone.
    const total = global ? current.size : (r.service.ServiceStatus?.DesiredTasks ?? replicated?.Replicas ?? 1);
    const running = [...current.values()].filter((t) => t.Status?.State === 'running').length;
    // A global service without a single task: the orchestrator has not looked at it yet, or no node is to run it.
    if (global && total === 0) {
      this.#emptySinceMs ??= nowMs;
      lines.push({ id: 'overall progress', text: 'waiting for new tasks' });
      return r.service.ServiceStatus?.DesiredTasks === 0 && nowMs - this.#emptySinceMs >= EMPTY_MS;
    }
    this.#emptySinceMs = undefined;
    const what = this.#rollback ? 'rolling back update: ' : '';
    const ended = finished.length === 0 ? '' : `, ${finished.length} finished`;
    lines.push({ id: 'overall progress', text: `${what}${running} out of ${total} tasks${ended}` });
    this.#taskLines(current, total, lines);
    return running + finished.length === total;
  }

  #job(r: Reading, lines: ProgressLine[]): boolean {
    const mine = tasksOfIteration(r.service, r.tasks);
    const done = mine.filter((t) => t.Status?.State === 'complete').length;
    const current = currentTasks({ ...r, tasks: mine.filter((t) => !ended(t.Status?.State)) });
    const job = r.service.Spec.Mode?.ReplicatedJob;
    const total = job ? (job.TotalCompletions ?? job.MaxConcurrent ?? 1) : new Set(mine.map((t) => t.NodeID)).size;
    const active = Math.min(job?.MaxConcurrent || total, Math.max(0, total - done));
    const running = [...current.values()].filter((t) => t.Status?.State === 'running').length;
    lines.push({ id: 'job progress', text: `${done} out of ${total} complete` });
    lines.push({ id: 'active tasks', text: `${running} out of ${active} tasks` });
    this.#taskLines(current, total, lines);
    return done >= total && (job !== undefined || mine.length > 0);
  }

  #taskLines(current: ReadonlyMap<string, Task>, total: number, lines: ProgressLine[]): void {
    if (total > MAX_TASK_LINES) return;
    for (const key of current.keys()) {
      if (!this.#lines.has(key)) this.#lines.set(key, this.#lines.size + 1);
    }
    const texts = new Map([...current].map(([key, t]) => [this.#lines.get(key) ?? 0, taskText(t)] as const));
    for (let n = 1; n <= total; n++) {
      const line = texts.get(n);
      if (line) lines.push({ id: `${n}/${total}`, ...line });
      else if (!this.#started) lines.push({ id: `${n}/${total}`, text: ' ' });
    }
    this.#started = true;
  }
}

function taskText(t: Task): { text: string; step?: number } {
  const err = t.Status?.Err ?? '';
  if (err !== '') {
    const line = err.replaceAll('\n', ' ');
    return { text: line.length > MAX_ERROR_LENGTH ? `${line.slice(0, MAX_ERROR_LENGTH - 1)}…` : line };
  }
  const state = t.Status?.State ?? '';
  return { text: state.padEnd(STATE_WIDTH), step: Math.min(step(state), RUNNING_STEP) };
}

const seatKey = (t: Task): string => (t.Slot ? String(t.Slot) : (t.NodeID ?? t.ID));

/** For each slot (or node) the task that counts: wanted alive, on a node that is up, the furthest from its end. */
function currentTasks(r: Reading): Map<string, Task> {
  const best = new Map<string, Task>();
  for (const t of r.tasks) {
    if (step(t.DesiredState) === 0 || step(t.Status?.State) === 0) continue;
    // A job's task is desired to complete as long as it is wanted.
    if (t.DesiredState !== 'complete' && ended(t.DesiredState)) continue;
    if (t.NodeID && !r.activeNodes.has(t.NodeID)) continue;
    const key = seatKey(t);
    const rival = best.get(key);
    if (rival && !preferred(t, rival)) continue;
    best.set(key, t);
  }
  return inOrder([...best]);
}

function inOrder(tasks: readonly (readonly [string, Task])[]): Map<string, Task> {
  return new Map(tasks.toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })));
}

function preferred(t: Task, rival: Task): boolean {
  const desired = step(t.DesiredState) - step(rival.DesiredState);
  return desired !== 0 ? desired < 0 : step(t.Status?.State) < step(rival.Status?.State);
}
