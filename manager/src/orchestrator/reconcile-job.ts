/**
 * The decision of the orchestrator for one job: which tasks to create, restart, start and give up. Pure. A replicated
 * job fills the slots 0 to N-1 with one completed task each, so many at a time; a global job completes once on each node.
 * Tasks of earlier iterations leave. What a slot's task completed is never done again in the same iteration.
 */
import { NodeAvailability, NodeState, observedState, type Task, TaskState } from '@swarmts/proto';
import { type Decision, earlier, type ServiceView, type Step } from './decision.js';
import { isOfIteration } from './job.js';
import { fitsPlacement, isDrained, newTask } from './new-task.js';
import { removalSteps } from './reconcile-service.js';
import { delayedUntilMs, restartDelayMs, shouldRestart } from './restart-policy.js';
import { groupBySeat, isStopping, jobSlotOf, mayStartAt, newest, wanted } from './slots.js';
import { lossOf } from './task-loss.js';

export function reconcileJob(v: ServiceView): Decision {
  // A scheduled job whose first time has not come.
  if (v.service.jobStatus?.lastExecutionMs === 0) return { steps: [], lookAgainAtMs: 0 };
  const mine = v.tasks.filter((t) => isOfIteration(v.service, t));
  const earlierRuns = v.tasks.filter((t) => !isOfIteration(v.service, t) && observedState(t) <= TaskState.RUNNING);
  const decision = v.service.spec?.mode?.globalJob ? globalJob(v, mine) : replicatedJob(v, mine);
  return { ...decision, steps: [...removalSteps(earlierRuns), ...decision.steps] };
}

/** How far a seat of the job has come. */
interface Seat {
  /** 'exhausted': its task failed, or lost its node, and is not to be restarted. */
  readonly state: 'complete' | 'active' | 'exhausted' | 'empty';
  readonly steps: readonly Step[];
  readonly lookAgainAtMs: number;
}

function replicatedJob(v: ServiceView, mine: readonly Task[]): Decision {
  const { maxConcurrent = 1, totalCompletions = 1 } = v.service.spec?.mode?.replicatedJob ?? {};
  const slots = groupBySeat(mine, jobSlotOf);
  const seats = new Map([...slots].map(([slot, tasks]) => [slot, lookAtSeat(v, tasks)]));
  const taken = new Set([...seats].filter(([, s]) => s.state !== 'empty').map(([slot]) => slot));
  const active = [...seats.values()].filter((s) => s.state === 'active').length;
  const room = Math.min(maxConcurrent - active, totalCompletions - taken.size);
  const steps = [...seats.values()].flatMap((s) => s.steps);
  for (let slot = 0, left = room; left > 0 && slot < totalCompletions; slot++) {
    if (taken.has(String(slot))) continue;
    left--;
    const entry = entryState(v, slots.get(String(slot)));
    steps.push({ type: 'create', task: newTask(v.service, { slot, nodeId: '' }, entry, v.nowMs) });
  }
  return { steps, lookAgainAtMs: soonest([...seats.values()]) };
}

function globalJob(v: ServiceView, mine: readonly Task[]): Decision {
  const byNode = groupBySeat(mine);
  const steps: Step[] = [];
  const seats: Seat[] = [];
  for (const node of v.nodes.values()) {
    const tasks = byNode.get(node.id) ?? [];
    if (isDrained(node) || !fitsPlacement(v.service, node)) {
      for (const t of wanted(tasks))
        if (observedState(t) <= TaskState.RUNNING) steps.push(desire(t, TaskState.SHUTDOWN));
      continue;
    }
    // What runs on a node that is down may still complete there, and no other node can take its place.
    if (node.status?.state !== NodeState.NODE_READY) continue;
    const seat = lookAtSeat(v, tasks);
    seats.push(seat);
    if (seat.state === 'empty' && node.spec?.availability !== NodeAvailability.PAUSE) {
      const place = { slot: 0, nodeId: node.id };
      steps.push({ type: 'create', task: newTask(v.service, place, entryState(v, tasks), v.nowMs) });
    }
  }
  for (const [id, tasks] of byNode) if (!v.nodes.has(id)) steps.push(...removalSteps(tasks));
  return { steps: [...steps, ...seats.flatMap((s) => s.steps)], lookAgainAtMs: soonest(seats) };
}

function lookAtSeat(v: ServiceView, tasks: readonly Task[]): Seat {
  if (tasks.some((t) => observedState(t) === TaskState.COMPLETE)) {
    const late = wanted(tasks).filter((t) => observedState(t) <= TaskState.RUNNING);
    return { state: 'complete', steps: late.map((t) => desire(t, TaskState.SHUTDOWN)), lookAgainAtMs: 0 };
  }
  const task = newest(wanted(tasks));
  if (!task) {
    const last = newest(tasks);
    const again = !last || shouldRestart(v.service, last, tasks, v.nowMs);
    return { state: again ? 'empty' : 'exhausted', steps: [], lookAgainAtMs: 0 };
  }
  const rivals = wanted(tasks).filter((t) => t.id !== task.id);
  const others = rivals.map((t) => desire(t, TaskState.SHUTDOWN));
  const seat = lookAtTask(v, task, tasks);
  return { ...seat, steps: [...others, ...seat.steps] };
}

function lookAtTask(v: ServiceView, task: Task, seat: readonly Task[]): Seat {
  const loss = lossOf(task, v.nodes);
  if (loss === 'none') return startOf(v, task, seat);
  const waits = loss === 'ended' && task.desiredState === TaskState.READY && delayedUntilMs(task, v.nowMs) > v.nowMs;
  if (waits) return { state: 'active', steps: [], lookAgainAtMs: task.restartNotBeforeMs };
  if (!shouldRestart(v.service, task, seat, v.nowMs)) {
    // What is on a node that is down may still complete there.
    const steps = loss === 'drain' ? [desire(task, TaskState.SHUTDOWN)] : [];
    return { state: 'exhausted', steps, lookAgainAtMs: 0 };
  }
  const delay = loss === 'ended' ? restartDelayMs(v.service, task, seat) : 0;
  const desired = delay > 0 || loss === 'drain' ? TaskState.READY : entryState(v, seat);
  const place = { slot: task.slot, nodeId: v.service.spec?.mode?.globalJob ? task.nodeId : '' };
  const next = newTask(v.service, place, desired, v.nowMs, delay > 0 ? v.nowMs + delay : 0);
  return { state: 'active', steps: [{ type: 'replace', taskId: task.id, task: next }], lookAgainAtMs: 0 };
}

/** A task waits, prepared, while one that was let go from its seat still runs. */
function entryState(v: ServiceView, seat: readonly Task[] = []): TaskState {
  return seat.some((t) => isStopping(t, (id) => v.nodes.get(id))) ? TaskState.READY : TaskState.COMPLETE;
}

/** A prepared successor starts when its delay is over and its predecessor has stopped. */
function startOf(v: ServiceView, task: Task, seat: readonly Task[]): Seat {
  if (task.desiredState !== TaskState.READY) return { state: 'active', steps: [], lookAgainAtMs: 0 };
  const at = mayStartAt(task, seat, (id) => v.nodes.get(id), v.nowMs);
  const steps = at === 0 ? [desire(task, TaskState.COMPLETE)] : [];
  return { state: 'active', steps, lookAgainAtMs: at };
}

function desire(task: Task, state: TaskState): Step {
  return { type: 'desire', taskId: task.id, state };
}

function soonest(seats: readonly Seat[]): number {
  return seats.reduce((at, s) => earlier(at, s.lookAgainAtMs), 0);
}
