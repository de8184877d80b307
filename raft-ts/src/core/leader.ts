// What a leader does: it takes proposals, feeds every member's log, counts what a majority holds, and makes sure by
// their answers that it still leads.
// Invariants: its own log only grows; it counts majorities for entries of its own term only, all earlier ones are
// committed with them; it counts itself only for what is on its disk.
import { decodeConfChange } from '../codec/conf-change-codec.js';
import { invariant, RaftError } from '../errors.js';
import type { AppendResponseMessage, HeartbeatResponseMessage, Message } from '../message.js';
import { type Entry, NO_DATA, NOBODY } from '../types.js';
import { changeMembership } from './membership.js';
import type { Progress } from './progress.js';
import { committedIndex, hasQuorum } from './quorum.js';
import { MAX_WAITING_READS, type Raft } from './raft.js';

export type ProposedEntry = Pick<Entry, 'type' | 'data'>;

/** A new leader first commits an empty entry of its own term: only that commits what former leaders left behind. */
export function startLeading(raft: Raft): void {
  const self = raft.progress.get(raft.id);
  invariant(self !== undefined, 'the leader is not a member');
  self.becomeReplicate();
  self.match = Math.min(raft.log.stableIndex, raft.log.lastIndex);
  self.recentActive = true;
  raft.pendingConfIndex = raft.log.lastIndex;
  appendOwn(raft, [{ type: 'normal', data: NO_DATA }]);
  broadcastAppend(raft);
}

/** Puts proposals into the log. Returns the index of the first; throws a RaftError if they cannot be taken now. */
export function propose(raft: Raft, proposed: readonly ProposedEntry[]): number {
  if (raft.transferee !== NOBODY) throw new RaftError('dropped', 'the leadership is being transferred');
  if (!raft.progress.has(raft.id)) throw new RaftError('dropped', 'this leader is no longer a member');
  const bytes = proposed.reduce((sum, entry) => sum + entry.data.length, 0);
  // Whatever its size, one proposal is always let in when nothing waits.
  if (raft.uncommittedBytes > 0 && raft.uncommittedBytes + bytes > raft.options.maxUncommittedBytes) {
    throw new RaftError('dropped', `${raft.uncommittedBytes} bytes of proposals wait to be committed`);
  }
  for (const entry of proposed) if (entry.type === 'conf') checkConfChange(raft, entry.data);
  invariant(
    proposed.filter((entry) => entry.type === 'conf').length <= 1,
    'more than one membership change in one proposal',
  );
  const first = raft.log.lastIndex + 1;
  const confAt = proposed.findIndex((entry) => entry.type === 'conf');
  if (confAt >= 0) raft.pendingConfIndex = first + confAt;
  appendOwn(raft, proposed);
  broadcastAppend(raft);
  return first;
}

/** One change at a time, and the first only after this leader has committed something in its own term. */
function checkConfChange(raft: Raft, data: Uint8Array): void {
  const reason = changeMembership(raft.membership, decodeConfChange(data));
  if (typeof reason === 'string') throw new RaftError('invalid', `membership change refused: ${reason}`);
  if (raft.log.applied < raft.pendingConfIndex) {
    throw new RaftError('dropped', 'another membership change is not applied yet');
  }
  if (!hasCommittedInTerm(raft)) throw new RaftError('dropped', 'this leader has not committed anything yet');
}

function appendOwn(raft: Raft, proposed: readonly ProposedEntry[]): void {
  const first = raft.log.lastIndex + 1;
  const entries = proposed.map((entry, at): Entry => ({ ...entry, index: first + at, term: raft.term }));
  raft.log.append(entries);
  raft.noteProposed(entries);
}

/** What is on the own disk counts from now on. */
export function noteStable(raft: Raft): void {
  const self = raft.progress.get(raft.id);
  if (raft.role !== 'leader' || self === undefined) return;
  if (self.accept(raft.log.stableIndex) && maybeCommit(raft)) broadcastAppend(raft);
}

export function hasCommittedInTerm(raft: Raft): boolean {
  return raft.log.term(raft.log.committed) === raft.term;
}

