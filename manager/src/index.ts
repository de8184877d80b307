export { joinCluster, recoverCertificate, renewCertificate, requestApiCertificate } from './ca/ca-client.js';
export {
  createRequest,
  createRootCa,
  identityOf,
  type KeyAndCert,
  type NodeIdentity,
  nodeCertificateOrder,
  signCertificate,
  signNodeCertificate,
  verifyNodeCertificate,
} from './ca/certificates.js';
export { CredentialStore } from './ca/credential-store.js';
export { type CredentialFiles, Credentials, managerChannelOptions } from './ca/credentials.js';
export { ExternalCas, externalUrls } from './ca/external-ca.js';
export { newJoinToken, parseJoinToken, rootDigest } from './ca/join-token.js';
export { checkPlacedCredentials, type PlacedCredentials, readPlacedCredentials } from './ca/placed-credentials.js';
export { tlsInfoOf } from './ca/tls-info.js';
export { newUnlockKey, parseUnlockKey, unlockKeyText } from './ca/unlock-key.js';
export type { ScheduleDescription } from './control/describe-schedule.js';
export { withRootsOfExternalCas } from './control/next-root.js';
export type { OperationArgs, OperationName, OperationResult } from './control/operations.js';
export type { ServicePlan } from './control/plan-service.js';
export type { ServiceCounts } from './control/service-operations.js';
export { validateClusterSpec } from './control/validate-cluster.js';
export { specWarnings } from './control/validate-service.js';
export { Manager, type ManagerOptions } from './manager.js';
export { notTakenIn } from './raft/join-raft.js';
export { forceNewGroup, hasRaftState, NO_LEADER, type RaftTimings } from './raft/raft-group.js';
export { askInTurn } from './rpc/ask-in-turn.js';
export { callUnary, fromServiceError, LEADER_KEY } from './rpc/unary.js';
export { SchedulingLoop } from './scheduling/scheduling-loop.js';
export { eventOf } from './store/cluster-event.js';
export { localStore, Store, type StoreEvents } from './store/store.js';
export type { AnyChange, Kind, Tables } from './store/tables.js';
export { noVolumePlugins, type VolumePlugins } from './volumes/volume-plugins.js';
