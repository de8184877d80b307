/**
 * Gathers task statuses of all agents and writes them in batches. A node may report on its own tasks only, and states
 * only move forward: what is older than the stored state is dropped.
 */
import { ControlLoop } from '@swarmts/lib';
import { observedState, TaskState, TaskStatus, type TaskStatusUpdate } from '@swarmts/proto';
import type { LeaderContext } from '../leader-component.js';
import type { WriteTx } from '../store/transaction.js';

const DEBOUNCE_MS = 2;
const MAX_DELAY_MS = 50;

interface Report {
  readonly nodeId: string;
  readonly taskId: string;
  readonly status: TaskStatus;
}

export class StatusWriter {
  readonly #c: LeaderContext;
  readonly #loop: ControlLoop;
  /** The newest report per task; its size is bounded by the number of tasks. */
  readonly #reports = new Map<string, Report>();
  readonly #managerId: string;

  constructor(context: LeaderContext, managerId: string) {
    this.#c = context;
    this.#managerId = managerId;
    this.#loop = new ControlLoop({
      ...context,
      name: 'task statuses',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
  }

  /** Takes an agent's reports; they are written soon. */
  add(nodeId: string, updates: readonly TaskStatusUpdate[]): void {
    for (const { taskId, status } of updates) {
      if (!status || !isForNodes(status.state)) continue;
      // A node speaks for its own tasks alone.
      if (this.#c.store.get('task', taskId)?.nodeId !== nodeId) continue;
      const known = this.#reports.get(taskId);
      if (known?.nodeId === nodeId && known.status.state > status.state) continue;
      this.#reports.set(taskId, { nodeId, taskId, status });
    }
    if (this.#reports.size > 0) this.#loop.mark();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #work(): Promise<void> {
    const reports = [...this.#reports.values()];
    await this.#c.store.batch(
      reports,
      (tx, r) => this.#write(tx, r),
      (r, e) => this.#c.log.warn('task status was refused', { task: r.taskId, node: r.nodeId, error: e }),
    );
    for (const r of reports) if (this.#reports.get(r.taskId) === r) this.#reports.delete(r.taskId);
  }

  #write(tx: WriteTx, r: Report): void {
    const task = tx.get('task', r.taskId);
    if (!task || task.nodeId !== r.nodeId || observedState(task) > r.status.state) return;
    if (observedState(task) === TaskState.ORPHANED) return;
    const before = task.status;
    if (before && before.state === r.status.state && before.message === r.status.message && before.err === r.status.err)
      return;
    const appliedAtMs = this.#c.clock.now();
    const runningSinceMs = before?.runningSinceMs || (r.status.state === TaskState.RUNNING ? appliedAtMs : 0);
    const status = TaskStatus.create({ ...r.status, appliedAtMs, appliedBy: this.#managerId, runningSinceMs });
    tx.update('task', { ...task, status });
  }
}

/** Managers alone say what is beyond: which tasks are to leave, and which have lost their node. */
function isForNodes(state: TaskState): boolean {
  return state >= TaskState.ASSIGNED && state <= TaskState.REJECTED;
}
