// Mistakes that implementations of Raft make, one at a time and on purpose, so that the simulator can show that it would
// find them. They reach a core only through the rules that are handed to it, and its disk only in this simulation.
import type { Rules } from '../../core/rules.js';

export interface PlantedBug {
  readonly summary: string;
  readonly rules?: Partial<Rules>;
  /** Answers leave before what they promise is on disk. */
  readonly answersBeforeWrite?: boolean;
  /** The disk keeps the term, but not whom this member voted for. */
  readonly forgetsVote?: boolean;
  /** The disk keeps entries, but not the term that came with them. */
  readonly forgetsTerm?: boolean;
  /** The disk confirms a write that a power cut can still undo. */
  readonly confirmsBeforeSync?: boolean;
}

const anybody = (): boolean => true;

export const PLANTED_BUGS = {
  'commit-old-term': {
    summary: 'a leader commits an entry of a former term because a majority holds it (figure 8)',
    rules: { mayCommit: (entryTerm) => entryTerm !== undefined },
  },
  'vote-for-stale-log': { summary: 'a vote goes to whoever asks, however old its log', rules: { isUpToDate: anybody } },
  'vote-twice': { summary: 'a member votes for everybody who asks in the same term', rules: { isVoteFree: anybody } },
  'lead-before-own-vote': {
    summary: 'a candidate leads with the votes of others before its own term is on disk',
    rules: { mayLead: anybody },
  },
  'vote-not-persisted': { summary: 'a restarted member has forgotten whom it voted for', forgetsVote: true },
  'term-not-persisted': { summary: 'a restarted member has forgotten its term', forgetsTerm: true },
  'truncate-in-the-middle': {
    summary: 'an append cuts off what follows it, although nothing conflicts',
    rules: { firstToReplace: (entries) => entries[0] },
  },
  'no-consistency-check': {
    summary: 'entries are taken without looking at the entry before them',
    rules: { followsOn: (ownPrevTerm) => ownPrevTerm !== undefined },
  },
  'answer-before-write': { summary: 'answers are sent before the disk has written', answersBeforeWrite: true },
  'sync-lies': { summary: 'the disk says done before it is', confirmsBeforeSync: true },
  'heartbeat-commits-too-far': {
    summary: "a heartbeat tells the leader's commit index to members that do not match it",
    rules: { heartbeatCommit: (_match, commit) => commit },
  },
  'read-without-quorum': {
    summary: 'a leader answers reads without making sure that it still leads',
    rules: { confirmsReads: () => false },
  },
  'read-before-own-commit': {
    summary: 'a new leader answers reads before it has committed anything',
    rules: { mayRead: anybody },
  },
  'small-majority': {
    summary: 'half of an even number of voters counts as a majority',
    rules: { majority: (size) => Math.ceil(size / 2) },
  },
  'one-half-of-joint': {
    summary: 'only the new half of a joint membership is asked',
    rules: { decidingSets: (sets) => sets.slice(0, 1) },
  },
  'two-changes-at-once': {
    summary: 'a second membership change is taken before the first is applied',
    rules: { isChangePending: () => false },
  },
  'change-before-own-commit': {
    summary: "membership changes before an entry of the leader's own term is committed (Ongaro, 2015)",
    rules: { mayChangeMembers: anybody, isChangePending: () => false },
  },
  'no-pre-vote': {
    summary: 'elections begin without asking whether they could be won',
    rules: { asksBeforeElection: () => false },
  },
  'no-leader-protection': {
    summary: 'votes are given against a leader that is heard',
    rules: { isLeaderProtected: () => false },
  },
} as const satisfies Readonly<Record<string, PlantedBug>>;

export type BugName = keyof typeof PLANTED_BUGS;

export function isBugName(name: string): name is BugName {
  return name in PLANTED_BUGS;
}

export function plantedBug(name: BugName | undefined): PlantedBug {
  return name === undefined ? { summary: 'none' } : PLANTED_BUGS[name];
}
