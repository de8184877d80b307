// Who votes and who listens, and how a change alters that. A simple change moves at most one voter, so that majorities
// before and after it share a member. Any other change goes through a joint membership, in which the voters before and
// after it must both agree (section 6 of the Raft paper). Pure: a change returns a new membership.
// Invariants: learners are disjoint from all voters; `learnersNext` is part of `outgoing`; outside of a joint
// membership `outgoing` and `learnersNext` are empty and `autoLeave` is off.
import { asConfChangeV2, decodeMembershipChange } from '../codec/conf-change-codec.js';
import { type ConfChangeStep, type ConfState, type Entry, type MembershipChange, NOBODY } from '../types.js';
import type { VoterSets } from './quorum.js';

export interface Membership {
  readonly voters: ReadonlySet<number>;
  /** The voters before a joint change; empty if none is under way. */
  readonly outgoing: ReadonlySet<number>;
  readonly learners: ReadonlySet<number>;
  /** Outgoing voters that become learners when the joint membership is left. */
  readonly learnersNext: ReadonlySet<number>;
  readonly autoLeave: boolean;
  /** Who came with the last change: what was known about their logs before is void. */
  readonly joined: ReadonlySet<number>;
}

const NO_IDS: ReadonlySet<number> = new Set();

export const NO_MEMBERS: Membership = {
  voters: NO_IDS,
  outgoing: NO_IDS,
  learners: NO_IDS,
  learnersNext: NO_IDS,
  autoLeave: false,
  joined: NO_IDS,
};

export function membershipFrom(state: ConfState): Membership {
  const voters = new Set(state.voters);
  const outgoing = new Set(state.votersOutgoing);
  const learners = new Set(state.learners);
  const learnersNext = new Set(state.learnersNext);
  const joined = new Set([...voters, ...outgoing, ...learners]);
  return { voters, outgoing, learners, learnersNext, autoLeave: state.autoLeave ?? false, joined };
}

function sorted(ids: Iterable<number>): number[] {
  return [...ids].sort((a, b) => a - b);
}

export function confStateOf(membership: Membership): ConfState {
  const simple = { voters: sorted(membership.voters), learners: sorted(membership.learners) };
  if (!isJoint(membership)) return simple;
  const { outgoing, learnersNext, autoLeave } = membership;
  return { ...simple, votersOutgoing: sorted(outgoing), learnersNext: sorted(learnersNext), autoLeave };
}

export function isJoint(membership: Membership): boolean {
  return membership.outgoing.size > 0;
}

/** Everybody who votes, by ascending id. */
export function voterIdsOf(membership: Membership): readonly number[] {
  return sorted(new Set([...membership.voters, ...membership.outgoing]));
}

/** Every member, by ascending id. */
export function memberIdsOf(membership: Membership): readonly number[] {
  return sorted(new Set([...membership.voters, ...membership.outgoing, ...membership.learners]));
}

export function isVoter(membership: Membership, id: number): boolean {
  return membership.voters.has(id) || membership.outgoing.has(id);
}

export function voterSetsOf(membership: Membership): VoterSets {
  return isJoint(membership) ? [membership.voters, membership.outgoing] : [membership.voters];
}

/** A membership that is being changed. */
interface Draft {
  readonly voters: Set<number>;
  readonly outgoing: ReadonlySet<number>;
  readonly learners: Set<number>;
  readonly learnersNext: Set<number>;
  readonly joined: Set<number>;
}

function draftOf(membership: Membership, outgoing: ReadonlySet<number>): Draft {
  return {
    voters: new Set(membership.voters),
    outgoing,
    learners: new Set(membership.learners),
    learnersNext: new Set(membership.learnersNext),
    joined: new Set(),
  };
}

function isMember(draft: Draft, id: number): boolean {
  return draft.voters.has(id) || draft.outgoing.has(id) || draft.learners.has(id);
}

function addVoter(draft: Draft, id: number): void {
  if (!isMember(draft, id)) draft.joined.add(id);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  draft.voters.add(id);
}

