/** Writing what was decided. */
import { invariant } from '@swarmts/lib';
import { isWanted, type Task, TaskState } from '@swarmts/proto';
import type { WriteTx } from '../store/transaction.js';
import type { Step } from './decision.js';

/** Writes one step; a task that is gone or further along meanwhile is left alone. */
export function applyStep(tx: WriteTx, step: Step): void {
  if (step.type === 'create') {
    createTask(tx, step.task);
    return;
  }
  const task = tx.get('task', step.taskId);
  if (!task) return;
  if (step.type === 'desire') {
    setDesired(tx, task, step.state);
    return;
  }
  if (!isWanted(task)) return;
  setDesired(tx, task, TaskState.SHUTDOWN);
  createTask(tx, step.task);
}

/** With the cluster's log driver, where the service has none of its own. */
function createTask(tx: WriteTx, task: Task): void {
  if (!tx.get('service', task.serviceId)) return;
  const [cluster] = tx.list('cluster');
  tx.create('task', { ...task, logDriver: task.logDriver ?? cluster?.spec?.taskDefaultLogDriver });
}

/** Desired states only move forward. */
export function setDesired(tx: WriteTx, task: Task, state: TaskState): void {
  invariant(state > TaskState.NEW, 'no task is desired to be new');
  if (task.desiredState >= state) return;
  tx.update('task', { ...task, desiredState: state });
}
