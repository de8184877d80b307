/**
 * A node as the scheduler sees it: the node's own facts plus running totals of what is placed there. Mutable, because a
 * pass places thousands of tasks; only `addTask`, `removeTask` and `recordFailure` change it.
 */
import {
  isWanted,
  type Node,
  NodeAvailability,
  NodeRole,
  NodeState,
  observedState,
  PublishMode,
  type Task,
  TaskState,
} from '@swarmts/proto';
import type { ConstraintSubject } from './constraint.js';
import { GenericPool } from './generic-resources.js';

/** Failures of a service version on a node that count, and how long they are remembered. */
export const FAILURES_THAT_COUNT = 5;
export const FAILURE_WINDOW_MS = 5 * 60_000;
/** Timestamps kept per service version: more than count make no difference. */
const FAILURES_KEPT = 100;

export class NodeInfo implements ConstraintSubject {
  node: Node;
  readonly id: string;
  hostname = '';
  addr = '';
  role: 'worker' | 'manager' = 'worker';
  os = '';
  arch = '';
  labels: Readonly<Record<string, string>> = {};
  engineLabels: Readonly<Record<string, string>> = {};
  ready = false;
  totalNanoCpus = 0;
  totalMemoryBytes = 0;
  reservedNanoCpus = 0;
  reservedMemoryBytes = 0;
  readonly generic = new GenericPool();
  /** "Volume/local", as the node's engine names what it can do. */
  plugins: ReadonlySet<string> = new Set();
  readonly #tasksByService = new Map<string, number>();
  readonly hostPorts = new Map<string, number>();
  readonly #tasks = new Map<string, Task>();
  #wanted = 0;
  readonly #failures = new Map<string, number[]>();

  constructor(node: Node) {
    this.id = node.id;
    this.node = node;
    this.update(node);
  }

  update(node: Node): void {
    this.node = node;
    this.hostname = node.description?.hostname ?? '';
    this.addr = node.status?.addr ?? '';
    this.role = node.certificateRole === NodeRole.MANAGER ? 'manager' : 'worker';
    this.os = node.description?.platform?.os ?? '';
    this.arch = node.description?.platform?.architecture ?? '';
    this.labels = node.spec?.annotations?.labels ?? {};
    this.engineLabels = node.description?.engine?.labels ?? {};
    this.totalNanoCpus = node.description?.resources?.nanoCpus ?? 0;
    this.totalMemoryBytes = node.description?.resources?.memoryBytes ?? 0;
    this.generic.setTotal(node.description?.resources?.generic ?? []);
    this.plugins = new Set(node.description?.engine?.plugins.map((p) => `${p.type}/${p.name}`) ?? []);
    this.ready = node.status?.state === NodeState.NODE_READY && node.spec?.availability === NodeAvailability.ACTIVE;
  }

  /** Tasks that are to stay. Those that are being stopped take room as long as they last, but are no load to come. */
  get taskCount(): number {
    return this.#wanted;
  }

  get freeNanoCpus(): number {
    return this.totalNanoCpus - this.reservedNanoCpus;
  }

  get freeMemoryBytes(): number {
    return this.totalMemoryBytes - this.reservedMemoryBytes;
  }

  /** Tasks of the service that are to stay. */
  tasksOf(serviceId: string): number {
    return this.#tasksByService.get(serviceId) ?? 0;
  }

  /** Tasks with one of these host ports, also those that are being stopped. */
  holdersOf(keys: readonly string[]): readonly Task[] {
    return [...this.#tasks.values()].filter((t) => hostPortKeys(t).some((k) => keys.includes(k)));
  }

  /** Counts a task that occupies the node; one that is known already is replaced. */
  addTask(task: Task): void {
    const known = this.#tasks.get(task.id);
    this.#tasks.set(task.id, task);
    if (known && countsTheSame(known, task)) return;
    if (known) this.#count(known, -1);
    this.#count(task, 1);
  }

  removeTask(taskId: string): void {
    const task = this.#tasks.get(taskId);
    if (!task) return;
    this.#tasks.delete(taskId);
    this.#count(task, -1);
  }

  #count(task: Task, by: 1 | -1): void {
    if (isWanted(task)) {
      this.#wanted += by;
      bump(this.#tasksByService, task.serviceId, by);
    }
    this.reservedNanoCpus += by * (task.spec?.resources?.reservations?.nanoCpus ?? 0);
    this.reservedMemoryBytes += by * (task.spec?.resources?.reservations?.memoryBytes ?? 0);
    for (const key of hostPortKeys(task)) bump(this.hostPorts, key, by);
    if (by === 1) this.generic.take(task.assignedGenericResources);
    else this.generic.giveBack(task.assignedGenericResources);
  }

  recordFailure(key: string, atMs: number): void {
    const list = this.#failures.get(key) ?? [];
    list.push(atMs);
    this.#failures.set(key, list.slice(-FAILURES_KEPT));
  }

  /** Failures of this service version in the window, 0 while there are too few to count. */
  countedFailures(key: string, nowMs: number): number {
    const list = this.#failures.get(key);
    if (!list) return 0;
    const recent = list.filter((t) => nowMs - t < FAILURE_WINDOW_MS);
    if (recent.length === 0) this.#failures.delete(key);
    else this.#failures.set(key, recent);
    return recent.length >= FAILURES_THAT_COUNT ? recent.length : 0;
  }
}

/** A task changes many times while it is on its node, but seldom in what it counts for. */
function countsTheSame(a: Task, b: Task): boolean {
  return (
    isWanted(a) === isWanted(b) &&
    a.serviceId === b.serviceId &&
    a.spec === b.spec &&
    a.endpoint === b.endpoint &&
    a.assignedGenericResources === b.assignedGenericResources
  );
}

function bump(map: Map<string, number>, key: string, by: number): void {
  const n = (map.get(key) ?? 0) + by;
  if (n <= 0) map.delete(key);
  else map.set(key, n);
}

/** What failures are counted by: service and spec version. */
export function failureKey(task: Task): string {
  return `${task.serviceId}@${task.specVersion?.index ?? 0}`;
}

/** Fixed host-mode ports that the task takes on its node. */
export function hostPortKeys(task: Task): readonly string[] {
  return (task.endpoint?.ports ?? [])
    .filter((p) => p.publishMode === PublishMode.HOST && p.publishedPort !== 0)
    .map((p) => `${p.protocol}/${p.publishedPort}`);
}

/** Whether a task takes up room on its node: it is placed there and has not ended. */
export function occupiesNode(task: Task): boolean {
  const state = observedState(task);
  return task.nodeId !== '' && state >= TaskState.PENDING && state <= TaskState.RUNNING;
}
