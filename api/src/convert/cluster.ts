/** The cluster as `docker swarm inspect` and `docker info` show it; its join tokens only where asked for. */
import type { Cluster, ClusterSpec } from '@swarmts/proto';
import type { SwarmInfo } from '../backend.js';
import { omitEmpty } from '../json/write.js';
import { annotationsJson, driverJson, metaJson } from './annotations.js';
import { externalCaJson } from './external-ca.js';
import { tlsInfoJson } from './node.js';
import { rootTlsInfo } from './tls-info.js';

export function clusterInfoJson(c: Cluster): Record<string, unknown> {
  return {
    ...metaJson(c.id, c.meta),
    Spec: clusterSpecJson(c.spec),
    // What certificates are to come from: the new root as soon as there is one.
    TLSInfo: tlsInfoJson(rootTlsInfo(c.rootCa?.rotation?.certPem ?? c.rootCa?.certPem)),
    RootRotationInProgress: c.rootCa?.rotation !== undefined,
    DefaultAddrPool: c.defaultAddressPools,
    SubnetSize: c.subnetSize,
    DataPathPort: c.dataPathPort,
  };
}

/** `withTokens`: for those who may let nodes in. */
export function swarmJson(c: Cluster, withTokens: boolean): Record<string, unknown> {
  const tokens = withTokens ? c.rootCa?.joinTokens : undefined;
  return { ...clusterInfoJson(c), JoinTokens: { Worker: tokens?.worker ?? '', Manager: tokens?.manager ?? '' } };
}

export function clusterSpecJson(s: ClusterSpec | undefined): Record<string, unknown> {
  return {
    ...annotationsJson(s?.annotations),
    Orchestration: { TaskHistoryRetentionLimit: s?.orchestration?.taskHistoryLimit ?? 0 },
    Raft: {
      SnapshotInterval: s?.raft?.snapshotInterval ?? 0,
      KeepOldSnapshots: s?.raft?.keepOldSnapshots ?? 0,
      LogEntriesForSlowFollowers: s?.raft?.logEntriesForSlowFollowers ?? 0,
      ElectionTick: s?.raft?.electionTick ?? 0,
      HeartbeatTick: s?.raft?.heartbeatTick ?? 0,
    },
    Dispatcher: { HeartbeatPeriod: s?.dispatcher?.heartbeatPeriodNs ?? 0 },
    CAConfig: omitEmpty({
      NodeCertExpiry: s?.ca?.nodeCertExpiryNs,
      ExternalCAs: s?.ca?.externalCas.map(externalCaJson),
      ForceRotate: s?.ca?.forceRotate,
    }),
    TaskDefaults: omitEmpty({ LogDriver: driverJson(s?.taskDefaultLogDriver) }),
    EncryptionConfig: { AutoLockManagers: s?.encryption?.autoLockManagers ?? false },
  };
}

/** The Swarm section of /info. */
export function swarmInfoJson(s: SwarmInfo): Record<string, unknown> {
  return {
    NodeID: s.nodeId,
    NodeAddr: s.nodeAddr,
    LocalNodeState: s.localNodeState,
    ControlAvailable: s.controlAvailable,
    Error: s.error,
    RemoteManagers:
      s.remoteManagers.length === 0 ? null : s.remoteManagers.map((m) => ({ NodeID: m.nodeId, Addr: m.addr })),
    ...omitEmpty({ Nodes: s.nodes, Managers: s.managers }),
    ...(s.cluster === undefined ? {} : { Cluster: clusterInfoJson(s.cluster) }),
  };
}
