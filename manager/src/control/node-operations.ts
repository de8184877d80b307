/** Nodes: how they are told of, role and availability, and taking them out of the cluster. Words: Docker's. */
import { SwarmtsError } from '@swarmts/lib';
import {
  isTerminal,
  type Node,
  NodeRole,
  type NodeSpec,
  NodeState,
  observedState,
  Reachability,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import type { RaftGroup } from '../raft/raft-group.js';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { theCluster } from './cluster-operations.js';
import { checkVersion } from './conflicts.js';
import { findNode } from './find.js';

type Group = Pick<RaftGroup, 'status' | 'isReachable'>;

const MAX_BLACKLIST_MARGIN_MS = 7 * 24 * 3_600_000;

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

export function removeNode(tx: WriteTx, ref: string, force: boolean, nowMs: number): void {
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
  deleteNode(tx, node, nowMs);
}

/** The node's tasks become ORPHANED in the same transaction, and its certificate is refused from now on. */
function deleteNode(tx: WriteTx, node: Node, nowMs: number): void {
  for (const t of tx.by('task', 'node', node.id)) {
    if (t.spec?.attachment) {
      tx.remove('task', t.id);
      continue;
    }
    if (isTerminal(observedState(t)) || observedState(t) < TaskState.ASSIGNED) continue;
    const status = TaskStatus.create({
      ...t.status,
      state: TaskState.ORPHANED,
      message: 'node was removed',
      appliedAtMs: nowMs,
    });
    tx.update('task', { ...t, status });
  }
  const cluster = theCluster(tx);
  const expiresAtMs = nowMs + (cluster.spec?.ca?.nodeCertExpiryNs ?? 0) / 1e6 + MAX_BLACKLIST_MARGIN_MS;
  tx.update('cluster', { ...cluster, blacklist: { ...cluster.blacklist, [node.id]: { expiresAtMs } } });
  tx.remove('node', node.id);
}
