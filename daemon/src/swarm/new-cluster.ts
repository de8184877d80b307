/** What `init` makes: the root CA, the first manager's certificate, and the objects that this manager writes into the store first. */
import { randomInt } from 'node:crypto';
import type { InitRequest } from '@swarmts/api';
import { newId } from '@swarmts/lib';
import {
  createRequest,
  createRootCa,
  newJoinToken,
  newUnlockKey,
  signNodeCertificate,
  validateClusterSpec,
} from '@swarmts/manager';
import {
  Cluster,
  ClusterSpec,
  defaults,
  FEATURE_LEVEL,
  Node,
  NodeRole,
  NodeSpec,
  NodeState,
  NodeStatus,
  RootCa,
} from '@swarmts/proto';
import type { Bootstrap } from './node-state.js';

/** Member ids of Raft are random and never used again; 48 bits fit into a JavaScript number. */
const LONGEST_RAFT_ID = 2 ** 48 - 1;

export interface NodeFiles {
  readonly keyPem: string;
  readonly certPem: string;
  readonly rootPem: string;
}

export interface NewCluster {
  readonly nodeId: string;
  readonly files: NodeFiles;
  readonly bootstrap: Bootstrap;
}

export function newRaftId(): number {
  return randomInt(1, LONGEST_RAFT_ID);
}

/** Throws 'invalid-argument' for settings that no cluster may have. */
export async function newCluster(
  r: InitRequest,
  member: { readonly addr: string; readonly raftId: number; readonly nowMs: number },
): Promise<NewCluster> {
  const { addr, raftId, nowMs } = member;
  const spec = firstSpec(r);
  validateClusterSpec(spec);
  const root = await createRootCa(nowMs);
  const clusterId = newId();
  const nodeId = newId();
  const { keyPem, csrPem } = await createRequest();
  const certPem = await signNodeCertificate(root, {
    csrPem,
    nodeId,
    clusterId,
    role: NodeRole.MANAGER,
    validForMs: (r.nodeCertExpiryNs ?? defaults.nodeCertExpiryNs) / 1e6,
    nowMs,
  });
  const node = Node.create({
    id: nodeId,
    spec: NodeSpec.create({
      annotations: { name: '', labels: {} },
      role: NodeRole.MANAGER,
      availability: r.availability,
    }),
    certificateRole: NodeRole.MANAGER,
    managerStatus: { raftId, addr, leader: false, reachability: 0 },
    status: NodeStatus.create({ state: NodeState.UNKNOWN }),
  });
  return {
    nodeId,
    files: { keyPem, certPem, rootPem: root.certPem },
    bootstrap: { cluster: firstCluster(clusterId, root, spec, r), node },
  };
}

function firstSpec(r: InitRequest): ClusterSpec {
  return ClusterSpec.create({
    annotations: { name: 'default', labels: r.labels },
    orchestration: { taskHistoryLimit: r.taskHistoryLimit ?? defaults.taskHistoryLimit },
    raft: {
      snapshotInterval: r.snapshotInterval ?? defaults.snapshotInterval,
      keepOldSnapshots: 0,
      logEntriesForSlowFollowers: defaults.logEntriesForSlowFollowers,
      heartbeatTick: 1,
      electionTick: 10,
    },
    dispatcher: { heartbeatPeriodNs: r.heartbeatPeriodNs ?? defaults.heartbeatPeriodNs },
    ca: { nodeCertExpiryNs: r.nodeCertExpiryNs ?? defaults.nodeCertExpiryNs, forceRotate: 0 },
    taskDefaultLogDriver: r.logDriver?.name ? r.logDriver : undefined,
    encryption: { autoLockManagers: r.autoLock },
  });
}

function firstCluster(
  id: string,
  root: { readonly keyPem: string; readonly certPem: string },
  spec: ClusterSpec,
  r: InitRequest,
): Cluster {
  return Cluster.create({
    id,
    spec,
    rootCa: RootCa.create({
      certPem: Buffer.from(root.certPem),
      keyPem: Buffer.from(root.keyPem),
      joinTokens: { worker: newJoinToken(root.certPem), manager: newJoinToken(root.certPem) },
    }),
    featureLevel: FEATURE_LEVEL,
    defaultAddressPools: r.defaultAddrPools.length > 0 ? r.defaultAddrPools : [defaults.addressPool],
    subnetSize: r.subnetSize || defaults.subnetSize,
    dataPathPort: r.dataPathPort || defaults.dataPathPort,
    unlockKey: r.autoLock ? newUnlockKey() : new Uint8Array(0),
  });
}
