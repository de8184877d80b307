// Disaster recovery: the member in a directory becomes the only one of its group. Everything in its log is kept, also
// what may never have been committed, because what was acknowledged to somebody may be among that.
import { encodeMembershipChange } from '../codec/conf-change-codec.js';
import { isJoint, memberIdsOf, membershipAfter, membershipFrom } from '../core/membership.js';
import { DiskLog, type DiskLogOptions } from '../storage/disk-log.js';
import { type Entry, type MembershipChange, NO_DATA, NOBODY } from '../types.js';
import { checkId, readIdentity } from './identity.js';

export async function forceNewCluster(id: number, options: DiskLogOptions): Promise<void> {
  checkId(id);
  const log = await DiskLog.open({ ...options, keptOldSnapshots: Number.POSITIVE_INFINITY }, undefined);
  try {
    readIdentity(log.metadata, id, options.directory);
    const { storage } = log;
    const first = storage.lastIndex() + 1;
    // A term that nobody has used: entries of the old group can never be taken for ours.
    const term = Math.max(storage.initialState().hardState.term, storage.term(first - 1) ?? 0) + 1;
    const entries = changesToSoleVoter(log, id).map((change, at): Entry => {
      return { index: first + at, term, ...encodeMembershipChange(change) };
    });
    const hardState = { term, vote: NOBODY, commit: first + entries.length - 1 };
    await log.write({ hardState, entries, mustSync: true });
  } finally {
    await log.close();
  }
}

/** Applied one after the other they leave nobody but `id`. A joint membership is left first. */
function changesToSoleVoter(log: DiskLog, id: number): MembershipChange[] {
  const { storage } = log;
  let membership = membershipFrom(storage.snapshot().confState);
  const low = storage.snapshot().index + 1;
  const high = storage.lastIndex() + 1;
  const entries = low < high ? storage.entries(low, high, Number.POSITIVE_INFINITY) : [];
  for (const entry of entries) membership = membershipAfter(membership, entry);
  const changes: MembershipChange[] = [];
  if (isJoint(membership)) {
    const leave: MembershipChange = { transition: 'auto', steps: [], context: NO_DATA };
    changes.push(leave);
    membership = membershipAfter(membership, encodeMembershipChange(leave));
  }
  if (!membership.voters.has(id)) changes.push({ type: 'add-voter', id, context: NO_DATA });
  for (const other of memberIdsOf(membership)) {
    if (other !== id) changes.push({ type: 'remove', id: other, context: NO_DATA });
  }
  return changes;
}
