// The public face of raft-ts.
export type {
  CancelTimer,
  Encryptor,
  LeaderChange,
  ProposalResult,
  RaftNodeOptions,
  StateMachine,
  Timers,
  Transport,
} from './driver/options.js';
export { RaftNode } from './driver/raft-node.js';
export { isRaftError, RaftError, type RaftErrorCode } from './errors.js';
export type * from './message.js';
export type * from './types.js';
