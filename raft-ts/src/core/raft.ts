// One member's consensus state and the rules that hold in every role: terms, role changes, ticks, the outbox. What a
// role does with a message is in election.ts, follower.ts and leader.ts. Deterministic: no I/O, no clock (ticks are
// counted), randomness passed in.
// Invariants: the term never goes down; at most one vote per term; a leader never replaces an entry of its own log.
import { payloadSizeBytes } from '../entry-size.js';
import type { Message } from '../message.js';
import { type ConfState, type Entry, NOBODY, type Role, type Snapshot } from '../types.js';
import { autoLeave } from './conf-changes.js';
import { campaign, handleVote, ignoresVote } from './election.js';
import { handleCandidateMessage, handleFollowerMessage } from './follower.js';
import { confirmQuorum, handleLeaderMessage, startLeading } from './leader.js';
import {
  confStateOf,
  isVoter,
  type Membership,
  memberIdsOf,
  membershipFrom,
  NO_MEMBERS,
  voterIdsOf,
  voterSetsOf,
} from './membership.js';
import { type RaftOptions, type RaftSettings, settingsOf } from './options.js';
import { Progress } from './progress.js';
import type { VoterSets } from './quorum.js';
import { RaftLog } from './raft-log.js';
import { ReadRequests } from './read-requests.js';
import { broadcastHeartbeat } from './replication.js';
import type { Rules } from './rules.js';
import type { Trace } from './trace.js';

/** A read request was confirmed: `index` must be applied before the read is answered. */
export interface ReadState {
  readonly index: number;
  readonly context: Uint8Array;
}

/** What became of a message: taken (or ignored for good reasons), from nobody known, or a proposal that was refused. */
export type StepResult = 'taken' | 'unknown-sender' | 'dropped';

/** Answers promise that something is on disk. They wait for it, even those from a member to itself. */
const AFTER_APPEND: ReadonlySet<Message['type']> = new Set(['append-response', 'vote-response', 'pre-vote-response']);

export class Raft {
  readonly settings: RaftSettings;
  readonly id: number;
  readonly rules: Rules;
  readonly trace: Trace | undefined;
  readonly log: RaftLog;
  term: number;
  vote: number;
  role: Role = 'follower';
  leader = NOBODY;
  membership: Membership = NO_MEMBERS;
  /** Index up to which membership changes are applied. */
  membershipIndex: number;
  /** By ascending id. */
  progress = new Map<number, Progress>();
  votes = new Map<number, boolean>();
  /** To be sent at once. */
  messages: Message[] = [];
  /** To be sent, or taken by this member itself, once everything handed out so far and everything unstable is on disk. */
  afterAppend: Message[] = [];
  readStates: ReadState[] = [];
  reads = new ReadRequests();
  electionElapsed = 0;
  heartbeatElapsed = 0;
  electionTimeout: number;
  transferee = NOBODY;
  /** No conf change may be proposed before this index is applied. */
  pendingConfIndex = 0;
  uncommittedBytes = 0;

  constructor(options: RaftOptions) {
    this.settings = settingsOf(options);
    this.id = this.settings.id;
    this.rules = this.settings.rules;
    this.trace = options.trace;
    const { hardState, confState } = options.storage.initialState();
    const applied = options.applied ?? options.storage.snapshot().index;
    this.log = new RaftLog({
      storage: options.storage,
      commit: hardState.commit,
      applied,
      maxApplyBytes: this.settings.maxApplyBytes,
      rules: this.rules,
      trace: options.trace,
    });
    this.term = 0;
    this.vote = NOBODY;
    this.membershipIndex = applied;
    this.electionTimeout = this.settings.electionTicks;
    this.setMembership(membershipFrom(confState));
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.becomeFollower(this.term, NOBODY);
    const { committed: commit, end: last } = this.log;
    this.trace?.({ kind: 'started', peers: voterIdsOf(this.membership), term: this.term, commit, applied, last });
  }

