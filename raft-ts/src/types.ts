// The data that Raft is made of. Indexes and terms are safe integers counted from 1 (0 means "none"), member ids
// are positive safe integers (0 means "nobody"), payloads are bytes that this package never interprets.
// Invariant: everything here is a value; nothing is changed after it was handed over.

/** `normal` carries a proposal (empty data: the entry a new leader commits first), `conf` a membership change. */
export type EntryType = 'normal' | 'conf';

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

/** Who belongs to the group: voters decide, learners only receive. Both sorted, disjoint. */
export interface ConfState {
  readonly voters: readonly number[];
  readonly learners: readonly number[];
}

export type ConfChangeType = 'add-voter' | 'add-learner' | 'remove';

/** One single-step membership change. `add-voter` on a learner promotes it, `add-learner` on a voter demotes it. */
export interface ConfChange {
  readonly type: ConfChangeType;
  readonly id: number;
  /** The caller's own bytes (say, an address); carried along, not interpreted. */
  readonly context: Uint8Array;
}

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
}

export interface RaftStatus {
  readonly id: number;
  /** 0 while no leader is known. */
  readonly leader: number;
  readonly term: number;
  readonly role: Role;
  readonly commit: number;
  readonly applied: number;
  readonly voters: readonly number[];
  readonly learners: readonly number[];
  /** On a leader only: one record for every member, itself included. */
  readonly progress?: ReadonlyMap<number, ProgressStatus>;
}

export const NOBODY = 0;
export const NO_DATA: Uint8Array = new Uint8Array(0);
