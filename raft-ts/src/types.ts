// The data that Raft is made of. Indexes and terms are safe integers counted from 1 (0 means "none"), member ids
// are positive safe integers (0 means "nobody"), payloads are bytes that this package never interprets.
// Invariant: everything here is a value; nothing is changed after it was handed over.

/**
 * `normal` carries a proposal (empty data: the entry a new leader commits first), `conf` one membership change,
 * `conf-v2` any number of them at once (empty data: leave the joint membership).
 */
export type EntryType = 'normal' | 'conf' | 'conf-v2';

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly type: EntryType;
  readonly data: Uint8Array;
}

/** An entry that a majority holds; it never changes and never goes away. */
export type CommittedEntry = Entry;

/** What a member must not forget over a restart. `commit` may lag behind after a crash, `term` and `vote` may not. */
export interface HardState {
  readonly term: number;
  /** The member voted for in `term`, 0 for nobody. */
  readonly vote: number;
  readonly commit: number;
}

/**
 * Who belongs to the group: voters decide, learners only receive. All sorted; voters and learners are disjoint. The
 * last three are present only while a joint change is under way.
 */
export interface ConfState {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  /** The voters before the joint change: until it ends their majority is needed as well. */
  readonly votersOutgoing?: readonly number[];
  /** Outgoing voters that become learners when the joint change ends. */
  readonly learnersNext?: readonly number[];
  /** The leader ends the joint change by itself, as soon as its beginning is applied. */
  readonly autoLeave?: boolean;
}

/** `update` changes nothing here: it carries the caller's bytes through the log like a change of a member's address. */
export type ConfChangeType = 'add-voter' | 'add-learner' | 'remove' | 'update';

/** One single-step membership change. `add-voter` on a learner promotes it, `add-learner` on a voter demotes it. */
export interface ConfChange {
  readonly type: ConfChangeType;
  readonly id: number;
  /** The caller's own bytes (say, an address); carried along, not interpreted. */
  readonly context: Uint8Array;
}

export type ConfChangeStep = Pick<ConfChange, 'type' | 'id'>;

/**
 * `auto`: several steps go through a joint membership that ends by itself, a single one needs none. `implicit` and
 * `explicit`: joint even for a single step, and ends by itself or only when an empty change is proposed.
 */
export type ConfTransition = 'auto' | 'implicit' | 'explicit';

/** Several membership changes as one (joint consensus). `auto` without steps ends a joint membership. */
export interface ConfChangeV2 {
  readonly transition: ConfTransition;
  readonly steps: readonly ConfChangeStep[];
  readonly context: Uint8Array;
}

export type MembershipChange = ConfChange | ConfChangeV2;

export interface SnapshotMetadata {
  readonly index: number;
  readonly term: number;
  readonly confState: ConfState;
}

export interface Snapshot {
  readonly metadata: SnapshotMetadata;
  readonly data: Uint8Array;
}

export type Role = 'follower' | 'pre-candidate' | 'candidate' | 'leader';

/** How a leader feeds one member: one append at a time, a stream of appends, or waiting for a snapshot to arrive. */
export type ProgressState = 'probe' | 'replicate' | 'snapshot';

export interface ProgressStatus {
  readonly match: number;
  readonly next: number;
  readonly state: ProgressState;
  /** Whether anything was heard from the member within the last election timeout. */
  readonly recentActive: boolean;
  readonly isLearner: boolean;
  /** Nothing is sent until the member answers. */
  readonly isPaused: boolean;
  /** Index of the snapshot under way, 0 for none. */
  readonly pendingSnapshot: number;
  /** Appends that were not answered yet. */
  readonly inflight: number;
  readonly inflightFull: boolean;
}

export interface RaftStatus extends ConfState {
  readonly id: number;
  /** 0 while no leader is known. */
  readonly leader: number;
  readonly term: number;
  /** Whom this member voted for in `term`, 0 for nobody. */
  readonly vote: number;
  readonly role: Role;
  readonly commit: number;
  readonly applied: number;
  /** On a leader only: to whom it is handing over, 0 for nobody. */
  readonly transferee: number;
  /** On a leader only: one record for every member, itself included, by ascending id. */
  readonly progress?: ReadonlyMap<number, ProgressStatus>;
}

export const NOBODY = 0;
export const NO_DATA: Uint8Array = new Uint8Array(0);

/** Whether the entry changes the membership. */
export function isConfEntry(entry: Pick<Entry, 'type'>): boolean {
  return entry.type !== 'normal';
}
