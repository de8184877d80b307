/** What `init` makes: the root CA, the first manager's certificate, and the objects that this manager writes into the store first. */
import { randomInt } from 'node:crypto';
import type { InitRequest } from '@swarmts/api';
import { newId } from '@swarmts/lib';
import {
  checkPlacedCredentials,
  createRequest,
  createRootCa,
  type ExternalCas,
  externalUrls,
  identityOf,
  type KeyAndCert,
  newJoinToken,
  newUnlockKey,
  nodeCertificateOrder,
  type PlacedCredentials,
  signNodeCertificate,
  validateClusterSpec,
  withRootsOfExternalCas,
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

/** Where a first manager's root and certificate come from, other than from itself. */
export interface Origin {
  readonly placed: PlacedCredentials | undefined;
  readonly externalCas: Pick<ExternalCas, 'sign'>;
  readonly signal: AbortSignal;
}

export interface NewCluster {
  readonly nodeId: string;
  readonly files: NodeFiles;
  readonly bootstrap: Bootstrap;
}

export function newRaftId(): number {
  return randomInt(1, LONGEST_RAFT_ID);
}

/**
 * Throws SwarmtsError: 'invalid-argument' for settings that no cluster may have, 'failed-precondition' when an external CA that has the
 * key of the root does not sign.
 */
export async function newCluster(
  r: InitRequest,
  member: { readonly addr: string; readonly dataPathAddr: string; readonly raftId: number; readonly nowMs: number },
  origin: Origin,
): Promise<NewCluster> {
  const { addr, dataPathAddr, raftId, nowMs } = member;
  validateClusterSpec(firstSpec(r));
  const { root, files } = (await withExternalRoot(r, nowMs, origin)) ?? (await withOwnRoot(r, nowMs));
  const { nodeId, clusterId, notAfterMs } = identityOf(files.certPem);
  const node = Node.create({
    id: nodeId,
    spec: NodeSpec.create({
      annotations: { name: '', labels: {} },
      role: NodeRole.MANAGER,
      availability: r.availability,
    }),
    certificateRole: NodeRole.MANAGER,
    certificateExpiresAtMs: notAfterMs,
    managerStatus: { raftId, addr, leader: false, reachability: 0 },
    // The first networks are made before its agent has said where it is, and must not have its address.
    status: NodeStatus.create({ state: NodeState.UNKNOWN, addr: dataPathAddr }),
  });
  return {
    nodeId,
    files,
    bootstrap: { cluster: firstCluster(clusterId, root, r), node },
  };
}

interface First {
  /** Without key, an external CA has it. */
  readonly root: KeyAndCert;
  readonly files: NodeFiles;
}

async function withOwnRoot(r: InitRequest, nowMs: number): Promise<First> {
  const root = await createRootCa(nowMs);
  const { keyPem, csrPem } = await createRequest();
  const certPem = await signNodeCertificate(root, firstOrder(r, csrPem, nowMs));
  return { root, files: { keyPem, certPem, rootPem: root.certPem } };
}

/** Undefined where no root was placed, or no external CA is named that has its key. */
async function withExternalRoot(r: InitRequest, nowMs: number, origin: Origin): Promise<First | undefined> {
  const { placed } = origin;
  if (!placed || (r.externalCas ?? []).length === 0) return undefined;
  checkPlacedCredentials(placed, nowMs);
  const { rootPem, manager } = placed;
  const root = { certPem: rootPem, keyPem: '' };
  const urls = externalUrls(firstCluster('', root, r), rootPem);
  if (urls.length === 0) return undefined;
  if (manager) return { root, files: manager };
  const { keyPem, csrPem } = await createRequest();
  const order = nodeCertificateOrder(firstOrder(r, csrPem, nowMs));
  const certPem = await origin.externalCas.sign({ urls, certPem: rootPem, trustedPem: rootPem }, order, origin.signal);
  return { root, files: { keyPem, certPem, rootPem } };
}

function firstOrder(r: InitRequest, csrPem: string, nowMs: number) {
  const validForMs = (r.nodeCertExpiryNs ?? defaults.nodeCertExpiryNs) / 1e6;
  return { csrPem, nodeId: newId(), clusterId: newId(), role: NodeRole.MANAGER, validForMs, nowMs };
}

function firstSpec(r: InitRequest): ClusterSpec {
  return ClusterSpec.create({
    annotations: { name: 'default', labels: r.labels },
    orchestration: { taskHistoryLimit: r.taskHistoryLimit ?? defaults.taskHistoryLimit },
    raft: {
      snapshotInterval: defaults.snapshotInterval,
      keepOldSnapshots: 0,
      logEntriesForSlowFollowers: defaults.logEntriesForSlowFollowers,
      heartbeatTick: defaults.heartbeatTick,
      electionTick: defaults.electionTick,
      ...r.raft,
    },
    dispatcher: { heartbeatPeriodNs: r.heartbeatPeriodNs ?? defaults.heartbeatPeriodNs },
    ca: {
      nodeCertExpiryNs: r.nodeCertExpiryNs ?? defaults.nodeCertExpiryNs,
      forceRotate: r.forceRotate,
      externalCas: [...(r.externalCas ?? [])],
    },
    taskDefaultLogDriver: r.logDriver?.name ? r.logDriver : undefined,
    encryption: { autoLockManagers: r.autoLock },
  });
}

function firstCluster(id: string, root: KeyAndCert, r: InitRequest): Cluster {
  const cluster = Cluster.create({
    id,
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
  return { ...cluster, spec: withRootsOfExternalCas(cluster, firstSpec(r)) };
}
