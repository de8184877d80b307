// How a leader is chosen. A member first asks whether it could win (pre-vote), which changes nothing anywhere, and only
// then raises its term. A vote is given once per term, and only to a log at least as new as the own one: so a winner
// holds every committed entry. The own vote counts only once it is on disk, and without it nobody leads.
import type { VoteMessage, VoteResponseMessage } from '../message.js';
import { NOBODY } from '../types.js';
import { voterIdsOf } from './membership.js';
import { voteResult } from './quorum.js';
import type { Raft } from './raft.js';
import { broadcastAppend } from './replication.js';

/** `transfer`: the leader asked for it, so there is no pre-vote, and voters do not protect that leader. */
export type CampaignKind = 'pre-vote' | 'vote' | 'transfer';

/** Stands for election if this member may. */
export function campaign(raft: Raft, kind: CampaignKind): void {
  const { term } = raft;
  if (raft.role === 'leader') {
    raft.trace?.({ kind: 'campaign-refused', reason: 'leading', term });
  } else if (!raft.canStand) {
    raft.trace?.({ kind: 'campaign-refused', reason: 'unpromotable', term });
  } else if (!raft.rules.mayCampaign(raft.log.hasUnappliedConfChange())) {
    raft.trace?.({ kind: 'campaign-refused', reason: 'unapplied-change', term });
  } else {
    raft.trace?.({ kind: 'campaign', term });
    askForVotes(raft, kind);
  }
}

function askForVotes(raft: Raft, kind: CampaignKind): void {
  if (kind === 'pre-vote') raft.becomePreCandidate();
  else raft.becomeCandidate();
  const type = kind === 'pre-vote' ? 'pre-vote' : 'vote';
  const term = kind === 'pre-vote' ? raft.term + 1 : raft.term;
  const last = raft.log.end;
  for (const to of voterIdsOf(raft.membership)) {
    if (to === raft.id) {
      raft.send({ type: `${type}-response`, from: raft.id, to, term, reject: false });
      continue;
    }
    raft.trace?.({ kind: 'vote-requested', type, to, last, term: raft.term });
    const transfer = kind === 'transfer';
    raft.send({ type, from: raft.id, to, term, lastIndex: last.index, lastTerm: last.term, transfer });
  }
}

/** While a leader is heard, nobody gets a vote, and nobody's term disturbs: unless that leader asked for it. */
export function ignoresVote(raft: Raft, message: VoteMessage): boolean {
  const { checkQuorum, electionTicks } = raft.settings;
  const hearsLeader = checkQuorum && raft.leader !== NOBODY && raft.electionElapsed < electionTicks;
  if (message.transfer || !raft.rules.isLeaderProtected(hearsLeader)) return false;
  traceAnswer(raft, message, 'ignored');
  return true;
}

/** Answers a request of the own term, or a pre-vote of any term that is not ignored. */
export function handleVote(raft: Raft, message: VoteMessage): void {
  const { type, from: to } = message;
  const isPreVote = type === 'pre-vote';
  const isFree = raft.rules.isVoteFree(raft.vote, to, raft.leader);
  const mayVote = message.term >= raft.term && (isFree || (isPreVote && message.term > raft.term));
  const granted = mayVote && raft.rules.isUpToDate(endOf(message), raft.log.end);
  traceAnswer(raft, message, granted ? 'cast' : 'rejected');
  // A granted pre-vote repeats the term that was asked for; a refusal tells the own one.
  const term = granted ? message.term : raft.term;
  raft.send({ type: `${type}-response`, from: raft.id, to, term, reject: !granted });
  if (granted && !isPreVote) {
    raft.electionElapsed = 0;
    raft.vote = to;
  }
}

function endOf(message: VoteMessage): { index: number; term: number } {
  return { index: message.lastIndex, term: message.lastTerm };
}

function traceAnswer(raft: Raft, message: VoteMessage, answer: 'cast' | 'rejected' | 'ignored'): void {
  const { type, from } = message;
  const leaseTicks = raft.settings.electionTicks - raft.electionElapsed;
  const { vote, term } = raft;
  raft.trace?.({
    ...{ kind: 'vote-answered', answer, type, from, vote, term, leaseTicks },
    ...{ candidate: endOf(message), last: raft.log.end },
  });
}

/** Counts an answer to the own request; those to an earlier attempt count for nothing. */
export function handleVoteResponse(raft: Raft, message: VoteResponseMessage): void {
  const { type, from, reject } = message;
  if (type !== (raft.role === 'pre-candidate' ? 'pre-vote-response' : 'vote-response')) return;
  // A granted pre-vote is for the term after the own one; for any other it answers an earlier attempt.
  if (type === 'pre-vote-response' && !reject && message.term !== raft.term + 1) return;
  raft.trace?.({ kind: 'vote-received', type, from, granted: !reject, term: raft.term });
  if (!raft.votes.has(from)) raft.votes.set(from, !reject);
  traceCount(raft, type);
  switch (voteResult(raft.voterSets, (id) => raft.votes.get(id), raft.rules.majority)) {
    case 'won':
      if (raft.role === 'pre-candidate') askForVotes(raft, 'vote');
      else if (raft.rules.mayLead(raft.votes.get(raft.id) === true)) lead(raft);
      break;
    case 'lost':
      raft.becomeFollower(raft.term, NOBODY);
      break;
    case 'pending':
      break;
  }
}

function lead(raft: Raft): void {
  raft.becomeLeader();
  broadcastAppend(raft);
}

function traceCount(raft: Raft, type: VoteResponseMessage['type']): void {
  if (raft.trace === undefined) return;
  let granted = 0;
  let rejected = 0;
  for (const id of voterIdsOf(raft.membership)) {
    const vote = raft.votes.get(id);
    if (vote === true) granted += 1;
    else if (vote === false) rejected += 1;
  }
  raft.trace({ kind: 'votes-counted', type, granted, rejected });
}
