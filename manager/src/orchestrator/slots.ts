/** The seats of a service: which there are, which ones to give up first, and whether a prepared task may start. */
import {
  isLive,
  isWanted,
  type Node,
  NodeState,
  observedState,
  type Service,
  type Task,
  TaskState,
} from '@swarmts/proto';
import { isDirty } from './new-task.js';
import { delayedUntilMs, shouldRestart } from './restart-policy.js';

/** A prepared task waits for its predecessor at most so long (Swarm: one minute). */
export const OLD_TASK_TIMEOUT_MS = 60_000;

export type Slots = ReadonlyMap<string, readonly Task[]>;

/** What a task's seat is known by: its slot number, or its node for global services. */
export function seatOf(task: Task): string {
  return task.slot > 0 ? String(task.slot) : task.nodeId;
}

/** The same for replicated jobs, whose slots count from 0. */
export function jobSlotOf(task: Task): string {
  return String(task.slot);
}

export function groupBySeat(tasks: readonly Task[], seat: (t: Task) => string = seatOf): Slots {
  const slots = new Map<string, Task[]>();
  for (const t of tasks) {
    const key = seat(t);
    const list = slots.get(key);
    if (list) list.push(t);
    else slots.set(key, [t]);
  }
  return slots;
}

/** Tasks of the slot that are meant to run. */
export function wanted(slot: readonly Task[]): readonly Task[] {
  return slot.filter(isWanted);
}

/** Whether the seat is taken: by a task that is meant to run, or by one that ended, is what the spec asks for, and is not to be restarted. */
export function isOccupied(service: Service, slot: readonly Task[], nowMs: number): boolean {
  if (wanted(slot).length > 0) return true;
  const last = newest(slot);
  return (
    last !== undefined &&
    last.desiredState !== TaskState.REMOVE &&
    observedState(last) > TaskState.RUNNING &&
    !isDirty(service, last, undefined) &&
    !shouldRestart(service, last, slot, nowMs)
  );
}

export function newest(slot: readonly Task[]): Task | undefined {
  return [...slot].sort((a, b) => (b.meta?.createdAtMs ?? 0) - (a.meta?.createdAtMs ?? 0) || (b.id < a.id ? -1 : 1))[0];
}

/**
 * The slots to give up when `count` are too many: seats without a node first, then by how many tasks of the service
 * their node has, so that the rest stays balanced; on one node those that do not run and high numbers go first.
 */
export function slotsToRemove(slots: Slots, count: number): readonly string[] {
  const entries = [...slots].map(([key, tasks]) => {
    const live = tasks.filter(isLive);
    const best = live.find((t) => observedState(t) === TaskState.RUNNING) ?? live[0] ?? newest(tasks);
    return {
      key,
      slot: best?.slot ?? 0,
      nodeId: best?.nodeId ?? '',
      running: best !== undefined && observedState(best) === TaskState.RUNNING,
    };
  });
  entries.sort((a, b) => Number(b.running) - Number(a.running) || a.slot - b.slot);
  const perNode = new Map<string, number>();
  const ranked = entries.map((e) => {
    const nth = e.nodeId === '' ? Number.POSITIVE_INFINITY : (perNode.get(e.nodeId) ?? 0) + 1;
    perNode.set(e.nodeId, nth);
    return { ...e, nth };
  });
  // Infinity minus Infinity is NaN: compare instead of subtracting.
  const byNth = (a: number, b: number) => (a === b ? 0 : a > b ? -1 : 1);
  ranked.sort((a, b) => byNth(a.nth, b.nth) || Number(a.running) - Number(b.running) || b.slot - a.slot);
  return ranked.slice(0, count).map((e) => e.key);
}

/** The `count` lowest slot numbers that are not taken. */
export function freeSlots(taken: ReadonlySet<number>, count: number): readonly number[] {
  const free: number[] = [];
  for (let n = 1; free.length < count; n++) if (!taken.has(n)) free.push(n);
  return free;
}

/** It was let go and may still run: its node is there, and has not said that it ended. */
export function isStopping(task: Task, nodeOf: (id: string) => Node | undefined): boolean {
  const state = observedState(task);
  if (isWanted(task) || state > TaskState.RUNNING || state < TaskState.ASSIGNED) return false;
  const node = nodeOf(task.nodeId);
  return node !== undefined && node.status?.state !== NodeState.DOWN;
}

/**
 * When a task that is prepared (desired READY) may start: 0 = now, otherwise the time of the next look; it must not start
 * beside a predecessor that still runs, unless that one's node is down or it has not stopped for a minute.
 */
export function mayStartAt(
  task: Task,
  slot: readonly Task[],
  nodeOf: (id: string) => Node | undefined,
  nowMs: number,
): number {
  let at = delayedUntilMs(task, nowMs);
  for (const other of slot) {
    if (other.id === task.id || !isStopping(other, nodeOf)) continue;
    at = Math.max(at, (task.meta?.createdAtMs ?? nowMs) + OLD_TASK_TIMEOUT_MS);
  }
  return at <= nowMs ? 0 : at;
}
