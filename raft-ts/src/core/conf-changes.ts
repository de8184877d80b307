// What follows when a membership change is applied: the new members get their first append, fewer voters may commit
// more, a leader that was removed steps down, and a joint membership is left as soon as its beginning is applied.
import { decodeMembershipChange } from '../codec/conf-change-codec.js';
import { type ConfChange, type ConfState, type Entry, NO_DATA, NOBODY } from '../types.js';
import { changeMembership, isVoter } from './membership.js';
import { proposalRefusal, propose } from './proposals.js';
import type { Raft } from './raft.js';
import { broadcastAppend, maybeCommit, probeMembers } from './replication.js';

export interface AppliedConf {
  readonly confState: ConfState;
  /** One record for each member that the entry named; empty if it changed nothing, or ended a joint membership. */
  readonly changes: readonly ConfChange[];
}

/** To be called for each committed conf entry, when its turn to be applied has come. */
export function applyConfEntry(raft: Raft, entry: Entry): AppliedConf {
  // A snapshot that came in meanwhile knows already.
  if (entry.index <= raft.membershipIndex) return { confState: raft.confState, changes: [] };
  raft.membershipIndex = entry.index;
  const change = decodeMembershipChange(entry, 'corrupt');
  if (change === undefined) return { confState: raft.confState, changes: [] };
  const membership = changeMembership(raft.membership, change);
  if (typeof membership === 'string') return { confState: raft.confState, changes: [] };
  raft.setMembership(membership);
  const { confState } = raft;
  noteMembershipChanged(raft);
  return { confState, changes: change.steps.map((step) => ({ ...step, context: change.context })) };
}

function noteMembershipChanged(raft: Raft): void {
  if (raft.role !== 'leader') return;
  if (!isVoter(raft.membership, raft.id)) {
    // Removed or made a learner: whoever is left elects a new leader.
    if (raft.settings.stepDownOnRemoval) raft.becomeFollower(raft.term, NOBODY);
    return;
  }
  if (maybeCommit(raft)) broadcastAppend(raft);
  else probeMembers(raft);
  if (raft.transferee !== NOBODY && !isVoter(raft.membership, raft.transferee)) raft.transferee = NOBODY;
}

/** Ends the joint membership. Tried again with each applied entry for as long as it is refused. */
export function autoLeave(raft: Raft): void {
  const { membership } = raft;
  const entry = { type: 'conf-v2', data: NO_DATA } as const;
  const refused = proposalRefusal(raft, [entry]);
  if (refused === undefined) propose(raft, [entry]);
  raft.trace?.({ kind: 'auto-leave', membership, refused });
}
