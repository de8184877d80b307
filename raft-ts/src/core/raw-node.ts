// The core's outer face. Whatever goes in (ticks, messages, proposals) collects work; `ready` hands it out as one batch:
// write `snapshot`, `entries` and `hardState` to disk, then send `messages`, then apply; then call `advance`.
// More may go in between `ready` and `advance`; it comes with the next batch. One batch is out at a time.
// With `asyncStorageWrites` there is no `advance`: see StorageAppend and StorageApply.
import { encodeMembershipChange } from '../codec/conf-change-codec.js';
import { invariant, RaftError } from '../errors.js';
import type { Message, StorageResponse } from '../message.js';
import {
  type ConfState,
  type Entry,
  type HardState,
  type MembershipChange,
  NOBODY,
  type ProgressStatus,
  type RaftStatus,
  type Role,
} from '../types.js';
import { type AppliedConf, applyConfEntry } from './conf-changes.js';
import { changeMembership } from './membership.js';
import type { RaftOptions } from './options.js';
import { changeProblem, type ProposedEntry, propose } from './proposals.js';
import { Raft, type StepResult } from './raft.js';
import { startRead } from './reads.js';
import {
  appendResponse,
  applyResponse,
  hardStateOf,
  isSameHardState,
  isSameSoftState,
  noteStorage,
  type Ready,
  type SoftState,
  softStateOf,
  storageAppendOf,
  storageApplyOf,
} from './ready.js';
import { noteSnapshotSent, noteUnreachable } from './replication.js';
import type { ProposalRefusal } from './trace.js';
import { startTransfer } from './transfer.js';

export interface Proposed {
  /** Undefined if the proposal was passed on to the leader: what becomes of it is unknown. */
  readonly index: number | undefined;
  readonly term: number;
}

/** Sent by a leader to others and true whatever happens to its own disk; everything else promises something stored. */
const LEADER_MESSAGES: ReadonlySet<Message['type']> = new Set([
  'append',
  'heartbeat',
  'snap',
  'timeout-now',
  'read-index-response',
]);

/** Of what waits to be sent to somebody, the newest says all that the older ones did. */
const SUPERSEDED: ReadonlySet<Message['type']> = new Set([
  'heartbeat-response',
  'vote',
  'vote-response',
  'pre-vote',
  'pre-vote-response',
]);

/** Messages that only make sense from a member. */
const ANSWERS: ReadonlySet<Message['type']> = new Set([
  'append-response',
  'vote-response',
  'pre-vote-response',
  'heartbeat-response',
  'read-index-response',
]);

const REFUSALS: Readonly<Record<ProposalRefusal, string>> = {
  'no-leader': 'there is no leader to take proposals',
  'not-forwarded': 'this member does not lead and passes no proposals on',
  'not-a-member': 'this leader is no longer a member',
  transferring: 'the leadership is being transferred',
  'too-much-uncommitted': 'too many proposals wait to be committed',
};

export class RawNode {
  readonly #raft: Raft;
  #hardState: HardState;
  #softState: SoftState;
  /** What `advance` has to tell the core; undefined while no batch is out. */
  #steps: (Message | StorageResponse)[] | undefined;
  /** The batch that is out holds a new term or vote. */
  #outstandingPromises = false;

  constructor(options: RaftOptions) {
    this.#raft = new Raft(options);
    this.#hardState = hardStateOf(this.#raft);
    this.#softState = softStateOf(this.#raft);
  }

  get id(): number {
    return this.#raft.id;
  }

  get confState(): ConfState {
    return this.#raft.confState;
  }

  /** The members as of an applied entry; undefined if a snapshot that is not restored yet has moved on already. */
  confStateAt(applied: number): ConfState | undefined {
    return this.#raft.membershipIndex <= applied ? this.#raft.confState : undefined;
  }

