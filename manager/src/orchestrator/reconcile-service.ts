/**
 * The decision of the orchestrator for one service: which tasks to create, restart, start and give up. Pure: service,
 * tasks and nodes in, steps out. Rolling changes of the spec are the updater's; it makes its own steps.
 */
import { NodeAvailability, NodeState, observedState, type Task, TaskState, UpdateOrder } from '@swarmts/proto';
import { type Decision, earlier, type ServiceView, type Step } from './decision.js';
import { drainSteps } from './drain.js';
import { fitsPlacement, isDrained, newTask } from './new-task.js';
import { replicasOf } from './replicas.js';
import { delayedUntilMs, restartDelayMs, shouldRestart } from './restart-policy.js';
import {
  freeSlots,
  groupBySeat,
  isOccupied,
  isStopping,
  mayStartAt,
  newest,
  type Slots,
  slotsToRemove,
  wanted,
} from './slots.js';
import { type Loss, lossOf } from './task-loss.js';

export function reconcileService(v: ServiceView): Decision {
  const seats = groupBySeat(v.tasks);
  const restarts = restartSteps(v, seats);
  const starts = startSteps(v, seats);
  const drains = v.service.spec?.mode?.global ? [] : drainSteps(v, seats);
  const surplus = surplusSteps(v, seats);
  const going = new Set(surplus.map((s) => s.taskId));
  const others = [...restarts.steps, ...drains, ...starts.steps];
  const first = [...others.filter((s) => s.type === 'create' || !going.has(s.taskId)), ...surplus];
  const touched = new Set(first.map((s) => (s.type === 'create' ? s.task.id : s.taskId)));
  const scale = v.service.spec?.mode?.global ? globalSteps(v, seats) : replicatedSteps(v, seats);
  const rest = scale.filter((s) => s.type !== 'desire' || !touched.has(s.taskId));
  const removed = new Set(rest.flatMap((s) => (s.type === 'desire' ? [s.taskId] : [])));
  const kept = first.filter((s) => s.type === 'create' || !removed.has(s.taskId));
  return { steps: [...kept, ...rest], lookAgainAtMs: earlier(restarts.lookAgainAtMs, starts.lookAgainAtMs) };
}

/** Tasks of a service that is gone: all of them leave. */
export function removalSteps(tasks: readonly Task[]): readonly Step[] {
  return tasks
    .filter((t) => t.desiredState < TaskState.REMOVE)
    .map((t) => ({ type: 'desire', taskId: t.id, state: TaskState.REMOVE }));
}

function replicatedSteps(v: ServiceView, seats: Slots): readonly Step[] {
  const slots = new Map([...seats].filter(([, tasks]) => isOccupied(v.service, tasks, v.nowMs)));
  const want = replicasOf(v.service);
  if (slots.size < want) {
    const taken = new Set([...slots.keys()].map(Number));
    return freeSlots(taken, want - slots.size).map((slot) => ({
      type: 'create',
      task: newTask(v.service, { slot, nodeId: '' }, entryState(v, seats.get(String(slot))), v.nowMs),
    }));
  }
  return slotsToRemove(slots, slots.size - want).flatMap((key) => removalSteps(slots.get(key) ?? []));
}

function globalSteps(v: ServiceView, seats: Slots): readonly Step[] {
  const steps: Step[] = [];
  for (const node of v.nodes.values()) {
    const seat = seats.get(node.id) ?? [];
    const eligible = node.status?.state === NodeState.NODE_READY && !isDrained(node) && fitsPlacement(v.service, node);
    if (eligible && !isOccupied(v.service, seat, v.nowMs) && node.spec?.availability !== NodeAvailability.PAUSE) {
      steps.push({
        type: 'create',
        task: newTask(v.service, { slot: 0, nodeId: node.id }, entryState(v, seat), v.nowMs),
      });
    }
    const misplaced = isDrained(node) || !fitsPlacement(v.service, node);
    if (misplaced)
      for (const t of wanted(seat)) steps.push({ type: 'desire', taskId: t.id, state: TaskState.SHUTDOWN });
  }
  for (const [key, tasks] of seats) if (!v.nodes.has(key)) steps.push(...removalSteps(tasks));
  return steps;
}

