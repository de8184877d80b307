// How a leader is chosen. A member first asks whether it could win (pre-vote), which changes nothing anywhere, and only
// then raises its term. A vote is given once per term, and only to a log at least as new as the own one: so a winner
// holds every committed entry.
import type { VoteMessage, VoteResponseMessage } from '../message.js';
import { NOBODY } from '../types.js';
import { voteResult } from './quorum.js';
import type { Raft } from './raft.js';

/** `transfer`: the leader asked for it, so there is no pre-vote, and voters do not protect that leader. */
export type CampaignKind = 'pre-vote' | 'vote' | 'transfer';

export function campaign(raft: Raft, kind: CampaignKind): void {
  if (raft.role === 'leader' || !raft.canStand) return;
  // A committed change that is not applied yet would let this member count votes by an outdated membership.
  if (raft.log.hasUnappliedConfChange()) return;
  if (kind === 'pre-vote') raft.becomePreCandidate();
  else raft.becomeCandidate();
  const type = kind === 'pre-vote' ? 'pre-vote' : 'vote';
  raft.votes.set(raft.id, true);
  if (decide(raft)) return;
  for (const to of raft.membership.voters) {
    if (to === raft.id) continue;
    raft.send({
      type,
      to,
      term: kind === 'pre-vote' ? raft.term + 1 : raft.term,
      lastIndex: raft.log.lastIndex,
      lastTerm: raft.log.lastTerm,
      transfer: kind === 'transfer',
    });
  }
}

export function handleVote(raft: Raft, message: VoteMessage): void {
  const isPreVote = message.type === 'pre-vote';
  const isFree = raft.vote === message.from || (raft.vote === NOBODY && raft.leader === NOBODY);
  const mayVote = isFree || (isPreVote && message.term > raft.term);
  const granted = mayVote && raft.log.isUpToDate(message.lastIndex, message.lastTerm);
  if (granted && !isPreVote) {
    raft.vote = message.from;
    raft.electionElapsed = 0;
  }
  raft.send({
    type: isPreVote ? 'pre-vote-response' : 'vote-response',
    to: message.from,
    // A granted pre-vote repeats the term that was asked for; a refusal tells the own one.
    term: granted ? message.term : raft.term,
    reject: !granted,
  });
}

export function handleVoteResponse(raft: Raft, message: VoteResponseMessage): void {
  const expected = message.type === 'pre-vote-response' ? 'pre-candidate' : 'candidate';
  if (raft.role !== expected) return;
  // A granted pre-vote is for the term after the own one; for any other it answers an earlier attempt.
  if (expected === 'pre-candidate' && !message.reject && message.term !== raft.term + 1) return;
  if (!raft.votes.has(message.from)) raft.votes.set(message.from, !message.reject);
  decide(raft);
}

/** Acts on the votes so far. True if the election is over. */
function decide(raft: Raft): boolean {
  switch (voteResult(raft.voterSets, (id) => raft.votes.get(id))) {
    case 'won':
      if (raft.role === 'pre-candidate') campaign(raft, 'vote');
      else raft.becomeLeader();
      return true;
    case 'lost':
      raft.becomeFollower(raft.term, NOBODY);
      return true;
    case 'pending':
      return false;
  }
}
