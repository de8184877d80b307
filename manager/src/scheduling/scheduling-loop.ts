/**
 * Gives PENDING tasks a node: keeps a mirror of nodes and what is placed on them, places like tasks as a group, and writes
 * either the node or the reason why there is none. Tasks without a node are tried again on every later pass.
 */
import { ControlLoop, messageOf, SwarmtsError, type Watch } from '@swarmts/lib';
import {
  type GenericResource,
  isWanted,
  type Node,
  observedState,
  type Task,
  TaskState,
  TaskStatus,
  type VolumeAttachment,
} from '@swarmts/proto';
import {
  checkAssigned,
  clusterMounts,
  explainNode,
  type FilterVerdict,
  failureKey,
  NodeInfo,
  occupiesNode,
  placeGroup,
  VolumeSet,
} from '@swarmts/scheduler';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import { isPinned } from '../orchestrator/volume-pins.js';
import type { AnyChange } from '../store/tables.js';
import type { WriteTx } from '../store/transaction.js';
import { publishToNodes } from '../volumes/publish-status.js';
import { NodeReturn } from './node-return.js';

/** Changes are gathered so long before a pass; quick on a quiet cluster, batched on a busy one. */
const DEBOUNCE_MS = 5;
const MAX_DELAY_MS = 100;

interface Verdict {
  readonly taskId: string;
  readonly nodeId: string;
  /** What it is given there of what the user defined. */
  readonly generic: readonly GenericResource[];
  readonly volumes: readonly VolumeAttachment[];
  /** '' when the task got its node. */
  readonly reason: string;
}

export class SchedulingLoop implements LeaderComponent {
  readonly #c: LeaderContext;
  readonly #loop: ControlLoop;
  readonly #nodes = new Map<string, NodeInfo>();
  readonly #pending = new Map<string, Task>();
  readonly #volumes = new VolumeSet();
  #watch: Watch | undefined;
  #nodeReturn: NodeReturn | undefined;

  constructor(context: LeaderContext) {
    this.#c = context;
    this.#loop = new ControlLoop({
      ...context,
      name: 'scheduler',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
  }