  get voterSets(): VoterSets {
    return this.rules.decidingSets(voterSetsOf(this.membership));
  }

  get confState(): ConfState {
    return confStateOf(this.membership);
  }

  get isSoleVoter(): boolean {
    return (
      this.membership.voters.size === 1 && this.membership.outgoing.size === 0 && this.membership.voters.has(this.id)
    );
  }

  /** Whether this member may stand for election at all. */
  get canStand(): boolean {
    return isVoter(this.membership, this.id) && this.log.unstable.snapshot === undefined;
  }

  get hasCommittedInTerm(): boolean {
    return this.log.term(this.log.committed) === this.term;
  }

  setMembership(membership: Membership): void {
    const { joined } = membership;
    const before = this.progress;
    this.membership = membership;
    this.progress = new Map();
    for (const id of memberIdsOf(membership)) {
      const isLearner = membership.learners.has(id);
      const known = joined.has(id) ? undefined : before.get(id);
      const progress = known ?? this.#newProgress(Math.max(this.log.lastIndex, 1), isLearner);
      progress.isLearner = isLearner;
      // A newcomer counts as active at first, so that its arrival does not make the leader step down.
      if (known === undefined) progress.recentActive = true;
      this.progress.set(id, progress);
    }
    this.trace?.({ kind: 'membership', membership });
  }

