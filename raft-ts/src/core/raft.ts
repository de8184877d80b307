// One member's consensus state and the rules that hold in every role: terms, role changes, ticks, the outbox. What a
// role does with a message is in election.ts, follower.ts and leader.ts. Deterministic: no I/O, no clock (ticks are
// counted), randomness passed in. PreVote and CheckQuorum are always on.
// Invariants: the term never goes down; at most one vote per term; a leader never replaces an entry of its own log.
import type { Message } from '../message.js';
import type { Storage } from '../storage/storage.js';
import { type ConfState, type Entry, NOBODY, type Role } from '../types.js';
import { campaign, handleVote, handleVoteResponse } from './election.js';
import { handleFollowerMessage } from './follower.js';
import { broadcastHeartbeat, confirmQuorum, handleLeaderMessage, startLeading } from './leader.js';
import { confStateOf, type Membership, membershipFrom, NO_MEMBERS, voterSetsOf } from './membership.js';
import { Progress } from './progress.js';
import type { VoterSets } from './quorum.js';
import { RaftLog } from './raft-log.js';
import { ReadRequests } from './read-requests.js';

export interface RaftOptions {
  readonly id: number;
  readonly storage: Storage;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Data bytes of one append message (at least one entry goes). */
  readonly maxAppendBytes: number;
  /** Unanswered appends to one member. */
  readonly maxInflight: number;
  /** Proposals are refused while so many bytes are not committed. */
  readonly maxUncommittedBytes: number;
  /** Data bytes of the committed entries in one Ready. */
  readonly maxApplyBytes: number;
}

/** A read request was confirmed: `index` must be applied before the read is answered. */
export interface ReadState {
  readonly index: number;
  readonly context: Uint8Array;
}

type WithoutFrom<M> = M extends Message ? Omit<M, 'from'> : never;
export type Outgoing = WithoutFrom<Message>;

/** Reads that wait for a new leader's first commit; more are dropped (the asker asks again). */
export const MAX_WAITING_READS = 1024;

export class Raft {
  readonly options: RaftOptions;
  readonly id: number;
  readonly log: RaftLog;
  term: number;
  vote: number;
  role: Role = 'follower';
  leader = NOBODY;
  membership: Membership = NO_MEMBERS;
  /** Index up to which membership changes are applied. */
  membershipIndex: number;
  progress = new Map<number, Progress>();
  votes = new Map<number, boolean>();
  messages: Message[] = [];
  readStates: ReadState[] = [];
  reads = new ReadRequests();
  /** Read requests that came before this leader had committed anything. */
  waitingReads: { from: number; context: Uint8Array }[] = [];
  electionElapsed = 0;
  heartbeatElapsed = 0;
  electionTimeout: number;
  transferee = NOBODY;
  /** No conf change may be proposed before this index is applied. */
  pendingConfIndex = 0;
  uncommittedBytes = 0;

  constructor(options: RaftOptions) {
    this.options = options;
    this.id = options.id;
    const { hardState, confState } = options.storage.initialState();
    const applied = options.storage.snapshot().index;
    this.log = new RaftLog(options.storage, hardState.commit, applied);
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.membershipIndex = applied;
    this.electionTimeout = options.electionTicks;
    this.setMembership(membershipFrom(confState));
    this.becomeFollower(this.term, NOBODY);
  }

  get voterSets(): VoterSets {
    return voterSetsOf(this.membership);
  }

  get confState(): ConfState {
    return confStateOf(this.membership);
  }

  get isSoleVoter(): boolean {
    return this.membership.voters.size === 1 && this.membership.voters.has(this.id);
  }

  /** Whether this member may stand for election at all. */
  get canStand(): boolean {
    return this.membership.voters.has(this.id) && this.log.pendingSnapshot === undefined;
  }

  setMembership(membership: Membership): void {
    this.membership = membership;
    const ids = new Set([...membership.voters, ...membership.learners]);
    for (const id of this.progress.keys()) if (!ids.has(id)) this.progress.delete(id);
    for (const id of ids) {
      if (this.progress.has(id)) continue;
      const progress = new Progress(this.log.lastIndex + 1, this.options.maxInflight);
      // A newcomer counts as active at first, so that its arrival does not make the leader step down.
      progress.recentActive = true;
      this.progress.set(id, progress);
    }
  }

  send(message: Outgoing): void {
    this.messages.push({ ...message, from: this.id });
  }

  tick(): void {
    this.electionElapsed += 1;
    if (this.role === 'leader') this.#tickLeader();
    else if (this.electionElapsed >= this.electionTimeout && this.canStand) {
      this.electionElapsed = 0;
      campaign(this, 'pre-vote');
    }
  }

