/** Nodes: how they are told of, role and availability, and taking them out of the cluster. Words: Docker's. */
import { SwarmtsError } from '@swarmts/lib';
import {
  type Cluster,
  defaults,
  isTerminal,
  type Node,
  NodeRole,
  type NodeSpec,
  NodeState,
  observedState,
  Reachability,
  type Task,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import type { RaftGroup } from '../raft/raft-group.js';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { theCluster } from './cluster-operations.js';
import { checkVersion } from './conflicts.js';
import { findNode } from './find.js';

type Group = Pick<RaftGroup, 'status' | 'isReachable'>;

const BLACKLIST_MARGIN_MS = 7 * 24 * 3_600_000;

export function withReachability(n: Node, raft: Group): Node {
  if (!n.managerStatus) return n;
  const s = raft.status;
  const { raftId } = n.managerStatus;
  const reachable = raft.isReachable(raftId);
  return {
    ...n,
    managerStatus: {
      ...n.managerStatus,
      leader: raftId === s.leader,
      reachability: reachable ? Reachability.REACHABLE : Reachability.UNREACHABLE,
    },
  };
}

export function updateNode(tx: WriteTx, ref: string, version: number, spec: NodeSpec, raft: Group): void {
  const node = findNode(tx, ref);
  checkVersion('node', node, version);
  if (node.spec?.role === NodeRole.MANAGER && spec.role === NodeRole.WORKER) guardDemotion(tx, node, raft);
  tx.update('node', { ...node, spec });
}

/** One that is a worker already, or gone, is left alone. */
export function demoteLeaving(tx: WriteTx, nodeId: string, raft: Group): void {
  const node = tx.get('node', nodeId);
  if (!node?.spec || node.spec.role === NodeRole.WORKER) return;
  guardDemotion(tx, node, raft);
  tx.update('node', { ...node, spec: { ...node.spec, role: NodeRole.WORKER } });
}

function guardDemotion(tx: ReadTx, node: Node, raft: Group): void {
  const managers = tx.list('node').filter((n) => n.spec?.role === NodeRole.MANAGER);
  if (managers.length <= 1) {
    throw new SwarmtsError('failed-precondition', 'attempting to demote the last manager of the swarm');
  }
  const s = raft.status;
  const raftId = node.managerStatus?.raftId ?? 0;
  if (!s.voters.includes(raftId)) return;
  const rest = s.voters.filter((id) => id !== raftId);
  const alive = rest.filter((id) => raft.isReachable(id)).length;
  if (alive < Math.floor(rest.length / 2) + 1) {
    throw new SwarmtsError(
      'failed-precondition',
      "can't remove member from the raft: this would result in a loss of quorum",
    );
  }
}

/** The node, if it may be taken out. Throws SwarmtsError. */
export function removableNode(tx: ReadTx, ref: string, force: boolean): Node {
  const node = findNode(tx, ref);
  if (node.managerStatus || node.spec?.role === NodeRole.MANAGER) {
    throw new SwarmtsError(
      'failed-precondition',
      `node ${node.id} is a cluster manager and is a member of the raft cluster. It must be demoted to worker before removal`,
    );
  }
  if (!force && node.status?.state !== NodeState.DOWN) {
    throw new SwarmtsError('failed-precondition', `node ${node.id} is not down and can't be removed`);
  }
  return node;
}

/** Tasks of a node that are orphaned in the transaction that removes it: a transaction takes no more than so many of any size. */
const MAX_TASKS_BESIDE = 20;

/** Of a node with many tasks those that are to be orphaned before it is removed. */
export function tasksToOrphanBefore(tx: ReadTx, nodeId: string): readonly string[] {
  return tx
    .by('task', 'node', nodeId)
    .filter((t) => t.spec?.attachment || isOnNode(t))
    .slice(MAX_TASKS_BESIDE)
    .map((t) => t.id);
}

/** Its tasks become ORPHANED in the same transaction, and its certificate is refused from now on. */
export function removeNode(tx: WriteTx, ref: string, force: boolean, nowMs: number): void {
  const node = removableNode(tx, ref, force);
  for (const t of tx.by('task', 'node', node.id)) orphanTask(tx, t.id, nowMs);
  const cluster = theCluster(tx);
  const blacklist = {
    ...stillRefused(cluster, nowMs),
    [node.id]: { expiresAtMs: refusedUntilMs(node, cluster, nowMs) },
  };
  tx.update('cluster', { ...cluster, blacklist });
  tx.remove('node', node.id);
}

const isOnNode = (t: Task) => !isTerminal(observedState(t)) && observedState(t) >= TaskState.ASSIGNED;

/** The task's node is taken out. What stands for a plain container goes with it. */
export function orphanTask(tx: WriteTx, taskId: string, nowMs: number): void {
  const task = tx.get('task', taskId);
  if (task?.spec?.attachment) tx.remove('task', taskId);
  else if (task && isOnNode(task)) {
    const orphaned = { state: TaskState.ORPHANED, message: 'node was removed', appliedAtMs: nowMs };
    tx.update('task', { ...task, status: TaskStatus.create({ ...task.status, ...orphaned }) });
  }
}

/** Until its certificate has ended. Of what earlier releases have issued the end is not known. */
function refusedUntilMs(node: Node, cluster: Cluster, nowMs: number): number {
  const longestMs = Math.max(cluster.spec?.ca?.nodeCertExpiryNs ?? 0, defaults.nodeCertExpiryNs) / 1e6;
  return (node.certificateExpiresAtMs || nowMs + longestMs) + BLACKLIST_MARGIN_MS;
}

/** Without those whose certificates have ended. */
function stillRefused({ blacklist }: Cluster, nowMs: number): Cluster['blacklist'] {
  return Object.fromEntries(Object.entries(blacklist).filter(([, { expiresAtMs }]) => expiresAtMs > nowMs));
}
