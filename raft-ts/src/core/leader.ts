// What a leader does with what it is told, and how it makes sure that it still leads.
// Invariant: its own log only grows.
import { invariant } from '../errors.js';
import type { Message } from '../message.js';
import { NO_DATA, NOBODY } from '../types.js';
import { appendOwn, propose } from './proposals.js';
import { hasQuorum } from './quorum.js';
import type { Raft, StepResult } from './raft.js';
import { startRead } from './reads.js';
import { handleAppendResponse, handleHeartbeatResponse } from './replication.js';
import { startTransfer } from './transfer.js';

/** A new leader first commits an empty entry of its own term: only that commits what former leaders left behind. */
export function startLeading(raft: Raft): void {
  const self = raft.progress.get(raft.id);
  invariant(self !== undefined, 'the leader is not a member');
  self.becomeReplicate();
  self.recentActive = true;
  // There may be a membership change among what is not applied yet; looking for it could take long.
  raft.pendingConfIndex = raft.log.lastIndex;
  appendOwn(raft, [{ type: 'normal', data: NO_DATA }]);
}

/** Once per election timeout: a leader that a majority has not answered meanwhile steps down. */
export function confirmQuorum(raft: Raft): void {
  const isActive = (id: number): boolean => raft.progress.get(id)?.recentActive ?? false;
  if (!hasQuorum(raft.voterSets, isActive, raft.rules.majority)) {
    raft.trace?.({ kind: 'quorum-inactive' });
    raft.becomeFollower(raft.term, NOBODY);
  }
  for (const [id, progress] of raft.progress) if (id !== raft.id) progress.recentActive = false;
}

export function handleLeaderMessage(raft: Raft, message: Message): StepResult {
  switch (message.type) {
    case 'propose':
      return propose(raft, message.entries) === undefined ? 'taken' : 'dropped';
    case 'read-index':
      startRead(raft, message.from, message.context);
      return 'taken';
    case 'transfer-leader':
      startTransfer(raft, message.transferee);
      return 'taken';
    case 'append-response':
    case 'heartbeat-response':
      break;
    default:
      return 'taken';
  }
  const progress = raft.progress.get(message.from);
  if (progress === undefined) raft.trace?.({ kind: 'sender-unknown', from: message.from });
  else if (message.type === 'append-response') handleAppendResponse(raft, message, progress);
  else handleHeartbeatResponse(raft, message, progress);
  return 'taken';
}