  get softState(): SoftState {
    return softStateOf(this.#raft);
  }

  get term(): number {
    return this.#raft.term;
  }

  get role(): Role {
    return this.#raft.role;
  }

  /** The last entry known to be committed. */
  get commit(): number {
    return this.#raft.log.committed;
  }

  /** The last entry that the state machine has confirmed. */
  get applied(): number {
    return this.#raft.log.applied;
  }

  get lastIndex(): number {
    return this.#raft.log.lastIndex;
  }

  /** The term of a log entry; undefined if it was compacted away or does not exist. */
  termOf(index: number): number | undefined {
    return this.#raft.log.term(index);
  }

  get isSoleVoter(): boolean {
    return this.#raft.isSoleVoter;
  }

  tick(): void {
    this.#raft.tick();
  }

  /** Sets the ticks until this member campaigns, up to the next change of its role: for tests and simulations. */
  setElectionTimeout(ticks: number): void {
    this.#raft.electionTimeout = ticks;
  }

  /**
   * A message from another member, or, with asynchronous writes, one from this member that had to wait for its disk.
   * Whatever makes no sense is ignored.
   */
  step(message: Message): StepResult {
    const raft = this.#raft;
    const isOwn = message.from === raft.id && !raft.settings.asyncStorageWrites;
    if (isOwn || message.from === NOBODY || message.to !== raft.id) return 'taken';
    if (ANSWERS.has(message.type) && !raft.progress.has(message.from)) return 'unknown-sender';
    return raft.step(message);
  }

  /** With asynchronous writes: the disk has written, or the state machine has applied, what it was given. */
  stepStorage(response: StorageResponse): void {
    noteStorage(this.#raft, response);
  }

  /** Stands for election, if this member may. */
  campaign(): void {
    this.#raft.hup();
  }

  /** On the leader: puts the payloads into the log, in order. On a follower: passes them on. */
  propose(payloads: readonly Uint8Array[]): Proposed {
    return this.#propose(payloads.map((data) => ({ type: 'normal', data })));
  }

  /** Throws a RaftError: `invalid` if the change makes no sense, `dropped` if not now. */
  proposeConfChange(change: MembershipChange): Proposed {
    const raft = this.#raft;
    const entry = encodeMembershipChange(change);
    if (raft.role === 'leader' && !raft.settings.disableConfChangeValidation) {
      const changed = changeMembership(raft.membership, change);
      if (typeof changed === 'string') throw new RaftError('invalid', `membership change refused: ${changed}`);
      const problem = changeProblem(raft, change);
      if (problem !== undefined) throw new RaftError('dropped', `membership change refused: ${problem}`);
    }
    return this.#propose([entry]);
  }

  /**
   * As `proposeConfChange`, but a change that must not be made now enters the leader's log as an empty entry. That is
   * what becomes of those that a follower passes on.
   */
  proposeConfChangeOrNothing(change: MembershipChange): Proposed {
    return this.#propose([encodeMembershipChange(change)]);
  }

  #propose(proposed: readonly ProposedEntry[]): Proposed {
    const raft = this.#raft;
    const index = raft.log.lastIndex + 1;
    if (raft.role === 'leader') {
      const refusal = propose(raft, proposed);
      if (refusal !== undefined) throw new RaftError('dropped', REFUSALS[refusal], { leader: raft.transferee });
      return { index, term: raft.term };
    }
    const entries = proposed.map((entry): Entry => ({ ...entry, index: 0, term: 0 }));
    const result = raft.step({ type: 'propose', from: raft.id, to: raft.id, term: 0, entries });
    if (result === 'dropped') {
      throw new RaftError('dropped', REFUSALS[raft.leader === NOBODY ? 'no-leader' : 'not-forwarded']);
    }
    return { index: undefined, term: raft.term };
  }

  /** Asks for a linearizable read point; it comes as a read state with this context. False if nobody leads. */
  readIndex(context: Uint8Array): boolean {
    const raft = this.#raft;
    if (raft.role === 'leader') startRead(raft, raft.id, context);
    else if (raft.leader === NOBODY) return false;
    else raft.step({ type: 'read-index', from: raft.id, to: raft.id, term: 0, context });
    return true;
  }

  transferLeadership(to: number): void {
    const raft = this.#raft;
    if (raft.role === 'leader') startTransfer(raft, to);
    else raft.step({ type: 'transfer-leader', from: raft.id, to: raft.id, term: raft.term, transferee: to });
  }

  /** A follower that knows better than to wait for its leader's silence: it votes for anybody from now on. */
  forgetLeader(): void {
    const raft = this.#raft;
    const { leader, term } = raft;
    if (raft.role !== 'follower') return;
    if (raft.settings.reads === 'lease') {
      // The leader's lease is just this: that nobody votes while it was heard a moment ago.
      raft.trace?.({ kind: 'forget-refused' });
    } else if (leader !== NOBODY) {
      raft.trace?.({ kind: 'leader-forgotten', leader, term });
      raft.leader = NOBODY;
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
    return applyConfEntry(this.#raft, entry);
  }

  hasReady(): boolean {
    const raft = this.#raft;
    return (
      raft.messages.length > 0 ||
      raft.afterAppend.length > 0 ||
      raft.readStates.length > 0 ||
      raft.log.unstable.hasNextEntries ||
      raft.log.unstable.nextSnapshot() !== undefined ||
      raft.log.hasNextCommitted(this.#appliesUnstable) ||
      !isSameHardState(this.#hardState, hardStateOf(raft)) ||
      !isSameSoftState(this.#softState, softStateOf(raft))
    );
  }

  /** With asynchronous writes nothing is applied before this member has it on disk itself. */
  get #appliesUnstable(): boolean {
    return !this.#raft.settings.asyncStorageWrites;
  }

  ready(): Ready {
    invariant(this.#steps === undefined, 'the last batch was not advanced');
    const raft = this.#raft;
    const now = hardStateOf(raft);
    const hardState = isSameHardState(this.#hardState, now) ? undefined : now;
    const softState = isSameSoftState(this.#softState, softStateOf(raft)) ? undefined : softStateOf(raft);
    const promises = now.term !== this.#hardState.term || now.vote !== this.#hardState.vote;
    const entries = raft.log.unstable.nextEntries();
    const snapshot = raft.log.unstable.nextSnapshot();
    const committedEntries = raft.log.nextCommitted(this.#appliesUnstable);
    const isAsync = raft.settings.asyncStorageWrites;
    const messages = isAsync ? raft.messages : this.#messagesOfBatch();
    const ready: Ready = {
      softState,
      hardState,
      snapshot,
      entries,
      mustSync: promises || entries.length > 0 || snapshot !== undefined,
      mayOverlap: !promises && raft.role === 'leader' && messages.every(({ type }) => LEADER_MESSAGES.has(type)),
      messages,
      committedEntries,
      readStates: raft.readStates,
      storageAppend: isAsync ? storageAppendOf(raft, { hardState, snapshot, entries }) : undefined,
      storageApply: isAsync ? storageApplyOf(raft, committedEntries) : undefined,
    };
    if (!isAsync) {
      this.#steps = this.#stepsOnAdvance(ready);
      this.#outstandingPromises = promises;
    }
    this.#accept(ready);
    return ready;
  }

  /** All that others shall get once the batch is written; the own answers are for `advance`. */
  #messagesOfBatch(): readonly Message[] {
    const { id, messages, afterAppend } = this.#raft;
    if (afterAppend.length === 0) return messages;
    const waiting = afterAppend.filter(({ to }) => to !== id);
    return waiting.length === 0 ? messages : [...messages, ...waiting];
  }

  #accept(ready: Ready): void {
    const raft = this.#raft;
    raft.messages = [];
    raft.afterAppend = [];
    raft.readStates = [];
    raft.log.unstable.acceptInProgress();
    raft.log.acceptApplying(ready.committedEntries, this.#appliesUnstable);
    this.#hardState = ready.hardState ?? this.#hardState;
    this.#softState = ready.softState ?? this.#softState;
  }

  /** What the core hears once the batch is written and applied: its own answers first, as they came. */
  #stepsOnAdvance(ready: Ready): (Message | StorageResponse)[] {
    const raft = this.#raft;
    const steps: (Message | StorageResponse)[] = raft.afterAppend.filter(({ to }) => to === raft.id);
    const written = appendResponse(raft, ready.snapshot);
    if (written !== undefined) steps.push(written);
    const applied = applyResponse(raft, ready.committedEntries);
    if (applied !== undefined) steps.push(applied);
    return steps;
  }

  /**
   * What a leader may send although the batch handed out is still being written, so that a slow disk does not silence
   * it. Empty for anybody else, and while the term itself is not on disk.
   */
  takeEarlyMessages(): readonly Message[] {
    const raft = this.#raft;
    if (this.#steps === undefined || this.#outstandingPromises || raft.role !== 'leader') return [];
    if (raft.term !== this.#hardState.term || raft.vote !== this.#hardState.vote) return [];
    const early = raft.messages.filter((message) => LEADER_MESSAGES.has(message.type));
    raft.messages = raft.messages.filter((message) => !LEADER_MESSAGES.has(message.type));
    return early;
  }

  /** While a batch cannot be written, messages must not pile up behind it without end: losing old ones is allowed. */
  dropSuperseded(): void {
    const raft = this.#raft;
    raft.messages = withoutSuperseded(raft.messages);
    raft.afterAppend = withoutSuperseded(raft.afterAppend);
  }

  /** The batch handed out last is written, sent and applied. */
  advance(): void {
    const steps = this.#steps;
    invariant(steps !== undefined, 'there is no batch to advance');
    this.#steps = undefined;
    for (const step of steps) {
      if (step.type === 'storage-append-response' || step.type === 'storage-apply-response') this.stepStorage(step);
      else this.#raft.step(step);
    }
  }

  status(): RaftStatus {
    const raft = this.#raft;
    const status: RaftStatus = {
      id: raft.id,
      leader: raft.leader,
      term: raft.term,
      vote: raft.vote,
      role: raft.role,
      commit: raft.log.committed,
      applied: raft.log.applied,
      transferee: raft.transferee,
      ...raft.confState,
    };
    if (raft.role !== 'leader') return status;
    const progress = new Map<number, ProgressStatus>();
    for (const [id, each] of raft.progress) progress.set(id, each.status());
    return { ...status, progress };
  }
}

function withoutSuperseded(messages: Message[]): Message[] {
  const newest = new Map<string, Message>();
  for (const message of messages) newest.set(`${message.type} ${message.to}`, message);
  return messages.filter((each) => !SUPERSEDED.has(each.type) || newest.get(`${each.type} ${each.to}`) === each);
}
