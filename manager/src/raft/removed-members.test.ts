import assert from 'node:assert/strict';
import { Cluster } from '@swarmts/proto';
import { MAX_REMOVED_MEMBERS, withRemovedMembers } from './removed-members.js';

const idsAfter = (before: readonly number[], ...removed: readonly number[]) =>
  withRemovedMembers(Cluster.create({ removedRaftIds: before }), removed).removedRaftIds;

describe('the removed members of a group', () => {
  it('are each kept once, the newest last', () => {
    assert.deepEqual(idsAfter([1, 2, 3], 4, 2, 4), [1, 3, 4, 2]);
    assert.deepEqual(idsAfter([]), []);
  });

  it('are no more than so many, and the oldest are forgotten', () => {
    const full = Array.from({ length: MAX_REMOVED_MEMBERS }, (_, i) => i + 1);
    const after = idsAfter(full, 5000, 5001);
    assert.deepEqual([after.length, after[0], after.at(-1)], [MAX_REMOVED_MEMBERS, 3, 5001]);
  });
});
