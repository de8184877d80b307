/**
 * Emptying drained nodes, and moving tasks for an even spread: slot by slot, as many at a time as the service's updates take, and in their order, so that a service that
 * starts the new task first never has fewer than it wants. What has no suitable node is not waited for: the node gets empty. Pure.
 */
import { defaults, observedState, type Task, TaskState, UpdateOrder } from '@swarmts/proto';
import type { ServiceView, Step } from './decision.js';
import { newTask } from './new-task.js';
import { shouldRestart } from './restart-policy.js';
import { newest, type Slots, wanted } from './slots.js';
import { lossOf } from './task-loss.js';

/** Steps for a replicated service's tasks on drained nodes, and those that are to be moved. */
export function drainSteps(v: ServiceView, seats: Slots): readonly Step[] {
  const config = v.service.spec?.update;
  const parallelism = (config ? config.parallelism : defaults.updateParallelism) || Number.POSITIVE_INFINITY;
  const startFirst = config?.order === UpdateOrder.START_FIRST;
  const steps: Step[] = [];
  const waiting: { readonly task: Task; readonly slot: readonly Task[] }[] = [];
  let underWay = 0;
  for (const slot of seats.values()) {
    const drained = wanted(slot).filter((t) => mustLeave(t, v));
    const others = wanted(slot).filter((t) => lossOf(t, v.nodes) === 'none' && !mustLeave(t, v));
    const up = others.some((t) => observedState(t) === TaskState.RUNNING);
    if (others.length === 0) {
      const task = newest(drained);
      if (!task) continue;
      waiting.push({ task, slot });
      for (const t of drained) if (t.id !== task.id) steps.push(letGo(t));
    } else if (up || !startFirst) {
      steps.push(...drained.map(letGo));
      if (!up && hasLeftDrainedNode(slot, v) && others.some(isComingUp)) underWay++;
    } else if (others.some(isComingUp) && (drained.length > 0 || hasLeftDrainedNode(slot, v))) underWay++;
  }
  for (const { task, slot } of waiting.sort((a, b) => a.task.slot - b.task.slot)) {
    if (underWay >= parallelism) break;
    underWay++;
    if (!shouldRestart(v.service, task, slot, v.nowMs)) {
      steps.push(letGo(task));
      continue;
    }
    const seat = { slot: task.slot, nodeId: '' };
    if (startFirst) steps.push({ type: 'create', task: newTask(v.service, seat, TaskState.RUNNING, v.nowMs) });
    else steps.push({ type: 'replace', taskId: task.id, task: newTask(v.service, seat, TaskState.READY, v.nowMs) });
  }
  return steps;
}

function letGo(t: Task): Step {
  return { type: 'desire', taskId: t.id, state: TaskState.SHUTDOWN };
}

/** It is on its way, and has neither failed before nor been told that no node suits it. */
function isComingUp(t: Task): boolean {
  return observedState(t) < TaskState.RUNNING && t.restartNotBeforeMs === 0 && (t.status?.err ?? '') === '';
}

function hasLeftDrainedNode(slot: readonly Task[], v: ServiceView): boolean {
  return slot.some((t) => t.desiredState > TaskState.COMPLETE && mustLeave({ ...t, status: undefined }, v));
}

function mustLeave(t: Task, v: ServiceView): boolean {
  const loss = lossOf(t, v.nodes);
  return loss === 'drain' || (loss === 'none' && v.service.movingTaskIds.includes(t.id));
}
