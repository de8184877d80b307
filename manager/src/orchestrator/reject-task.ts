/** Taking a task from its node against its will: whoever looks after its service finds it ended and makes another. */
import { observedState, TaskState, TaskStatus } from '@swarmts/proto';
import type { WriteTx } from '../store/transaction.js';

/** A task that is gone or has ended meanwhile is left alone. */
export function rejectTask(tx: WriteTx, taskId: string, reason: string, atMs: number): void {
  const task = tx.get('task', taskId);
  if (!task || observedState(task) > TaskState.RUNNING) return;
  const state = { state: TaskState.REJECTED, message: reason, err: reason, timestampMs: atMs, appliedAtMs: atMs };
  tx.update('task', { ...task, status: TaskStatus.create({ ...task.status, ...state }) });
}