/** Commits what a majority holds, if it is of the own term. True if the commit index went up. */
export function maybeCommit(raft: Raft): boolean {
  const index = committedIndex(raft.voterSets, (id) => raft.progress.get(id)?.match ?? 0);
  if (raft.log.term(index) !== raft.term || !raft.log.commitTo(index)) return false;
  const waiting = raft.waitingReads.splice(0);
  for (const read of waiting) startRead(raft, read.from, read.context);
  return true;
}

export function broadcastAppend(raft: Raft): void {
  for (const to of raft.progress.keys()) if (to !== raft.id) sendAppend(raft, to, true);
}

/** Sends what `to` needs next: entries, an empty append if `evenEmpty`, or a snapshot. False if nothing was sent. */
function sendAppend(raft: Raft, to: number, evenEmpty: boolean): boolean {
  const progress = raft.progress.get(to);
  if (progress === undefined || progress.isPaused()) return false;
  const { log } = raft;
  const prevIndex = progress.next - 1;
  const prevTerm = log.term(prevIndex);
  if (prevTerm === undefined || progress.next < log.firstIndex) return sendSnapshot(raft, to, progress);
  const entries = log.slice(progress.next, log.lastIndex + 1, raft.options.maxAppendBytes);
  if (entries.length === 0 && !evenEmpty) return false;
  raft.send({ type: 'append', to, term: raft.term, prevIndex, prevTerm, entries, commit: log.committed });
  progress.sent(entries.at(-1)?.index ?? 0);
  return true;
}

function sendSnapshot(raft: Raft, to: number, progress: Progress): boolean {
  // A snapshot is costly: not to somebody who is not there.
  if (!progress.recentActive) return false;
  const metadata = raft.log.storedSnapshot();
  invariant(metadata.index > 0, 'entries were compacted without a snapshot');
  raft.send({ type: 'snap', to, term: raft.term, snapshot: { metadata, data: NO_DATA } });
  progress.becomeSnapshot(metadata.index);
  return true;
}

export function broadcastHeartbeat(raft: Raft): void {
  const context = raft.reads.newestContext() ?? NO_DATA;
  for (const [to, progress] of raft.progress) {
    if (to === raft.id) continue;
    // Never beyond what the member surely holds: its log after that may be another one.
    const commit = Math.min(progress.match, raft.log.committed);
    raft.send({ type: 'heartbeat', to, term: raft.term, commit, context });
  }
}

/** Once per election timeout: a leader that a majority has not answered meanwhile steps down. */
export function confirmQuorum(raft: Raft): void {
  const isActive = (id: number): boolean => id === raft.id || (raft.progress.get(id)?.recentActive ?? false);
  if (!hasQuorum(raft.voterSets, isActive)) {
    raft.becomeFollower(raft.term, NOBODY);
    return;
  }
  for (const [id, progress] of raft.progress) progress.recentActive = id === raft.id;
}

export function handleLeaderMessage(raft: Raft, message: Message): void {
  const progress = raft.progress.get(message.from);
  switch (message.type) {
    case 'append-response':
      if (progress !== undefined) handleAppendResponse(raft, message, progress);
      break;
    case 'heartbeat-response':
      if (progress !== undefined) handleHeartbeatResponse(raft, message, progress);
      break;
    case 'propose':
      proposeForwarded(raft, message.entries);
      break;
    case 'read-index':
      startRead(raft, message.from, message.context);
      break;
    case 'transfer-leader':
      startTransfer(raft, message.transferee);
      break;
    default:
      break;
  }
}

function proposeForwarded(raft: Raft, entries: readonly Entry[]): void {
  try {
    propose(raft, entries);
  } catch (error) {
    // Lost like a message on the way; whoever forwarded it cannot be told.
    if (!(error instanceof RaftError)) throw error;
  }
}

