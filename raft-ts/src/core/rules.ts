// The rules on which Raft's safety and stability hang, each one small and by itself, so that each can be read against
// the paper, and so that the simulator can prove that it would notice if one were wrong: it hands in broken ones. A
// program never does; it uses RAFT_RULES by not saying anything.
import type { Entry } from '../types.js';
import { majorityOf, type VoterSets } from './quorum.js';
import type { LogEnd } from './trace.js';

export interface Rules {
  /** How many voters of `size` decide. Any two such groups must share a voter. */
  majority(size: number): number;
  /** Who must agree while a joint membership is in force: both halves (paper, section 6). */
  decidingSets(sets: VoterSets): VoterSets;
  /** A leader counts replicas for entries of its own term only (paper, section 5.4.2 and figure 8). */
  mayCommit(entryTerm: number | undefined, term: number): boolean;
  /** A vote goes to a log at least as new as the own one only (paper, section 5.4.1). */
  isUpToDate(candidate: LogEnd, own: LogEnd): boolean;
  /** One vote per term, first come, first served (paper, section 5.2). */
  isVoteFree(vote: number, candidate: number, leader: number): boolean;
  /** Nobody votes, or takes on a new term, while it hears from a leader (dissertation, section 4.2.3). */
  isLeaderProtected(hearsLeader: boolean): boolean;
  /** An election begins with the question whether it could be won (dissertation, section 9.6). */
  asksBeforeElection(preVote: boolean): boolean;
  /**
   * Nobody leads a term before it is on the own disk. A leader that forgot its term would ask for the same votes once
   * more, get them from those who gave them before, and lead the same term with other entries.
   */
  mayLead(isOwnVoteStored: boolean): boolean;
  /** Appends are taken only where the entry before them is the same (paper, section 5.3). */
  followsOn(ownPrevTerm: number | undefined, prevTerm: number): boolean;
  /** Entries that are there stay; only a conflicting one goes, with all that follow it (paper, section 5.3). */
  firstToReplace(entries: readonly Entry[], ownTermOf: (index: number) => number | undefined): Entry | undefined;
  /** A heartbeat tells no more than what its receiver is known to hold. */
  heartbeatCommit(match: number, commit: number): number;
  /** Reads wait until a leader has committed in its own term (paper, section 8). */
  mayRead(hasCommittedInTerm: boolean): boolean;
  /** Reads wait until a majority has confirmed the leader (paper, section 8). */
  confirmsReads(isSafe: boolean): boolean;
  /** One membership change at a time: the one before must be applied (dissertation, section 4.1). */
  isChangePending(pendingIndex: number, applied: number): boolean;
  /** No membership change before an entry of the leader's own term is committed (Ongaro's correction of 2015). */
  mayChangeMembers(hasCommittedInTerm: boolean): boolean;
  /** Nobody stands for election with a membership that it knows to be outdated. */
  mayCampaign(hasUnappliedChange: boolean): boolean;
}

export const RAFT_RULES: Rules = {
  majority: majorityOf,
  decidingSets: (sets) => sets,
  mayCommit: (entryTerm, term) => entryTerm === term,
  isUpToDate: (candidate, own) =>
    candidate.term > own.term || (candidate.term === own.term && candidate.index >= own.index),
  isVoteFree: (vote, candidate, leader) => vote === candidate || (vote === 0 && leader === 0),
  isLeaderProtected: (hearsLeader) => hearsLeader,
  asksBeforeElection: (preVote) => preVote,
  mayLead: (isOwnVoteStored) => isOwnVoteStored,
  followsOn: (ownPrevTerm, prevTerm) => ownPrevTerm === prevTerm,
  firstToReplace: (entries, ownTermOf) => entries.find((entry) => ownTermOf(entry.index) !== entry.term),
  heartbeatCommit: (match, commit) => Math.min(match, commit),
  mayRead: (hasCommittedInTerm) => hasCommittedInTerm,
  confirmsReads: (isSafe) => isSafe,
  isChangePending: (pendingIndex, applied) => pendingIndex > applied,
  mayChangeMembers: (hasCommittedInTerm) => hasCommittedInTerm,
  mayCampaign: (hasUnappliedChange) => !hasUnappliedChange,
};
