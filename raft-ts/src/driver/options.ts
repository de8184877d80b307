// What a program hands to a RaftNode: who it is, where it stores, how it talks, what it applies, and the limits.
import type { RaftError } from '../errors.js';
import type { Message, SnapshotMessage } from '../message.js';
import type { Disk } from '../storage/disk.js';
import type { Encryptor } from '../storage/encryption.js';
import type { CommittedEntry, ConfChange, ConfState } from '../types.js';

/** Carries messages to other members. `send` must not block or throw; losing messages is allowed. */
export interface Transport {
  send(messages: readonly Message[]): void;
  /**
   * Carries a snapshot in pieces, the message without its data first; on the other side they go into what
   * `receiveSnapshot` gives. Resolves when the other side has all of it; rejects when it gives up. Without it, snapshots
   * go through `send`, in one message.
   */
  sendSnapshot?(message: SnapshotMessage, source: SnapshotSource, signal: AbortSignal): Promise<void>;
}

/** A snapshot to be sent in pieces. */
export interface SnapshotSource {
  /** Tells this transfer from all others: a broken one goes on under the same key. */
  readonly key: string;
  readonly sizeBytes: number;
  /** The content from its beginning; may be asked for again. */
  chunks(): Promise<AsyncIterable<Uint8Array>>;
}

/** Where a snapshot that comes in pieces goes. One call at a time. */
export interface SnapshotSink {
  /** So much of it is here already: send what comes after. */
  readonly offsetBytes: number;
  write(chunk: Uint8Array): Promise<void>;
  /** All of it was written. */
  finish(): Promise<void>;
}

/** What a transport needs of a member to hand in what comes. */
export interface Receiver {
  readonly id: number;
  step(message: Message): void;
  reportUnreachable(id: number): void;
  reportSnapshot(id: number, ok: boolean): void;
  receiveSnapshot(message: SnapshotMessage, key: string, sizeBytes: number): Promise<SnapshotSink>;
}

/** What the log is replicated for. All calls are made in log order and never overlap. */
export interface StateMachine {
  /** Gets every committed `normal` entry with data once per process life, in order. Must not throw. */
  apply(entries: readonly CommittedEntry[]): void;
  /** Captures the state as of the call, at once; only the encoding may go on asynchronously. */
  snapshot(): Promise<Uint8Array> | Uint8Array;
  /** Replaces the whole state. Called at `open`, and when the leader had to send a snapshot. */
  restore(data: Uint8Array): void;
}

export type CancelTimer = () => void;

/** The only clock this package uses; a simulator passes its own. */
export interface Timers {
  setInterval(callback: () => void, intervalMs: number): CancelTimer;
}

export const realTimers: Timers = {
  setInterval(callback, intervalMs) {
    const timer = setInterval(callback, intervalMs);
    return () => clearInterval(timer);
  },
};

export interface LeaderChange {
  /** 0 while nobody leads. */
  readonly leader: number;
  readonly term: number;
  /** This member leads, and has applied everything that former leaders committed. */
  readonly isLeader: boolean;
}

export interface RaftNodeOptions {
  /** This member's id: a positive safe integer, never used before in this group (say, 48 random bits). */
  readonly id: number;
  /** Directory for log and snapshots; made if missing. One process at a time. */
  readonly dir: string;
  /** Only looked at in a fresh directory: the first voters, the same list on each. Somebody who joins gives none. */
  readonly bootstrapPeers?: readonly number[];
  /** Only looked at in a fresh directory: kept with the log, given back as `node.metadata`. */
  readonly metadata?: Uint8Array;
  readonly transport: Transport;
  readonly stateMachine: StateMachine;
  /** Election timeout in ticks (randomised up to twice that). Default 10. */
  readonly electionTicks?: number;
  /** Default 1. */
  readonly heartbeatTicks?: number;
  /** Default 100. */
  readonly tickMs?: number;
  /** Snapshot after so many applied entries. Default 10,000. */
  readonly snapshotEntries?: number;
  /** Snapshot after so many bytes of applied entries, whichever comes first. Default 256 MiB. */
  readonly snapshotBytes?: number;
  /** Entries kept behind the snapshot, so that a slow member can catch up without it. Default 500. */
  readonly trailingEntries?: number;
  /** Snapshot files that stay beside the newest one. Default 0. */
  readonly keptOldSnapshots?: number;
  /** The disk is full, and proposals are refused, or there is room again. */
  readonly onDiskFull?: (isFull: boolean) => void;
  /** Largest proposal. Default 1.5 MiB. */
  readonly maxProposalBytes?: number;
  /** Proposals are refused with `dropped` while so many bytes wait to be committed. Default 64 MiB. */
  readonly maxUncommittedBytes?: number;
  /** Bytes of the entries in one append message (at least one entry goes). Default 64 KiB. */
  readonly maxAppendBytes?: number;
  /** Unanswered appends to one member. Default 256. */
  readonly maxInflight?: number;
  /** Payload bytes in unanswered appends to one member. Default 16 MiB. */
  readonly maxInflightBytes?: number;
  /**
   * `safe`: a majority confirms the leader for each round of reads. `lease`: the leader answers by itself, and is right
   * only as long as no clock runs much faster than another. Default `safe`.
   */
  readonly reads?: 'safe' | 'lease';
  /** A leader that a change removes or demotes steps down once that is applied. Default true. */
  readonly stepDownOnRemoval?: boolean;
  /** Log segment size. Default 16 MiB. */
  readonly segmentBytes?: number;
  readonly encryptor?: Encryptor;
  /** Uniform in [0, 1). Default Math.random. */
  readonly random?: () => number;
  readonly timers?: Timers;
  /** Default: the real one. */
  readonly disk?: Disk;
  /** The node has stopped and cannot go on: disk error, corruption, broken invariant. Called at most once. */
  readonly onFatal: (error: RaftError) => void;
  readonly onLeaderChange?: (change: LeaderChange) => void;
  /** After a change was applied, in log order with `apply`, also while the log is replayed at `open`. */
  readonly onConfChange?: (confState: ConfState, change: ConfChange) => void;
}

export interface ProposalResult {
  readonly index: number;
  readonly term: number;
}
