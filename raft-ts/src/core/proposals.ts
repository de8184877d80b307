// How proposals enter the leader's log. A membership change that must not be made now is put in as an empty entry, so
// that whoever forwarded it, and waits for its place in the log, is not left waiting.
import { decodeMembershipChange } from '../codec/conf-change-codec.js';
import { payloadSizeBytes } from '../entry-size.js';
import { type Entry, type MembershipChange, NO_DATA, NOBODY } from '../types.js';
import { changeMembership, isJoint, kindOf } from './membership.js';
import type { Raft } from './raft.js';
import { broadcastAppend } from './replication.js';
import type { ProposalRefusal } from './trace.js';

export type ProposedEntry = Pick<Entry, 'type' | 'data'>;

/** Why proposals cannot be taken now; undefined if they can. */
export function proposalRefusal(raft: Raft, proposed: readonly ProposedEntry[]): ProposalRefusal | undefined {
  if (!raft.progress.has(raft.id)) return 'not-a-member';
  if (raft.transferee !== NOBODY) return 'transferring';
  const bytes = payloadBytes(proposed);
  // Whatever its size, one proposal is always let in when nothing waits, and what is empty takes no room.
  const isTooMuch = raft.uncommittedBytes + bytes > raft.settings.maxUncommittedBytes;
  return raft.uncommittedBytes > 0 && bytes > 0 && isTooMuch ? 'too-much-uncommitted' : undefined;
}

function payloadBytes(proposed: readonly ProposedEntry[]): number {
  let total = 0;
  for (const { data } of proposed) total += data.length;
  return total;
}

/** Puts proposals into the log and sends them to everybody. Says why, if they cannot be taken now. */
export function propose(raft: Raft, proposed: readonly ProposedEntry[]): ProposalRefusal | undefined {
  const refusal = proposalRefusal(raft, proposed);
  if (refusal !== undefined) {
    raft.trace?.({ kind: 'proposal-dropped', reason: refusal, leader: raft.transferee, term: raft.term });
    return refusal;
  }
  const first = raft.log.lastIndex + 1;
  appendOwn(
    raft,
    proposed.map((entry, at) => admit(raft, entry, first + at)),
  );
  broadcastAppend(raft);
  return undefined;
}

/** The entry that goes into the log at `index` for this proposal. */
function admit(raft: Raft, proposed: ProposedEntry, index: number): ProposedEntry {
  const change = decodeMembershipChange(proposed);
  if (change === undefined) return proposed;
  const reason = changeProblem(raft, change);
  if (reason !== undefined && !raft.settings.disableConfChangeValidation) {
    raft.trace?.({ kind: 'conf-change-ignored', change, membership: raft.membership, reason });
    return { type: 'normal', data: NO_DATA };
  }
  raft.pendingConfIndex = index;
  return proposed;
}

/** In words why the membership must not be changed like this now. */
export function changeProblem(raft: Raft, change: MembershipChange): string | undefined {
  const { applied } = raft.log;
  if (raft.rules.isChangePending(raft.pendingConfIndex, applied)) {
    return `possible unapplied conf change at index ${raft.pendingConfIndex} (applied to ${applied})`;
  }
  const wantsLeave = kindOf(change) === 'leave-joint';
  if (isJoint(raft.membership) && !wantsLeave) return 'must transition out of joint config first';
  if (!isJoint(raft.membership) && wantsLeave) return 'not in joint state; refusing empty conf change';
  if (!raft.rules.mayChangeMembers(raft.hasCommittedInTerm)) return 'nothing committed at this term yet';
  const changed = changeMembership(raft.membership, change);
  return typeof changed === 'string' ? changed : undefined;
}

/** The leader writes to its own log. It counts itself like any other member: once the entries are on its disk. */
export function appendOwn(raft: Raft, proposed: readonly ProposedEntry[]): void {
  const first = raft.log.lastIndex + 1;
  const { term } = raft;
  const entries = proposed.map((entry, at): Entry => ({ ...entry, index: first + at, term }));
  raft.uncommittedBytes += payloadSizeBytes(entries);
  raft.log.append(entries);
  const index = raft.log.lastIndex;
  const { id } = raft;
  raft.send({ type: 'append-response', from: id, to: id, term, index, reject: false, hintIndex: 0, hintTerm: 0 });
}
