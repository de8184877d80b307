// Who votes and who listens, and how one single-step change alters that. Two majorities of neighbouring memberships
// always share a voter, because at most one voter comes or goes at a time. Pure: a change returns a new membership.
import type { ConfChange, ConfState } from '../types.js';
import type { VoterSets } from './quorum.js';

export interface Membership {
  readonly voters: ReadonlySet<number>;
  readonly learners: ReadonlySet<number>;
}

export const NO_MEMBERS: Membership = { voters: new Set(), learners: new Set() };

export function membershipFrom(state: ConfState): Membership {
  return { voters: new Set(state.voters), learners: new Set(state.learners) };
}

export function confStateOf(membership: Membership): ConfState {
  const sorted = (ids: ReadonlySet<number>): number[] => [...ids].sort((a, b) => a - b);
  return { voters: sorted(membership.voters), learners: sorted(membership.learners) };
}

export function voterSetsOf(membership: Membership): VoterSets {
  return [membership.voters];
}

/** The members after `change`, or in words why it makes no sense. A refused change, once committed, changes nothing. */
export function changeMembership(membership: Membership, change: ConfChange): Membership | string {
  const { id } = change;
  if (!Number.isSafeInteger(id) || id <= 0) return `${id} is not a member id`;
  const voters = new Set(membership.voters);
  const learners = new Set(membership.learners);
  voters.delete(id);
  learners.delete(id);
  switch (change.type) {
    case 'add-voter':
      voters.add(id);
      break;
    case 'add-learner':
      learners.add(id);
      break;
    case 'remove':
      break;
  }
  if (voters.size === 0) return `the group would be left without a voter`;
  return { voters, learners };
}