  #newProgress(next: number, isLearner: boolean): Progress {
    const { maxInflight, maxInflightBytes } = this.settings;
    return new Progress(next, { count: maxInflight, bytes: maxInflightBytes }, isLearner);
  }

  /** Puts a message into the outbox; answers wait there for the disk. */
  send(message: Message): void {
    if (AFTER_APPEND.has(message.type)) this.afterAppend.push(message);
    else this.messages.push(message);
  }

  tick(): void {
    this.electionElapsed += 1;
    if (this.role === 'leader') this.#tickLeader();
    else if (this.electionElapsed >= this.electionTimeout && this.canStand) {
      this.electionElapsed = 0;
      this.hup();
    }
  }

  #tickLeader(): void {
    this.heartbeatElapsed += 1;
    if (this.electionElapsed >= this.settings.electionTicks) {
      this.electionElapsed = 0;
      if (this.settings.checkQuorum) confirmQuorum(this);
      // A transfer that has not happened within an election timeout is given up: proposals flow again.
      this.transferee = NOBODY;
    }
    if (this.role === 'leader' && this.heartbeatElapsed >= this.settings.heartbeatTicks) {
      this.heartbeatElapsed = 0;
      broadcastHeartbeat(this);
    }
  }

  /** Stands for election, if this member may. */
  hup(): void {
    campaign(this, this.rules.asksBeforeElection(this.settings.preVote) ? 'pre-vote' : 'vote');
  }

  /** Handles a message from another member, or an own one that had to wait for the disk. What makes no sense is ignored. */
  step(message: Message): StepResult {
    const isRequest = message.type === 'propose' || message.type === 'read-index';
    if (!isRequest && !this.#acceptTerm(message)) return 'taken';
    if (message.type === 'vote' || message.type === 'pre-vote') {
      handleVote(this, message);
      return 'taken';
    }
    switch (this.role) {
      case 'leader':
        return handleLeaderMessage(this, message);
      case 'follower':
        return handleFollowerMessage(this, message);
      case 'pre-candidate':
      case 'candidate':
        return handleCandidateMessage(this, message);
    }
  }

  /** Brings the own term up to the message's. False if the message is not to be looked at any further. */
  #acceptTerm(message: Message): boolean {
    if (message.term === this.term) return true;
    if (message.term < this.term) {
      this.#answerOldTerm(message);
      return false;
    }
    const { type } = message;
    if ((type === 'vote' || type === 'pre-vote') && ignoresVote(this, message)) return false;
    // A pre-vote asks about a term to come; granted, it is answered in that term.
    if (type === 'pre-vote' || (type === 'pre-vote-response' && !message.reject)) return true;
    this.trace?.({ kind: 'higher-term', type, from: message.from, messageTerm: message.term, term: this.term });
    const isFromLeader = type === 'append' || type === 'heartbeat' || type === 'snap';
    this.becomeFollower(message.term, isFromLeader ? message.from : NOBODY);
    return true;
  }

  #answerOldTerm(message: Message): void {
    const { type, from } = message;
    if ((this.settings.checkQuorum || this.settings.preVote) && (type === 'append' || type === 'heartbeat')) {
      // A leader that was left behind: it steps down when it sees the newer term. Without this, a member whose term
      // ran ahead would never be heard (its pre-votes are refused) and never follow.
      this.send({
        type: 'append-response',
        from: this.id,
        to: from,
        term: this.term,
        index: 0,
        reject: false,
        hintIndex: 0,
        hintTerm: 0,
      });
    } else if (type === 'pre-vote') {
      handleVote(this, message);
    } else {
      this.trace?.({ kind: 'lower-term', type, from, messageTerm: message.term, term: this.term });
    }
  }

  becomeFollower(term: number, leader: number): void {
    this.#reset(term);
    this.role = 'follower';
    this.leader = leader;
    this.#traceRole();
  }

  becomePreCandidate(): void {
    this.votes = new Map();
    this.role = 'pre-candidate';
    this.leader = NOBODY;
    this.#traceRole();
  }

  becomeCandidate(): void {
    this.#reset(this.term + 1);
    this.role = 'candidate';
    this.vote = this.id;
    this.#traceRole();
  }

  becomeLeader(): void {
    this.#reset(this.term);
    this.role = 'leader';
    this.leader = this.id;
    startLeading(this);
    this.#traceRole();
  }

  #traceRole(): void {
    this.trace?.({ kind: 'role', role: this.role, term: this.term });
  }

  #reset(term: number): void {
    if (term !== this.term) {
      this.term = term;
      this.vote = NOBODY;
    }
    this.leader = NOBODY;
    this.electionElapsed = 0;
    this.heartbeatElapsed = 0;
    const { electionTicks, random } = this.settings;
    this.electionTimeout = electionTicks + Math.floor(random() * electionTicks);
    this.transferee = NOBODY;
    this.votes = new Map();
    this.pendingConfIndex = 0;
    this.uncommittedBytes = 0;
    this.reads = new ReadRequests();
    const last = this.log.lastIndex;
    for (const [id, { isLearner }] of this.progress) {
      const progress = this.#newProgress(last + 1, isLearner);
      if (id === this.id) progress.match = last;
      this.progress.set(id, progress);
    }
  }

  /** The disk holds the log up to (`index`, `logTerm`), asked for in `term`. */
  noteStable(term: number, index: number, logTerm: number): void {
    if (term < this.term) {
      // Entries written in an older term may have been replaced since, by a write that is still under way.
      this.trace?.({ kind: 'stale-write', messageTerm: term, term: this.term });
      return;
    }
    this.log.unstable.stableTo(index, logTerm);
  }

  noteSnapshotStable(snapshot: Snapshot): void {
    const { index } = snapshot.metadata;
    this.log.unstable.stableSnapshotTo(index);
    this.noteApplied(index, 0);
  }

  noteEntriesApplied(entries: readonly Entry[], bytes: number): void {
    const last = entries.at(-1);
    if (last === undefined) return;
    this.noteApplied(last.index, bytes);
    // Entries of former leaders were never counted: do not go below zero.
    this.uncommittedBytes = Math.max(0, this.uncommittedBytes - payloadSizeBytes(entries));
  }

  noteApplied(index: number, bytes: number): void {
    this.log.appliedTo(index, bytes);
    if (this.membership.autoLeave && this.log.applied >= this.pendingConfIndex && this.role === 'leader')
      autoLeave(this);
  }
}
