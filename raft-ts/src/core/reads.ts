// Read requests on a leader: held until it has committed in its term, confirmed by a majority (or, by lease, at once),
// then answered to whoever asked.
import type { Raft } from './raft.js';
import { broadcastHeartbeat } from './replication.js';

export function startRead(raft: Raft, from: number, context: Uint8Array): void {
  // Before its first commit a leader does not know how far its predecessors had committed.
  if (!raft.rules.mayRead(raft.hasCommittedInTerm)) {
    raft.reads.postpone(from, context);
    return;
  }
  const index = raft.log.committed;
  if (raft.isSoleVoter || !raft.rules.confirmsReads(raft.settings.reads === 'safe'))
    answerRead(raft, from, index, context);
  else if (raft.reads.add({ from, index, context }, raft.id)) broadcastHeartbeat(raft);
}

/** The leader has committed something: what came before that can go on. */
export function releaseReads(raft: Raft): void {
  if (!raft.hasCommittedInTerm) return;
  for (const { from, context } of raft.reads.takePostponed()) startRead(raft, from, context);
}

export function confirmReads(raft: Raft, from: number, context: Uint8Array): void {
  const answered = raft.reads.confirm(from, context, raft.voterSets, raft.rules.majority);
  for (const read of answered) answerRead(raft, read.from, read.index, read.context);
}

function answerRead(raft: Raft, from: number, index: number, context: Uint8Array): void {
  if (from === raft.id) raft.readStates.push({ index, context });
  else raft.send({ type: 'read-index-response', from: raft.id, to: from, term: raft.term, index, context });
}
