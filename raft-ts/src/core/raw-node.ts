// The core's outer face. Whatever goes in (ticks, messages, proposals) collects work; `ready` hands it out as one batch:
// write `hardState`, `snapshot` and `entries` to disk, then send `messages`, then apply; then call `advance`.
// More may go in between `ready` and `advance`; it comes with the next batch. One batch is out at a time.
import { decodeConfChange, encodeConfChange } from '../codec/conf-change-codec.js';
import { invariant, RaftError } from '../errors.js';
import type { Message } from '../message.js';
import {
  type ConfChange,
  type ConfState,
  type Entry,
  type HardState,
  NOBODY,
  type ProgressStatus,
  type RaftStatus,
  type Role,
  type Snapshot,
} from '../types.js';
import { campaign } from './election.js';
import {
  noteMembershipChanged,
  noteSnapshotSent,
  noteStable,
  noteUnreachable,
  type ProposedEntry,
  propose,
  startRead,
  startTransfer,
} from './leader.js';
import { changeMembership } from './membership.js';
import { Raft, type RaftOptions, type ReadState } from './raft.js';

export interface SoftState {
  readonly leader: number;
  readonly role: Role;
  readonly term: number;
}

export interface Ready {
  /** Present if leader, role or term changed. Not stored. */
  readonly softState: SoftState | undefined;
  /** Present if it changed. To be stored before `entries`, so that no stored entry outlives the commit it came with. */
  readonly hardState: HardState | undefined;
  /** Replaces the stored log, before `entries` are added. */
  readonly snapshot: Snapshot | undefined;
  readonly entries: readonly Entry[];
  /** Whether the writes must reach the disk before anything is sent: false if only the commit index went up. */
  readonly mustSync: boolean;
  /** Whether `messages` may go out while the writes are still under way. */
  readonly mayOverlap: boolean;
  readonly messages: readonly Message[];
  /** To be applied after the writes; conf entries through `applyConfEntry`. */
  readonly committedEntries: readonly Entry[];
  readonly readStates: readonly ReadState[];
}

export interface Proposed {
  /** Undefined if the proposal was passed on to the leader: what becomes of it is unknown. */
  readonly index: number | undefined;
  readonly term: number;
}

export interface AppliedConf {
  readonly confState: ConfState;
  /** Undefined if the entry changed nothing. */
  readonly change: ConfChange | undefined;
}

/** Sent by a leader to others and true whatever happens to its own disk; everything else promises something stored. */
const LEADER_MESSAGES: ReadonlySet<Message['type']> = new Set([
  'append',
  'heartbeat',
  'snap',
  'timeout-now',
  'read-index-response',
]);

export class RawNode {
  readonly #raft: Raft;
  #hardState: HardState;
  #softState: SoftState;
  #outstanding: Ready | undefined;
  /** The batch that is out holds a new term or vote. */
  #outstandingPromises = false;

  constructor(options: RaftOptions) {
    invariant(Number.isSafeInteger(options.id) && options.id > 0, `${options.id} is not a member id`);
    invariant(options.electionTicks > options.heartbeatTicks, 'an election must take longer than a heartbeat');
    this.#raft = new Raft(options);
    this.#hardState = this.#currentHardState();
    this.#softState = this.#currentSoftState();
  }

  get confState(): ConfState {
    return this.#raft.confState;
  }

  /** The members as of an applied entry; undefined if a snapshot that is not restored yet has moved on already. */
  confStateAt(applied: number): ConfState | undefined {
    return this.#raft.membershipIndex <= applied ? this.#raft.confState : undefined;
  }

  get softState(): SoftState {
    return this.#currentSoftState();
  }

  get isSoleVoter(): boolean {
    return this.#raft.isSoleVoter;
  }

  tick(): void {
    this.#raft.tick();
  }

