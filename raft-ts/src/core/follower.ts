// What a member does that does not lead: it takes entries, commits and snapshots from the leader of its term, and
// passes proposals and reads on to it. A candidate that hears from a leader of its own term becomes its follower.
import type { AppendMessage, HeartbeatMessage, Message, SnapshotMessage } from '../message.js';
import { NOBODY } from '../types.js';
import { campaign } from './election.js';
import { membershipFrom } from './membership.js';
import type { Raft } from './raft.js';

export function handleFollowerMessage(raft: Raft, message: Message): void {
  switch (message.type) {
    case 'append':
      follow(raft, message.from);
      handleAppend(raft, message);
      break;
    case 'heartbeat':
      follow(raft, message.from);
      handleHeartbeat(raft, message);
      break;
    case 'snap':
      follow(raft, message.from);
      handleSnapshot(raft, message);
      break;
    case 'propose':
    case 'read-index':
      // Passed on once only: whoever got it by mistake does not know better, and it could go round for ever.
      if (message.from === raft.id && raft.leader !== NOBODY) raft.send({ ...message, to: raft.leader });
      break;
    case 'transfer-leader':
      if (message.from === raft.id && raft.leader !== NOBODY) raft.send({ ...message, to: raft.leader });
      break;
    case 'timeout-now':
      if (raft.role === 'follower') campaign(raft, 'transfer');
      break;
    case 'read-index-response':
      raft.readStates.push({ index: message.index, context: message.context });
      break;
    default:
      break;
  }
}

function follow(raft: Raft, leader: number): void {
  if (raft.role === 'follower') {
    raft.leader = leader;
    raft.electionElapsed = 0;
  } else {
    raft.becomeFollower(raft.term, leader);
  }
}

function respond(raft: Raft, to: number, index: number): void {
  raft.send({ type: 'append-response', to, term: raft.term, index, reject: false, hintIndex: 0, hintTerm: 0 });
}

function handleAppend(raft: Raft, message: AppendMessage): void {
  const { log } = raft;
  const { from: to, prevIndex, prevTerm } = message;
  if (prevIndex < log.committed) {
    respond(raft, to, log.committed);
    return;
  }
  if (!log.matches(prevIndex, prevTerm)) {
    const hint = log.lastNotAfter(Math.min(prevIndex, log.lastIndex), prevTerm);
    raft.send({
      type: 'append-response',
      to,
      term: raft.term,
      index: prevIndex,
      reject: true,
      hintIndex: hint.index,
      hintTerm: hint.term,
    });
    return;
  }
  const conflict = log.firstConflict(message.entries);
  if (conflict !== undefined) {
    // Two leaders disagree about a committed entry: no answer is better than going along.
    if (conflict.index <= log.committed) return;
    log.append(message.entries.slice(conflict.index - prevIndex - 1));
  }
  const last = prevIndex + message.entries.length;
  log.commitTo(Math.min(message.commit, last));
  respond(raft, to, last);
}

function handleHeartbeat(raft: Raft, message: HeartbeatMessage): void {
  raft.log.commitTo(message.commit);
  raft.send({ type: 'heartbeat-response', to: message.from, term: raft.term, context: message.context });
}

function handleSnapshot(raft: Raft, message: SnapshotMessage): void {
  const { log } = raft;
  const { index, term, confState } = message.snapshot.metadata;
  if (index <= log.committed) {
    respond(raft, message.from, log.committed);
    return;
  }
  if (log.matches(index, term)) {
    // Everything the snapshot holds is in the log already.
    log.commitTo(index);
    respond(raft, message.from, log.committed);
    return;
  }
  // The snapshot may be older than the change that made this one a member: the entries after it will tell.
  log.restore(message.snapshot);
  raft.membershipIndex = index;
  raft.setMembership(membershipFrom(confState));
  respond(raft, message.from, log.lastIndex);
}
