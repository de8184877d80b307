// What a member does that does not lead: it takes entries, commits and snapshots from the leader of its term, and
// passes proposals and reads on to it. A candidate that hears from a leader of its own term becomes its follower.
import type { AppendMessage, HeartbeatMessage, Message, SnapshotMessage } from '../message.js';
import { NOBODY } from '../types.js';
import { campaign, handleVoteResponse } from './election.js';
import { membershipFrom } from './membership.js';
import type { Raft, StepResult } from './raft.js';

export function handleFollowerMessage(raft: Raft, message: Message): StepResult {
  const { term } = raft;
  switch (message.type) {
    case 'append':
    case 'heartbeat':
    case 'snap':
      raft.electionElapsed = 0;
      raft.leader = message.from;
      obeyLeader(raft, message);
      break;
    case 'propose':
      return passOnProposal(raft, message);
    case 'read-index':
      if (raft.leader === NOBODY) raft.trace?.({ kind: 'read-dropped', term });
      else passOn(raft, message);
      break;
    case 'transfer-leader':
      if (raft.leader === NOBODY) raft.trace?.({ kind: 'transfer', step: 'no-leader', to: message.transferee, term });
      else passOn(raft, message);
      break;
    case 'timeout-now':
      raft.trace?.({ kind: 'timeout-now', from: message.from, term, role: raft.role });
      campaign(raft, 'transfer');
      break;
    case 'read-index-response':
      raft.readStates.push({ index: message.index, context: message.context });
      break;
    default:
      break;
  }
  return 'taken';
}

export function handleCandidateMessage(raft: Raft, message: Message): StepResult {
  const { term } = raft;
  switch (message.type) {
    case 'append':
    case 'heartbeat':
    case 'snap':
      raft.becomeFollower(message.term, message.from);
      obeyLeader(raft, message);
      break;
    case 'vote-response':
    case 'pre-vote-response':
      handleVoteResponse(raft, message);
      break;
    case 'propose':
      raft.trace?.({ kind: 'proposal-dropped', reason: 'no-leader', leader: NOBODY, term });
      return 'dropped';
    case 'timeout-now':
      raft.trace?.({ kind: 'timeout-now', from: message.from, term, role: raft.role });
      break;
    default:
      break;
  }
  return 'taken';
}

function passOnProposal(raft: Raft, message: Message): StepResult {
  const { leader, term } = raft;
  const isRefused = raft.settings.disableProposalForwarding;
  if (leader === NOBODY || isRefused) {
    const reason = leader === NOBODY ? 'no-leader' : 'not-forwarded';
    raft.trace?.({ kind: 'proposal-dropped', reason, leader, term });
    return 'dropped';
  }
  passOn(raft, message);
  return 'taken';
}

/** Once only: whoever got it from somebody else does not know better, and it could go round for ever. */
function passOn(raft: Raft, message: Message): void {
  if (message.from === raft.id) raft.send({ ...message, to: raft.leader });
}

function obeyLeader(raft: Raft, message: AppendMessage | HeartbeatMessage | SnapshotMessage): void {
  switch (message.type) {
    case 'append':
      handleAppend(raft, message);
      break;
    case 'heartbeat':
      handleHeartbeat(raft, message);
      break;
    case 'snap':
      handleSnapshot(raft, message);
      break;
  }
}

function respond(raft: Raft, to: number, index: number): void {
  const { id: from, term } = raft;
  raft.send({ type: 'append-response', from, to, term, index, reject: false, hintIndex: 0, hintTerm: 0 });
}

function handleAppend(raft: Raft, message: AppendMessage): void {
  const { log } = raft;
  const { from, prevIndex, prevTerm, entries } = message;
  if (prevIndex < log.committed) {
    respond(raft, from, log.committed);
    return;
  }
  if (!raft.rules.followsOn(log.term(prevIndex), prevTerm)) {
    refuseAppend(raft, message);
    return;
  }
  if (!log.take(entries)) return;
  const last = prevIndex + entries.length;
  log.commitTo(Math.min(message.commit, last));
  respond(raft, from, last);
}

/** Tells the leader where the logs may agree: no entry there is of a later term than the leader's. */
function refuseAppend(raft: Raft, message: AppendMessage): void {
  const { log } = raft;
  const { from, prevIndex: index, prevTerm } = message;
  const prev = { index, term: prevTerm };
  raft.trace?.({ kind: 'append-rejected', from, prev, ownTerm: log.term(index) ?? 0 });
  const hint = log.lastNotAfter(Math.min(index, log.lastIndex), prevTerm);
  raft.send({
    ...{ type: 'append-response', from: raft.id, to: from, term: raft.term, index },
    ...{ reject: true, hintIndex: hint.index, hintTerm: hint.term },
  });
}

function handleHeartbeat(raft: Raft, message: HeartbeatMessage): void {
  raft.log.commitTo(message.commit);
  const { from: to, context } = message;
  raft.send({ type: 'heartbeat-response', from: raft.id, to, term: raft.term, context });
}

function handleSnapshot(raft: Raft, message: SnapshotMessage): void {
  const { index, term } = message.snapshot.metadata;
  const restored = restore(raft, message);
  const { committed: commit, lastIndex } = raft.log;
  raft.trace?.({ kind: 'snapshot-answered', restored, snapshot: { index, term }, commit });
  respond(raft, message.from, restored ? lastIndex : commit);
}

/** False if the log needs no restoring: everything that the snapshot holds is there. */
function restore(raft: Raft, message: SnapshotMessage): boolean {
  const { log } = raft;
  const { index, term, confState } = message.snapshot.metadata;
  const snapshot = { index, term };
  if (index <= log.committed) return false;
  if (log.matches(index, term)) {
    raft.trace?.({ kind: 'snapshot-fast-forwarded', snapshot, commit: log.committed, last: log.end });
    log.commitTo(index);
    return false;
  }
  // The snapshot may be older than the change that made this one a member: the entries after it will tell.
  log.restore(message.snapshot);
  raft.membershipIndex = index;
  raft.setMembership(membershipFrom(confState));
  raft.trace?.({ kind: 'snapshot-restored', snapshot, commit: log.committed, last: log.end });
  return true;
}
