/** Questions about task states that every part asks the same way. States only move forward. */
import { type Task, TaskState, TaskStateName } from './gen/index.js';

/** The task has ended, by itself or not. */
export function isTerminal(state: TaskState): boolean {
  return state > TaskState.RUNNING;
}

/** Docker's lower-case name: "running". */
export function taskStateName(state: TaskState): string {
  return (TaskStateName[state] ?? 'UNKNOWN').toLowerCase();
}

/** It is meant to run: for good, to its end (a job's), or once it may start. */
export function isWanted(task: Task): boolean {
  return task.desiredState <= TaskState.COMPLETE;
}

/** Both observed and desired state say that it should and may be running. */
export function isLive(task: Task): boolean {
  return isWanted(task) && observedState(task) <= TaskState.RUNNING;
}

export function observedState(task: Task): TaskState {
  return task.status?.state ?? TaskState.NEW;
}

/** A task keeps its addresses until it has ended, whatever is desired of it. */
export function holdsAddresses(task: Task): boolean {
  return task.networks.length > 0 && !isTerminal(observedState(task));
}

/** "web.3", or "web.<node id>" for a task without slot. */
export function taskName(task: Task): string {
  const service = task.serviceAnnotations?.name ?? task.annotations?.name ?? '';
  return `${service}.${task.slot > 0 ? task.slot : task.nodeId}`;
}

/** "web.3.<task id>", the name of the task's container. */
export function containerName(task: Task): string {
  return `${taskName(task)}.${task.id}`;
}