  start(): void {
    this.#watch = this.#c.store.watch({ change: (c) => this.#onChange(c) });
    this.#c.store.view((tx) => {
      const nodes = tx.list('node');
      this.#nodeReturn = new NodeReturn(this.#c.clock, nodes, () => this.#loop.mark());
      for (const n of nodes) this.#nodes.set(n.id, new NodeInfo(n));
      for (const v of tx.list('volume')) this.#volumes.put(v);
      for (const t of tx.list('task')) {
        this.#track(t);
        this.#noteFailure(t, t.status?.appliedAtMs ?? 0);
      }
    });
    this.#loop.mark();
  }

  async stop(): Promise<void> {
    this.#watch?.close();
    this.#nodeReturn?.stop();
    await this.#loop.stop();
  }

  #onChange(c: AnyChange): void {
    if (c.kind === 'node') this.#onNode(c.object, c.old, c.action === 'remove');
    else if (c.kind === 'task') this.#onTask(c.object, c.old, c.action === 'remove');
    else if (c.kind === 'volume' && c.action === 'remove') this.#volumes.remove(c.object);
    else if (c.kind === 'volume') this.#volumes.put(c.object);
    else if (c.kind !== 'service') return;
    if (this.#pending.size > 0) this.#loop.mark();
  }

  #onNode(node: Node, old: Node | undefined, removed: boolean): void {
    if (removed) {
      this.#nodes.delete(node.id);
      this.#nodeReturn?.removed(node.id);
      return;
    }
    this.#nodeReturn?.changed(node, old);
    const known = this.#nodes.get(node.id);
    if (known) {
      known.update(node);
      return;
    }
    const info = new NodeInfo(node);
    this.#nodes.set(node.id, info);
    this.#c.store.view((tx) => {
      for (const t of tx.by('task', 'node', node.id)) if (occupiesNode(t)) info.addTask(t);
    });
  }

  #onTask(task: Task, old: Task | undefined, removed: boolean): void {
    if (removed) {
      this.#pending.delete(task.id);
      this.#nodes.get(task.nodeId)?.removeTask(task.id);
      this.#volumes.release(task);
      return;
    }
    if (old && observedState(old) <= TaskState.RUNNING) this.#noteFailure(task, this.#c.clock.now());
    this.#track(task);
  }

  /** A service that fails on a node again and again goes elsewhere, whoever led when it failed. */
  #noteFailure(task: Task, atMs: number): void {
    const state = observedState(task);
    if (state === TaskState.FAILED || state === TaskState.REJECTED)
      this.#nodes.get(task.nodeId)?.recordFailure(failureKey(task), atMs);
  }

  #track(task: Task): void {
    if (observedState(task) === TaskState.PENDING && isWanted(task)) {
      this.#pending.set(task.id, task);
      return;
    }
    this.#pending.delete(task.id);
    const node = this.#nodes.get(task.nodeId);
    if (occupiesNode(task)) node?.addTask(task);
    else node?.removeTask(task.id);
    this.#volumes.track(task);
  }

  async #work(): Promise<void> {
    if (this.#nodeReturn?.waiting) return;
    const verdicts: Verdict[] = [];
    const assigned = [...this.#pending.values()].filter((t) => t.nodeId !== '');
    for (const task of assigned) verdicts.push(this.#confirm(task));
    for (const group of groupsOf([...this.#pending.values()].filter((t) => t.nodeId === ''))) {
      // A call takes no hundred thousand arguments, and a service may have more tasks.
      for (const verdict of this.#place(group)) verdicts.push(verdict);
    }
    try {
      await this.#c.store.batch(verdicts, writeVerdict, (v, e) => this.#undo(v, e));
    } catch (e) {
      for (const v of verdicts) if (v.reason === '') this.#forget(v);
      throw e;
    }
  }

  #confirm(task: Task): Verdict {
    const node = this.#nodes.get(task.nodeId);
    try {
      const reason = node ? checkAssigned(task, node, this.#volumes) : 'no suitable node (its node is gone)';
      if (!node || reason !== '') return { ...nothing(task), nodeId: task.nodeId, reason };
      const assigned = this.#assignedTo(task, node);
      node.addTask(assigned);
      this.#volumes.track(assigned);
      return verdictOf(assigned, node);
    } catch (e) {
      return { ...nothing(task), nodeId: task.nodeId, reason: this.#cannotJudge(task, e) };
    }
  }

  #place(group: readonly Task[]): readonly Verdict[] {
    try {
      const placed: Verdict[] = [];
      const assigned = (t: Task, n: NodeInfo) => {
        const task = this.#assignedTo(t, n);
        placed.push(verdictOf(task, n));
        return task;
      };
      const nodes = [...this.#nodes.values()];
      const tasks = group.map((t) => this.#withoutLostPin(t));
      const result = placeGroup(tasks, nodes, this.#c.clock.now(), assigned, this.#volumes);
      return [...placed, ...result.unplaced.map((t) => ({ ...nothing(t), reason: result.explanation }))];
    } catch (e) {
      return group.map((t) => ({ ...nothing(t), reason: this.#cannotJudge(t, e) }));
    }
  }

  /** One service with a spec that cannot be judged must not stop the others. */
  #cannotJudge(task: Task, error: unknown): string {
    this.#c.log.error('task cannot be scheduled', { task: task.id, service: task.serviceId, error });
    return `cannot be scheduled: ${messageOf(error)}`;
  }

  /** What was on a node that is no part of the cluster any more is lost, and the user may have let go of the rest. */
  #withoutLostPin(task: Task): Task {
    if (task.pinnedNodeId === '') return task;
    const holds = this.#nodes.has(task.pinnedNodeId) && isPinned(this.#c.store.get('service', task.serviceId)?.spec);
    return holds ? task : { ...task, pinnedNodeId: '' };
  }

  /** The task as it will be on the node: with what it reserves of user-defined resources, and its volumes. */
  #assignedTo(task: Task, node: NodeInfo): Task {
    const wanted = task.spec?.resources?.reservations?.generic ?? [];
    // Most tasks take nothing of that, and there may be many thousands of them.
    if (wanted.length === 0 && clusterMounts(task).length === 0) return task;
    const assignedGenericResources = wanted.length === 0 ? [] : (node.generic.claim(wanted) ?? []);
    const volumes = this.#volumes.choose(task, node).attachments ?? [];
    return { ...task, nodeId: node.id, assignedGenericResources, volumes };
  }

  #undo(v: Verdict, e: unknown): void {
    this.#c.log.info('placement was refused', { task: v.taskId, error: e });
    this.#forget(v);
  }

  /** The room that was taken for it. */
  #forget(v: Verdict): void {
    this.#nodes.get(v.nodeId)?.removeTask(v.taskId);
    this.#volumes.release({ id: v.taskId, volumes: v.volumes });
    const task = this.#c.store.get('task', v.taskId);
    if (task) this.#track(task);
  }

  /** Tasks that have no node yet. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** The nodes as the scheduler sees them; not to be changed. */
  get nodes(): readonly NodeInfo[] {
    return [...this.#nodes.values()];
  }

  /** Every node's verdicts for a task, for `explain`. */
  explain(task: Task): readonly { readonly node: Node; readonly filters: readonly FilterVerdict[] }[] {
    return [...this.#nodes.values()].map((n) => ({
      node: n.node,
      filters: explainNode(this.#withoutLostPin(task), n, this.#volumes),
    }));
  }
}

function verdictOf(assigned: Task, node: NodeInfo): Verdict {
  const { id, assignedGenericResources, volumes } = assigned;
  return { taskId: id, nodeId: node.id, generic: assignedGenericResources, volumes, reason: '' };
}

function nothing(task: Task): Verdict {
  return { taskId: task.id, nodeId: '', generic: [], volumes: [], reason: '' };
}

/** Tasks of the same service and spec version together, in the order of their creation. */
function groupsOf(tasks: readonly Task[]): Iterable<readonly Task[]> {
  const groups = new Map<string, Task[]>();
  for (const t of [...tasks].sort(
    (a, b) => (a.meta?.createdAtMs ?? 0) - (b.meta?.createdAtMs ?? 0) || a.slot - b.slot,
  )) {
    const key = failureKey(t);
    const list = groups.get(key);
    if (list) list.push(t);
    else groups.set(key, [t]);
  }
  return groups.values();
}

function writeVerdict(tx: WriteTx, v: Verdict): void {
  const task = tx.get('task', v.taskId);
  const waits = task && observedState(task) === TaskState.PENDING && isWanted(task);
  if (v.reason !== '') {
    if (!waits || task.status?.err === v.reason) return;
    tx.update('task', {
      ...task,
      status: TaskStatus.create({ ...task.status, message: 'pending task scheduling', err: v.reason }),
    });
    return;
  }
  // Or else it would be counted on the node for ever.
  if (!waits) throw new SwarmtsError('conflict', `task ${v.taskId} is not wanted any more`);
  // Nobody would ever say of a task on a node that is gone that it has ended.
  if (!tx.get('node', v.nodeId)) throw new SwarmtsError('conflict', `node ${v.nodeId} was removed meanwhile`);
  const status = TaskStatus.create({
    ...task.status,
    state: TaskState.ASSIGNED,
    message: 'scheduler assigned task to node',
    err: '',
  });
  tx.update('task', { ...task, nodeId: v.nodeId, assignedGenericResources: v.generic, volumes: v.volumes, status });
  publishToNodes(tx, v.nodeId, v.volumes);
  pinSlot(tx, task, v.nodeId);
}

/** Where its volumes are made now, the slot's later tasks go as well. */
function pinSlot(tx: WriteTx, task: Task, nodeId: string): void {
  if (task.pinnedNodeId === nodeId || task.slot === 0) return;
  const service = tx.get('service', task.serviceId);
  if (!service || !isPinned(service.spec)) return;
  tx.update('service', { ...service, volumePins: { ...service.volumePins, [String(task.slot)]: nodeId } });
}
