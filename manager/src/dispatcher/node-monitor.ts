/**
 * Which nodes are alive: every node that is not DOWN has a deadline, a heartbeat moves it. A node that misses it is
 * marked DOWN, and its tasks ORPHANED after a long time. When a leader takes over, every node is UNKNOWN with twice the
 * grace, so that a change of leader moves no task.
 */
import type { TimerHandle } from '@swarmts/lib';
import {
  type Cluster,
  defaults,
  HEARTBEAT_GRACE,
  type Node,
  NodeState,
  NodeStatus,
  observedState,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import { orphanPeriod, periodMs } from '../cluster-labels.js';
import type { LeaderContext } from '../leader-component.js';

interface Deadline {
  timer: TimerHandle;
  dueMs: number;
}

/** A timer that fires so late tells that this process stalled, not that the node is gone. */
const STALL_MS = 500;
const ORPHAN_RETRY_MS = 10_000;

export class NodeMonitor {
  readonly #c: LeaderContext;
  readonly #deadlines = new Map<string, Deadline>();
  readonly #orphaning = new Map<string, TimerHandle>();
  readonly #onDown: (nodeId: string) => void;
  /** Nodes that have said hello to this leader. */
  readonly #heard = new Set<string>();
  /** Those whose hello is being written: how many of each. */
  readonly #registering = new Map<string, number>();
  #stopped = false;

  constructor(context: LeaderContext, onDown: (nodeId: string) => void) {
    this.#c = context;
    this.#onDown = onDown;
  }

  get #cluster(): Cluster | undefined {
    return this.#c.store.view((tx) => tx.list('cluster')[0]);
  }

  /** Milliseconds between heartbeats, as the cluster is configured. */
  get periodMs(): number {
    return (this.#cluster?.spec?.dispatcher?.heartbeatPeriodNs || defaults.heartbeatPeriodNs) / 1e6;
  }

  get graceMs(): number {
    return this.periodMs * HEARTBEAT_GRACE;
  }

  async start(): Promise<void> {
    const nodes = this.#c.store.view((tx) => tx.list('node'));
    const alive = nodes.filter((n) => n.status?.state !== NodeState.DOWN);
    for (const n of alive) this.#arm(n.id, Math.max(2 * this.graceMs, this.#leaseLeftMs(n)));
    this.rearmOrphaning();
    await this.#c.store.batch(
      alive,
      (tx, n) => {
        const node = tx.get('node', n.id);
        if (node && !this.#heard.has(n.id))
          tx.update(
            'node',
            withState(node, NodeState.UNKNOWN, 'Node moved to "unknown" state due to leadership change in cluster'),
          );
      },
      (n, e) => this.#c.log.warn('node state was not written', { node: n.id, error: e }),
    );
  }

  /** Never more than was given, whatever the clock of the leader was that gave it. */
  #leaseLeftMs({ status }: Node): number {
    const { leaseMs = 0, leaseUntilMs = 0 } = status ?? {};
    const leftMs = leaseUntilMs - this.#c.clock.now();
    return leaseMs === 0 ? leftMs : Math.min(leaseMs, leftMs);
  }

  stop(): void {
    this.#stopped = true;
    for (const d of this.#deadlines.values()) d.timer.cancel();
    for (const t of this.#orphaning.values()) t.cancel();
  }

  /** The node was heard of. */
  beat(nodeId: string): void {
    if (this.#stopped) return;
    this.#orphaning.get(nodeId)?.cancel();
    this.#orphaning.delete(nodeId);
    this.#arm(nodeId, this.graceMs);
  }

  /** While a node's hello is written it is neither lost, whenever its deadline was, nor unknown: either would be written over READY. */
  async register(nodeId: string, write: () => Promise<void>): Promise<void> {
    this.#heard.add(nodeId);
    this.#registering.set(nodeId, (this.#registering.get(nodeId) ?? 0) + 1);
    try {
      await write();
    } finally {
      const others = (this.#registering.get(nodeId) ?? 1) - 1;
      if (others > 0) this.#registering.set(nodeId, others);
      else this.#registering.delete(nodeId);
    }
  }

  /** The node stops in order and wants to be waited for. */
  lease(nodeId: string, leaseMs: number): void {
    if (!this.#stopped) this.#arm(nodeId, Math.max(leaseMs, this.graceMs));
  }

  /** The node is gone, by its own word. */
  async down(nodeId: string, message: string): Promise<void> {
    this.#deadlines.get(nodeId)?.timer.cancel();
    this.#deadlines.delete(nodeId);
    try {
      await this.#markDown(nodeId, message);
    } catch (e) {
      if (!this.#stopped) this.#arm(nodeId, this.periodMs);
      throw e;
    }
  }

  forget(nodeId: string): void {
    this.#deadlines.get(nodeId)?.timer.cancel();
    this.#deadlines.delete(nodeId);
    this.#orphaning.get(nodeId)?.cancel();
    this.#orphaning.delete(nodeId);
  }

  #arm(nodeId: string, delayMs: number): void {
    const dueMs = this.#c.clock.monotonic() + delayMs;
    const known = this.#deadlines.get(nodeId);
    if (known && known.dueMs <= dueMs) {
      // Moving a deadline back needs no new timer: the old one finds out when it fires.
      known.dueMs = dueMs;
      return;
    }
    known?.timer.cancel();
    const deadline: Deadline = { dueMs, timer: this.#c.clock.after(delayMs, () => this.#expire(nodeId)) };
    this.#deadlines.set(nodeId, deadline);
  }

  #expire(nodeId: string): void {
    const deadline = this.#deadlines.get(nodeId);
    if (!deadline || this.#stopped) return;
    const nowMs = this.#c.clock.monotonic();
    const remaining = deadline.dueMs - nowMs;
    if (remaining > 0) {
      deadline.timer = this.#c.clock.after(remaining, () => this.#expire(nodeId));
      return;
    }
    if (remaining < -STALL_MS || this.#registering.has(nodeId)) {
      deadline.dueMs = nowMs + this.graceMs;
      deadline.timer = this.#c.clock.after(this.graceMs, () => this.#expire(nodeId));
      return;
    }
    this.#deadlines.delete(nodeId);
    this.#onDown(nodeId);
    this.#markDown(nodeId, 'heartbeat failure').catch((e: unknown) => {
      this.#c.log.error('node could not be marked down, trying again', { node: nodeId, error: e });
      if (!this.#stopped) this.#arm(nodeId, this.periodMs);
    });
  }

  async #markDown(nodeId: string, message: string): Promise<void> {
    const downSinceMs = this.#c.clock.now();
    const since = new Date(downSinceMs).toISOString();
    const wasUp = await this.#c.store.update((tx) => {
      const node = tx.get('node', nodeId);
      if (!node || node.status?.state === NodeState.DOWN) return false;
      const status = NodeStatus.create({ ...node.status, state: NodeState.DOWN, message, downSinceMs });
      tx.update('node', { ...node, status });
      return true;
    });
    if (!wasUp) return;
    this.#c.log.warn('node is down', { node: nodeId });
    this.#armOrphaning(nodeId, downSinceMs);
    await this.#touchTasks(nodeId, (s) => TaskStatus.create({ ...s, message: `node down since ${since}` }));
  }

  /** Counted from when the nodes went down, whoever led then, with the period as it is set now. */
  rearmOrphaning(): void {
    for (const n of this.#c.store.view((tx) => tx.list('node')))
      if (n.status?.state === NodeState.DOWN) this.#armOrphaning(n.id, n.status.downSinceMs);
  }

  /** `sinceMs` is 0 for nodes that went down under an earlier release. */
  #armOrphaning(nodeId: string, sinceMs: number): void {
    if (this.#stopped) return;
    this.#orphaning.get(nodeId)?.cancel();
    const orphanAfterMs = periodMs(this.#cluster?.spec, orphanPeriod);
    const nowMs = this.#c.clock.now();
    const leftMs = Math.min(orphanAfterMs, (sinceMs || nowMs) + orphanAfterMs - nowMs);
    this.#orphaning.set(
      nodeId,
      this.#c.clock.after(Math.max(0, leftMs), () => this.#orphan(nodeId)),
    );
  }

  #orphan(nodeId: string): void {
    this.#orphaning.delete(nodeId);
    this.#touchTasks(nodeId, (s) =>
      TaskStatus.create({
        ...s,
        state: TaskState.ORPHANED,
        appliedAtMs: this.#c.clock.now(),
        message: 'node has been down for too long',
      }),
    ).catch((e: unknown) => {
      this.#c.log.error('tasks of a lost node could not be orphaned, trying again', { node: nodeId, error: e });
      if (this.#stopped || this.#c.store.get('node', nodeId)?.status?.state !== NodeState.DOWN) return;
      this.#orphaning.set(
        nodeId,
        this.#c.clock.after(ORPHAN_RETRY_MS, () => this.#orphan(nodeId)),
      );
    });
  }

  async #touchTasks(nodeId: string, change: (s: TaskStatus | undefined) => TaskStatus): Promise<void> {
    const ids = this.#c.store.view((tx) => tx.by('task', 'node', nodeId).map((t) => t.id));
    await this.#c.store.batch(
      ids,
      (tx, id) => {
        // It may be back.
        if (tx.get('node', nodeId)?.status?.state !== NodeState.DOWN) return;
        const task = tx.get('task', id);
        const state = task ? observedState(task) : TaskState.NEW;
        if (task && state >= TaskState.ASSIGNED && state <= TaskState.RUNNING)
          tx.update('task', { ...task, status: change(task.status) });
      },
      (id, e) => this.#c.log.warn('task of a lost node was not written', { task: id, error: e }),
    );
  }
}

export function withState(node: Node, state: NodeState, message: string): Node {
  return { ...node, status: NodeStatus.create({ ...node.status, state, message }) };
}