  /** A message from another member. Whatever makes no sense is ignored. */
  step(message: Message): void {
    if (message.from === this.#raft.id || message.from === NOBODY || message.to !== this.#raft.id) return;
    this.#raft.step(message);
  }

  /** Stands for election, if this member may. */
  campaign(): void {
    campaign(this.#raft, 'pre-vote');
  }

  /** On the leader: puts the payloads into the log, in order. On a follower: passes them on. */
  propose(payloads: readonly Uint8Array[]): Proposed {
    return this.#propose(payloads.map((data) => ({ type: 'normal', data })));
  }

  proposeConfChange(change: ConfChange): Proposed {
    return this.#propose([{ type: 'conf', data: encodeConfChange(change) }]);
  }

  #propose(proposed: readonly ProposedEntry[]): Proposed {
    const raft = this.#raft;
    if (raft.role === 'leader') return { index: propose(raft, proposed), term: raft.term };
    if (raft.leader === NOBODY) throw new RaftError('dropped', 'there is no leader to take proposals');
    const entries = proposed.map((entry): Entry => ({ ...entry, index: 0, term: 0 }));
    raft.send({ type: 'propose', to: raft.leader, term: 0, entries });
    return { index: undefined, term: raft.term };
  }

  /** Asks for a linearizable read point; it comes as a read state with this context. False if nobody leads. */
  readIndex(context: Uint8Array): boolean {
    const raft = this.#raft;
    if (raft.role === 'leader') startRead(raft, raft.id, context);
    else if (raft.leader === NOBODY) return false;
    else raft.send({ type: 'read-index', to: raft.leader, term: 0, context });
    return true;
  }

  transferLeadership(to: number): void {
    const raft = this.#raft;
    if (raft.role === 'leader') startTransfer(raft, to);
    else if (raft.leader !== NOBODY) {
      raft.send({ type: 'transfer-leader', to: raft.leader, term: raft.term, transferee: to });
    }
  }

  reportUnreachable(id: number): void {
    noteUnreachable(this.#raft, id);
  }

  reportSnapshot(id: number, ok: boolean): void {
    noteSnapshotSent(this.#raft, id, ok);
  }

  /** To be called for each committed conf entry, when its turn to be applied has come. */
  applyConfEntry(entry: Entry): AppliedConf {
    const raft = this.#raft;
    // A snapshot that came in meanwhile knows already.
    if (entry.index <= raft.membershipIndex) return { confState: raft.confState, change: undefined };
    raft.membershipIndex = entry.index;
    const change = decodeConfChange(entry.data);
    const membership = changeMembership(raft.membership, change);
    if (typeof membership === 'string') return { confState: raft.confState, change: undefined };
    raft.setMembership(membership);
    noteMembershipChanged(raft);
    return { confState: raft.confState, change };
  }

  hasReady(): boolean {
    const raft = this.#raft;
    return (
      raft.messages.length > 0 ||
      raft.readStates.length > 0 ||
      raft.log.hasUnstable ||
      raft.log.hasNextCommitted ||
      !isSameHardState(this.#hardState, this.#currentHardState()) ||
      !isSameSoftState(this.#softState, this.#currentSoftState())
    );
  }

  ready(): Ready {
    invariant(this.#outstanding === undefined, 'the last batch was not advanced');
    const raft = this.#raft;
    const { log } = raft;
    const hardState = this.#currentHardState();
    const softState = this.#currentSoftState();
    const entries = log.unstableEntries;
    const messages = raft.messages;
    const promises = hardState.term !== this.#hardState.term || hardState.vote !== this.#hardState.vote;
    const committedEntries = log.nextCommitted(raft.options.maxApplyBytes);
    const ready: Ready = {
      softState: isSameSoftState(this.#softState, softState) ? undefined : softState,
      hardState: isSameHardState(this.#hardState, hardState) ? undefined : hardState,
      snapshot: log.pendingSnapshot,
      entries,
      mustSync: promises || entries.length > 0 || log.pendingSnapshot !== undefined,
      mayOverlap: !promises && raft.role === 'leader' && messages.every((message) => LEADER_MESSAGES.has(message.type)),
      messages,
      committedEntries,
      readStates: raft.readStates,
    };
    raft.messages = [];
    raft.readStates = [];
    raft.noteCommitted(committedEntries);
    this.#hardState = hardState;
    this.#softState = softState;
    this.#outstanding = ready;
    this.#outstandingPromises = promises;
    return ready;
  }

  /**
   * What a leader may send although the batch handed out is still being written, so that a slow disk does not silence
   * it. Empty for anybody else, and while the term itself is not on disk.
   */
  takeEarlyMessages(): readonly Message[] {
    const raft = this.#raft;
    if (this.#outstanding === undefined || this.#outstandingPromises || raft.role !== 'leader') return [];
    if (raft.term !== this.#hardState.term || raft.vote !== this.#hardState.vote) return [];
    const early = raft.messages.filter((message) => LEADER_MESSAGES.has(message.type));
    raft.messages = raft.messages.filter((message) => !LEADER_MESSAGES.has(message.type));
    return early;
  }

  /** The batch handed out last is written, sent and applied. */
  advance(): void {
    const ready = this.#outstanding;
    invariant(ready !== undefined, 'there is no batch to advance');
    this.#outstanding = undefined;
    const { log } = this.#raft;
    const last = ready.entries.at(-1);
    if (last !== undefined) log.stableTo(last.index, last.term);
    if (ready.snapshot !== undefined) {
      log.stableSnapshot(ready.snapshot.metadata.index);
      log.appliedTo(ready.snapshot.metadata.index);
    }
    const applied = ready.committedEntries.at(-1);
    if (applied !== undefined) log.appliedTo(applied.index);
    noteStable(this.#raft);
  }

  status(): RaftStatus {
    const raft = this.#raft;
    const status: RaftStatus = {
      id: raft.id,
      leader: raft.leader,
      term: raft.term,
      role: raft.role,
      commit: raft.log.committed,
      applied: raft.log.applied,
      ...raft.confState,
    };
    if (raft.role !== 'leader') return status;
    const progress = new Map<number, ProgressStatus>();
    for (const [id, each] of raft.progress) progress.set(id, each.status());
    return { ...status, progress };
  }

  #currentHardState(): HardState {
    const { term, vote, log } = this.#raft;
    return { term, vote, commit: log.committed };
  }

  #currentSoftState(): SoftState {
    const { leader, role, term } = this.#raft;
    return { leader, role, term };
  }
}

function isSameHardState(a: HardState, b: HardState): boolean {
  return a.term === b.term && a.vote === b.vote && a.commit === b.commit;
}

function isSameSoftState(a: SoftState, b: SoftState): boolean {
  return a.leader === b.leader && a.role === b.role && a.term === b.term;
}