function handleAppendResponse(raft: Raft, message: AppendResponseMessage, progress: Progress): void {
  progress.recentActive = true;
  // Nobody can hold more than the leader wrote: not an answer to anything that was sent.
  if (message.index > raft.log.lastIndex) return;
  if (message.reject) {
    const agreeAt = raft.log.lastNotAfter(message.hintIndex, message.hintTerm).index;
    if (!progress.reject(message.index, message.hintTerm > 0 ? agreeAt : message.hintIndex)) return;
    if (progress.state === 'replicate') progress.becomeProbe();
    sendAppend(raft, message.from, true);
    return;
  }
  const wasPaused = progress.isPaused();
  const isFirstMatch = progress.state === 'probe' && message.index === progress.match;
  if (!progress.accept(message.index) && !isFirstMatch) return;
  advanceProgress(raft, progress, message.index);
  if (maybeCommit(raft)) broadcastAppend(raft);
  else if (wasPaused) sendAppend(raft, message.from, true);
  while (sendAppend(raft, message.from, false)) {
    // Fill the stream up to its limit.
  }
  if (message.from === raft.transferee && progress.match === raft.log.lastIndex) sendTimeoutNow(raft);
}

function advanceProgress(raft: Raft, progress: Progress, index: number): void {
  switch (progress.state) {
    case 'probe':
      progress.becomeReplicate();
      break;
    case 'replicate':
      progress.freeInflightUpTo(index);
      break;
    case 'snapshot':
      // Whatever brought it that far: it can be fed from the log again.
      if (progress.match + 1 >= raft.log.firstIndex) {
        progress.becomeProbe();
        progress.becomeReplicate();
      }
      break;
  }
}

function handleHeartbeatResponse(raft: Raft, message: HeartbeatResponseMessage, progress: Progress): void {
  progress.recentActive = true;
  progress.probeSent = false;
  if (progress.state === 'replicate' && progress.inflightFull) progress.freeOldestInflight();
  if (progress.match < raft.log.lastIndex || progress.state === 'probe') sendAppend(raft, message.from, true);
  if (message.context.length === 0) return;
  for (const read of raft.reads.confirm(message.from, message.context, raft.voterSets)) {
    raft.answerRead(read.from, read.index, read.context);
  }
}

export function startRead(raft: Raft, from: number, context: Uint8Array): void {
  // Before its first commit a leader does not know how far its predecessors had committed.
  if (!hasCommittedInTerm(raft)) {
    if (raft.waitingReads.length < MAX_WAITING_READS) raft.waitingReads.push({ from, context });
    return;
  }
  if (raft.isSoleVoter) {
    raft.answerRead(from, raft.log.committed, context);
    return;
  }
  if (raft.reads.size >= MAX_WAITING_READS) return;
  raft.reads.add({ from, index: raft.log.committed, context }, raft.id);
  broadcastHeartbeat(raft);
}

export function startTransfer(raft: Raft, transferee: number): void {
  const progress = raft.progress.get(transferee);
  if (progress === undefined || transferee === raft.id || !raft.membership.voters.has(transferee)) return;
  if (raft.transferee === transferee) return;
  raft.transferee = transferee;
  // A whole election timeout from now on to make it happen.
  raft.electionElapsed = 0;
  if (progress.match === raft.log.lastIndex) sendTimeoutNow(raft);
  else sendAppend(raft, transferee, true);
}

function sendTimeoutNow(raft: Raft): void {
  raft.send({ type: 'timeout-now', to: raft.transferee, term: raft.term });
}

/** A member was not reachable: appends may be lost, so go back to asking where its log ends. */
export function noteUnreachable(raft: Raft, id: number): void {
  const progress = raft.progress.get(id);
  if (raft.role === 'leader' && progress?.state === 'replicate') progress.becomeProbe();
}

export function noteSnapshotSent(raft: Raft, id: number, ok: boolean): void {
  const progress = raft.progress.get(id);
  if (raft.role !== 'leader' || progress?.state !== 'snapshot') return;
  if (!ok) progress.snapshotFailed();
  progress.becomeProbe();
  // The answer to the snapshot, or else the next heartbeat's answer, says that it is time to go on.
  progress.probeSent = true;
}

/** After a membership change: fewer voters may commit more, newcomers get their first append. */
export function noteMembershipChanged(raft: Raft): void {
  if (raft.role !== 'leader') return;
  maybeCommit(raft);
  broadcastAppend(raft);
  if (raft.transferee !== NOBODY && !raft.membership.voters.has(raft.transferee)) raft.transferee = NOBODY;
  for (const id of raft.membership.voters) if (id === raft.id) return;
  // Removed or made a learner: whoever is left elects a new leader.
  raft.becomeFollower(raft.term, NOBODY);
}