  #tickLeader(): void {
    this.heartbeatElapsed += 1;
    if (this.electionElapsed >= this.options.electionTicks) {
      this.electionElapsed = 0;
      confirmQuorum(this);
      // A transfer that has not happened within an election timeout is given up: proposals flow again.
      this.transferee = NOBODY;
    }
    if (this.role === 'leader' && this.heartbeatElapsed >= this.options.heartbeatTicks) {
      this.heartbeatElapsed = 0;
      broadcastHeartbeat(this);
    }
  }

  /** Handles a message from another member. Anything that makes no sense here is ignored. */
  step(message: Message): void {
    if (message.type !== 'propose' && message.type !== 'read-index' && !this.#acceptTerm(message)) return;
    switch (message.type) {
      case 'vote':
      case 'pre-vote':
        handleVote(this, message);
        break;
      case 'vote-response':
      case 'pre-vote-response':
        handleVoteResponse(this, message);
        break;
      default:
        if (this.role === 'leader') handleLeaderMessage(this, message);
        else handleFollowerMessage(this, message);
    }
  }

  /** Brings the own term up to the message's. False if the message is not to be looked at any further. */
  #acceptTerm(message: Message): boolean {
    if (message.term === this.term) return true;
    if (message.term < this.term) {
      this.#answerOldTerm(message);
      return false;
    }
    switch (message.type) {
      case 'vote':
      case 'pre-vote':
        // While a leader is heard, nobody gets a vote, and nobody's term disturbs: unless that leader asked for it.
        if (!message.transfer && this.leader !== NOBODY && this.electionElapsed < this.options.electionTicks) {
          return false;
        }
        if (message.type === 'vote') this.becomeFollower(message.term, NOBODY);
        return true;
      case 'pre-vote-response':
        // Granted, it bears the term that was asked for; the own term rises only with the real election.
        if (message.reject) this.becomeFollower(message.term, NOBODY);
        return true;
      case 'append':
      case 'heartbeat':
      case 'snap':
        this.becomeFollower(message.term, message.from);
        return true;
      default:
        this.becomeFollower(message.term, NOBODY);
        return true;
    }
  }

  #answerOldTerm(message: Message): void {
    if (message.type === 'append' || message.type === 'heartbeat') {
      // A leader that was left behind: it steps down when it sees the newer term. Without this, a member whose term
      // ran ahead would never be heard (its pre-votes are refused) and never follow.
      const index = this.log.committed;
      this.send({
        type: 'append-response',
        to: message.from,
        term: this.term,
        index,
        reject: false,
        hintIndex: 0,
        hintTerm: 0,
      });
    } else if (message.type === 'pre-vote') {
      this.send({ type: 'pre-vote-response', to: message.from, term: this.term, reject: true });
    }
  }

  becomeFollower(term: number, leader: number): void {
    this.#reset(term);
    this.role = 'follower';
    this.leader = leader;
  }

  becomePreCandidate(): void {
    this.votes = new Map();
    this.role = 'pre-candidate';
    this.leader = NOBODY;
  }

  becomeCandidate(): void {
    this.#reset(this.term + 1);
    this.role = 'candidate';
    this.vote = this.id;
  }

  becomeLeader(): void {
    this.#reset(this.term);
    this.role = 'leader';
    this.leader = this.id;
    startLeading(this);
  }

  #reset(term: number): void {
    if (term !== this.term) {
      this.term = term;
      this.vote = NOBODY;
    }
    this.leader = NOBODY;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    const { electionTicks, random, maxInflight } = this.options;
    this.electionTimeout = electionTicks + Math.floor(random() * electionTicks);
    this.transferee = NOBODY;
    this.votes = new Map();
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.reads = new ReadRequests();
    this.waitingReads = [];
    for (const id of this.progress.keys()) {
      this.progress.set(id, new Progress(this.log.lastIndex + 1, maxInflight));
    }
  }

  /** A confirmed read goes back to whoever asked. */
  answerRead(from: number, index: number, context: Uint8Array): void {
    if (from === this.id) this.readStates.push({ index, context });
    else this.send({ type: 'read-index-response', to: from, term: this.term, index, context });
  }

  noteProposed(entries: readonly Entry[]): void {
    for (const entry of entries) this.uncommittedBytes += entry.data.length;
  }

  noteCommitted(entries: readonly Entry[]): void {
    // Entries of former leaders were never counted: do not go below zero.
    for (const entry of entries) this.uncommittedBytes = Math.max(0, this.uncommittedBytes - entry.data.length);
  }
}