function addLearner(draft: Draft, id: number): void {
  if (draft.learners.has(id)) return;
  if (!isMember(draft, id)) draft.joined.add(id);
  draft.voters.delete(id);
  // Still a voter of the outgoing half: a learner only once that is gone.
  if (draft.outgoing.has(id)) draft.learnersNext.add(id);
  else draft.learners.add(id);
}

function removeMember(draft: Draft, id: number): void {
  draft.voters.delete(id);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  draft.joined.delete(id);
}

function takeStep(draft: Draft, { type, id }: ConfChangeStep): void {
  switch (type) {
    case 'add-voter':
      addVoter(draft, id);
      break;
    case 'add-learner':
      addLearner(draft, id);
      break;
    case 'remove':
      removeMember(draft, id);
      break;
    case 'update':
      break;
  }
}

/** Takes all steps; in words what is wrong with the result, if anything. */
function takeSteps(draft: Draft, steps: readonly ConfChangeStep[]): string | undefined {
  for (const step of steps) {
    // A step that was struck out has no effect.
    if (step.id === NOBODY) continue;
    if (!Number.isSafeInteger(step.id) || step.id <= 0) return `${step.id} is not a member id`;
    takeStep(draft, step);
  }
  return draft.voters.size === 0 ? 'removed all voters' : undefined;
}

/** How many of `ids` are not in `others`. */
function missingFrom(others: ReadonlySet<number>, ids: ReadonlySet<number>): number {
  let count = 0;
  for (const id of ids) if (!others.has(id)) count += 1;
  return count;
}

/** At most one voter comes or goes. In words why not, if the change makes no sense. */
export function changeSimply(membership: Membership, steps: readonly ConfChangeStep[]): Membership | string {
  if (isJoint(membership)) return "can't apply simple config change in joint config";
  const draft = draftOf(membership, NO_IDS);
  const problem = takeSteps(draft, steps);
  if (problem !== undefined) return problem;
  if (missingFrom(draft.voters, membership.voters) + missingFrom(membership.voters, draft.voters) > 1)
    return 'more than one voter changed without entering joint config';
  return { ...draft, autoLeave: false };
}

export function enterJoint(
  membership: Membership,
  steps: readonly ConfChangeStep[],
  autoLeave: boolean,
): Membership | string {
  if (isJoint(membership)) return 'config is already joint';
  if (membership.voters.size === 0) return "can't make a zero-voter config joint";
  const draft = draftOf(membership, membership.voters);
  return takeSteps(draft, steps) ?? { ...draft, autoLeave };
}

export function leaveJoint(membership: Membership): Membership | string {
  if (!isJoint(membership)) return "can't leave a non-joint config";
  const learners = new Set([...membership.learners, ...membership.learnersNext]);
  return { ...NO_MEMBERS, voters: membership.voters, learners };
}

/** How a change is carried out. */
export type ChangeKind = 'simple' | 'enter-joint' | 'leave-joint';

export function kindOf(change: MembershipChange): ChangeKind {
  const { transition, steps } = asConfChangeV2(change);
  if (transition === 'auto' && steps.length === 0) return 'leave-joint';
  return transition === 'auto' && steps.length === 1 ? 'simple' : 'enter-joint';
}

/** The members after `change`, or in words why it makes no sense. A refused change, once committed, changes nothing. */
export function changeMembership(membership: Membership, change: MembershipChange): Membership | string {
  const { transition, steps } = asConfChangeV2(change);
  switch (kindOf(change)) {
    case 'simple':
      return changeSimply(membership, steps);
    case 'enter-joint':
      return enterJoint(membership, steps, transition !== 'explicit');
    case 'leave-joint':
      return leaveJoint(membership);
  }
}

/** The members after a log entry was applied: the same, unless it is a change that makes sense. */
export function membershipAfter(membership: Membership, entry: Pick<Entry, 'type' | 'data'>): Membership {
  const change = decodeMembershipChange(entry, 'corrupt');
  if (change === undefined) return membership;
  const changed = changeMembership(membership, change);
  return typeof changed === 'string' ? membership : changed;
}
