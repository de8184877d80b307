// The messages that members exchange. Each is complete in itself: losing, repeating, delaying or reordering any of
// them can cost time but never safety. `encodeMessage`/`decodeMessage` turn them into bytes and back.
import type { Entry, HardState, Snapshot } from './types.js';

interface Envelope {
  readonly from: number;
  readonly to: number;
  /** The sender's term; 0 on `propose` and `read-index`, which are requests from outside of the term logic. */
  readonly term: number;
}

/** Entries that follow (`prevIndex`, `prevTerm`); `commit` is what the leader knows to be committed. */
export interface AppendMessage extends Envelope {
  readonly type: 'append';
  readonly prevIndex: number;
  readonly prevTerm: number;
  readonly entries: readonly Entry[];
  readonly commit: number;
}

/**
 * Accepted: `index` is the last index known to match. Rejected: `index` is the refused `prevIndex`, and
 * (`hintIndex`, `hintTerm`) is the last place where the logs may agree.
 */
export interface AppendResponseMessage extends Envelope {
  readonly type: 'append-response';
  readonly index: number;
  readonly reject: boolean;
  readonly hintIndex: number;
  readonly hintTerm: number;
}

/** `pre-vote` asks whether an election could be won, without disturbing anybody's term. */
export interface VoteMessage extends Envelope {
  readonly type: 'vote' | 'pre-vote';
  readonly lastIndex: number;
  readonly lastTerm: number;
  /** Set when the leader itself asked for the election: a transfer is not refused for having a live leader. */
  readonly transfer: boolean;
}

export interface VoteResponseMessage extends Envelope {
  readonly type: 'vote-response' | 'pre-vote-response';
  readonly reject: boolean;
}

/** `context` is the newest read request to confirm, empty for none. */
export interface HeartbeatMessage extends Envelope {
  readonly type: 'heartbeat';
  readonly commit: number;
  readonly context: Uint8Array;
}

export interface HeartbeatResponseMessage extends Envelope {
  readonly type: 'heartbeat-response';
  readonly context: Uint8Array;
}

/** The whole state, for a member whose next entry is already compacted away. May be large: transports chunk it. */
export interface SnapshotMessage extends Envelope {
  readonly type: 'snap';
  readonly snapshot: Snapshot;
}

/** Proposals that a follower passes on to the leader. Index and term of the entries are meaningless (0). */
export interface ProposeMessage extends Envelope {
  readonly type: 'propose';
  readonly entries: readonly Entry[];
}

export interface ReadIndexMessage extends Envelope {
  readonly type: 'read-index';
  readonly context: Uint8Array;
}

export interface ReadIndexResponseMessage extends Envelope {
  readonly type: 'read-index-response';
  readonly index: number;
  readonly context: Uint8Array;
}

/** Sent by a follower to the leader: hand the leadership to `transferee`. */
export interface TransferLeaderMessage extends Envelope {
  readonly type: 'transfer-leader';
  readonly transferee: number;
}

/** Sent by the leader to the one that shall replace it: campaign at once. */
export interface TimeoutNowMessage extends Envelope {
  readonly type: 'timeout-now';
}

export type Message =
  | AppendMessage
  | AppendResponseMessage
  | VoteMessage
  | VoteResponseMessage
  | HeartbeatMessage
  | HeartbeatResponseMessage
  | SnapshotMessage
  | ProposeMessage
  | ReadIndexMessage
  | ReadIndexResponseMessage
  | TransferLeaderMessage
  | TimeoutNowMessage;

export type MessageType = Message['type'];

// What passes between the core and its own disk and state machine if `asyncStorageWrites` is on. Never on the network.

/**
 * Write `snapshot`, `entries` and `hardState`, as a whole or in this order, and make them durable; then deliver
 * `responses`, those to other members over the network and those to this member by `step` or `stepStorage`, in order.
 */
export interface StorageAppend {
  readonly type: 'storage-append';
  readonly from: number;
  readonly hardState: HardState | undefined;
  readonly snapshot: Snapshot | undefined;
  readonly entries: readonly Entry[];
  readonly responses: readonly (Message | StorageAppendResponse)[];
}

/** The log up to (`index`, `logTerm`) and `snapshot` are durable. `index` 0: nothing to say about entries. */
export interface StorageAppendResponse {
  readonly type: 'storage-append-response';
  readonly to: number;
  /** The term when the write was asked for: entries written in an older term may have been replaced meanwhile. */
  readonly term: number;
  readonly index: number;
  readonly logTerm: number;
  readonly snapshot: Snapshot | undefined;
}

/** Apply the entries, then deliver `responses` by `stepStorage`. */
export interface StorageApply {
  readonly type: 'storage-apply';
  readonly from: number;
  readonly entries: readonly Entry[];
  readonly responses: readonly StorageApplyResponse[];
}

export interface StorageApplyResponse {
  readonly type: 'storage-apply-response';
  readonly to: number;
  readonly entries: readonly Entry[];
}

export type StorageResponse = StorageAppendResponse | StorageApplyResponse;
