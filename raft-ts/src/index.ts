// The public face of raft-ts: the driver for most, the pure core and the parts for whoever builds a driver of their own.
export {
  asConfChangeV2,
  decodeConfChange,
  decodeConfChangeV2,
  decodeMembershipChange,
  encodeConfChange,
  encodeConfChangeV2,
  encodeMembershipChange,
  isConfChangeV2,
} from './codec/conf-change-codec.js';
export { decodeMessage, encodeMessage } from './codec/message-codec.js';
export type { AppliedConf } from './core/conf-changes.js';
export type { RaftOptions } from './core/options.js';
export type { ReadState, StepResult } from './core/raft.js';
export { type Proposed, RawNode } from './core/raw-node.js';
export type { Ready, SoftState } from './core/ready.js';
export type { Trace, TraceEvent } from './core/trace.js';
export {
  DELIVERED,
  type Fate,
  LOST,
  MemoryNetwork,
  type MemoryNetworkOptions,
  type Peer,
} from './driver/memory-network.js';
export type { RaftMetrics } from './driver/metrics.js';
export type {
  CancelTimer,
  LeaderChange,
  ProposalResult,
  RaftNodeOptions,
  Receiver,
  SnapshotSink,
  SnapshotSource,
  StateMachine,
  Timers,
  Transport,
} from './driver/options.js';
export { RaftNode } from './driver/raft-node.js';
export { isRaftError, RaftError, type RaftErrorCode, type RaftErrorOptions } from './errors.js';
export type * from './message.js';
export { type Disk, type DiskFile, nodeDisk, openNodeDisk } from './storage/disk.js';
export { DiskLog, type DiskLogOptions, type LogWrite } from './storage/disk-log.js';
export type { Encryptor } from './storage/encryption.js';
export { MemoryStorage } from './storage/memory-storage.js';
export type { Storage } from './storage/storage.js';
export type * from './types.js';