/** Successors for tasks that ended or whose node is lost or gone. */
function restartSteps(v: ServiceView, seats: Slots): Decision {
  const global = v.service.spec?.mode?.global !== undefined;
  const steps: Step[] = [];
  let lookAgainAtMs = 0;
  for (const slot of seats.values()) {
    const candidates = wanted(slot);
    for (const task of candidates) {
      const loss = lossOf(task, v.nodes);
      if (loss === 'none' || (loss === 'drain' && !global)) continue;
      // It failed while it was being prepared: its own delay still counts, else a missing image would be pulled in a tight loop.
      if (loss === 'ended' && task.desiredState === TaskState.READY && delayedUntilMs(task, v.nowMs) > v.nowMs) {
        lookAgainAtMs = earlier(lookAgainAtMs, task.restartNotBeforeMs);
        continue;
      }
      if (global && loss !== 'ended') {
        if (loss === 'node') steps.push({ type: 'desire', taskId: task.id, state: TaskState.SHUTDOWN });
        continue;
      }
      // Another live task holds the seat already: this one is just let go.
      const seatHeld = candidates.some((t) => t.id !== task.id && lossOf(t, v.nodes) === 'none');
      if (seatHeld || !shouldRestart(v.service, task, slot, v.nowMs)) {
        steps.push({ type: 'desire', taskId: task.id, state: TaskState.SHUTDOWN });
        continue;
      }
      if (newest(candidates)?.id !== task.id) {
        steps.push({ type: 'desire', taskId: task.id, state: TaskState.SHUTDOWN });
        continue;
      }
      steps.push({ type: 'replace', taskId: task.id, task: successor(v, task, slot, loss) });
    }
  }
  return { steps, lookAgainAtMs };
}

function successor(v: ServiceView, task: Task, slot: readonly Task[], loss: Loss): Task {
  const seat = { slot: task.slot, nodeId: v.service.spec?.mode?.global ? task.nodeId : '' };
  const delay = loss === 'node' ? 0 : restartDelayMs(v.service, task, slot);
  if (delay === 0) return newTask(v.service, seat, entryState(v, slot), v.nowMs);
  return newTask(v.service, seat, TaskState.READY, v.nowMs, v.nowMs + delay);
}

/** A task waits, prepared, while one that was let go from its seat still runs, unless the service has the new one start first. */
function entryState(v: ServiceView, seat: readonly Task[] = []): TaskState {
  const startFirst = v.service.spec?.update?.order === UpdateOrder.START_FIRST;
  const waits = seat.some((t) => t.desiredState < TaskState.REMOVE && isStopping(t, (id) => v.nodes.get(id)));
  return waits && !startFirst ? TaskState.READY : TaskState.RUNNING;
}

/** Of two tasks in one seat, started in this order, the older one goes as soon as the newer one runs: whoever had that in hand may be gone. */
function surplusSteps(v: ServiceView, seats: Slots): readonly (Step & { readonly type: 'desire' })[] {
  const steps: (Step & { readonly type: 'desire' })[] = [];
  for (const slot of seats.values()) {
    const candidates = wanted(slot);
    const last = candidates.length > 1 ? newest(candidates) : undefined;
    if (!last || observedState(last) !== TaskState.RUNNING || lossOf(last, v.nodes) !== 'none') continue;
    for (const t of candidates)
      if (t.id !== last.id) steps.push({ type: 'desire', taskId: t.id, state: TaskState.SHUTDOWN });
  }
  return steps;
}

function startSteps(v: ServiceView, seats: Slots): Decision {
  const steps: Step[] = [];
  let lookAgainAtMs = 0;
  for (const slot of seats.values()) {
    for (const task of slot) {
      if (task.desiredState !== TaskState.READY || lossOf(task, v.nodes) !== 'none') continue;
      const at = mayStartAt(task, slot, (id) => v.nodes.get(id), v.nowMs);
      if (at === 0) steps.push({ type: 'desire', taskId: task.id, state: TaskState.RUNNING });
      else lookAgainAtMs = earlier(lookAgainAtMs, at);
    }
  }
  return { steps, lookAgainAtMs };
}
