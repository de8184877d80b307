// Section 6 of the Raft paper (extended version) and chapter 4 of Ongaro's dissertation with its correction of 2015:
// changing the members. Sections 7 and 8 of the paper: snapshots and clients.
import assert from 'node:assert/strict';
import { encodeMembershipChange } from '../codec/conf-change-codec.js';
import type { CoreGroup } from '../sim/core-group.js';
import { type ConfChange, type ConfChangeV2, NO_DATA } from '../types.js';
import { accepted, ELECTION_TICKS, electBy, FIVE, paperGroup, THREE, vote } from './paper-group.js';

const one = (type: ConfChange['type'], id: number): ConfChange => ({ type, id, context: NO_DATA });
const joint = (...steps: [ConfChange['type'], number][]): ConfChangeV2 => ({
  transition: 'explicit',
  steps: steps.map(([type, id]) => ({ type, id })),
  context: NO_DATA,
});
const LEAVE: ConfChangeV2 = { transition: 'auto', steps: [], context: NO_DATA };

describe('Raft paper, 6: joint consensus', () => {
  /** Servers 1, 2 and 3 give way to 3, 4 and 5; the joint membership is in force everywhere. */
  const inJoint = (): CoreGroup => {
    const group = paperGroup(THREE);
    for (const id of [4, 5]) group.add(id, { voters: THREE, learners: [] }, {}, { preVote: false, checkQuorum: false });
    group.elect(1);
    group.core(1).proposeConfChange(joint(['remove', 1], ['remove', 2], ['add-voter', 4], ['add-voter', 5]));
    group.deliver();
    for (const id of FIVE) {
      assert.deepEqual(
        [group.status(id).voters, group.status(id).votersOutgoing],
        [
          [3, 4, 5],
          [1, 2, 3],
        ],
      );
    }
    return group;
  };

  it('entries go to all servers of both memberships', () => {
    const group = inJoint();
    group.propose(1, 'a');
    for (const id of FIVE) assert.deepEqual(group.texts(id), ['a']);
  });

  it('any server of either membership may lead', () => {
    for (const id of FIVE) {
      const group = inJoint();
      group.tick(id, 2 * ELECTION_TICKS);
      group.deliver();
      assert.equal(group.status(id).role, 'leader');
    }
  });

  const halves: [absent: number[], isAgreed: boolean][] = [
    [[], true],
    [[1], true],
    [[5], true],
    [[1, 5], true],
    [[1, 2], false],
    [[4, 5], false],
    [[2, 3], false],
    [[3], true],
    [[3, 4], false],
  ];
  for (const [absent, isAgreed] of halves) {
    it(`agreement needs a majority of both: without ${absent.join(' and ') || 'nobody missing'} there is ${isAgreed ? 'one' : 'none'}`, () => {
      const group = inJoint();
      const leader = absent.includes(1) ? 2 : 1;
      if (leader === 2 && !absent.includes(2)) group.elect(2);
      const from = absent.includes(2) && leader === 2 ? 3 : leader;
      if (from === 3) group.elect(3);
      group.isolate(...absent);
      group.propose(from, 'a');
      assert.deepEqual(group.texts(from), isAgreed ? ['a'] : []);
      const candidate = FIVE.find((id) => !absent.includes(id) && id !== from) ?? 0;
      group.tick(candidate, 2 * ELECTION_TICKS);
      group.deliver();
      assert.equal(group.status(candidate).role === 'leader', isAgreed);
    });
  }

  it('once it is left, a leader that is not part of the new membership steps down', () => {
    const group = inJoint();
    group.core(1).proposeConfChange(LEAVE);
    group.deliver();
    assert.deepEqual([group.status(1).role, group.status(1).voters], ['follower', [3, 4, 5]]);
    group.elect(4);
    group.propose(4, 'a');
    assert.deepEqual(group.texts(5), ['a']);
  });

  it('a new leader finds the joint membership in its log and can end it', () => {
    const group = inJoint();
    group.isolate(1);
    group.elect(3);
    group.core(3).proposeConfChange(LEAVE);
    group.deliver();
    assert.deepEqual([group.status(3).voters, group.status(3).votersOutgoing], [[3, 4, 5], undefined]);
  });

  it('new servers receive entries before they vote', () => {
    const group = paperGroup(THREE);
    group.add(4, { voters: THREE, learners: [] }, {}, { preVote: false, checkQuorum: false });
    group.elect(1);
    group.propose(1, 'a');
    group.core(1).proposeConfChange(one('add-learner', 4));
    group.deliver();
    assert.deepEqual(group.texts(4), ['a']);
    group.isolate(2, 3);
    group.propose(1, 'b');
    assert.deepEqual(group.texts(1), ['a'], 'the learner makes no majority');
  });

  it('servers disregard requests for votes while they hear from a leader', () => {
    const group = paperGroup(THREE, { raft: { checkQuorum: true } });
    group.elect(1);
    group.core(2).step(vote(3, 2, 9, { index: 9, term: 9 }));
    group.settle();
    assert.deepEqual([group.status(2).term, group.status(2).leader], [1, 1]);
  });
});

describe('Ongaro, single-server changes: a leader commits an entry of its own term first', () => {
  // Leader 1 writes change A, which stays with it; leader 2 must not answer with change B, and 1 may come back.
  const shapes: [shape: string, a: ConfChange, b: ConfChange, both: number[]][] = [
    ['two servers are added', one('add-voter', 5), one('add-voter', 6), [1, 2, 3, 4, 5, 6]],
    ['one is added and one removed', one('add-voter', 5), one('remove', 1), [2, 3, 4, 5]],
    ['two are removed', one('remove', 2), one('remove', 1), [3, 4]],
  ];
  for (const [shape, a, b, both] of shapes) {
    const setUp = (): CoreGroup => {
      const group = paperGroup([1, 2, 3, 4]);
      for (const id of [5, 6]) {
        group.add(id, { voters: [1, 2, 3, 4], learners: [] }, {}, { preVote: false, checkQuorum: false });
      }
      group.elect(1);
      group.isolate(1);
      group.core(1).proposeConfChange(a);
      group.deliver();
      electBy(group, 2, [3, 4]);
      assert.equal(group.status(2).role, 'leader');
      // Leader 1 hears of the new term only from a late request for its vote.
      group.core(1).step(vote(2, 1, 2, { index: 1, term: 1 }));
      group.settle();
      group.inFlight = [];
      assert.equal(group.status(1).role, 'follower');
      return group;
    };

    it(`${shape}: the second change is refused until then`, () => {
      const group = setUp();
      assert.throws(() => group.core(2).proposeConfChange(b), { code: 'dropped' });
      group.core(2).step(accepted(3, 2, 2, 2));
      assert.throws(() => group.core(2).proposeConfChange(b), { code: 'dropped' }, 'two of four are no majority');
      group.core(2).step(accepted(4, 2, 2, 2));
      group.core(2).proposeConfChange(b);
    });

    it(`${shape}: the first leader may come back with its change, and everybody ends up with the same members`, () => {
      const group = setUp();
      // Nothing of leader 2 has arrived anywhere. Leader 1 is elected again and completes its change.
      group.isolate(2);
      group.elect(1);
      group.elect(1);
      assert.equal(group.status(1).role, 'leader');
      group.heal();
      for (let tick = 0; tick < 3; tick += 1) {
        group.tick(1);
        group.deliver();
      }
      group.core(1).proposeConfChange(b);
      group.deliver();
      const members = both.filter((id) => group.status(1).voters.includes(id));
      assert.deepEqual(members, both);
      for (const id of both) assert.deepEqual(group.status(id).voters, both);
    });

    it(`${shape}: once the second leader has committed, the first change can never be`, () => {
      const group = setUp();
      group.isolate(1);
      for (let tick = 0; tick < 2; tick += 1) {
        group.tick(2);
        group.deliver();
      }
      group.core(2).proposeConfChange(b);
      group.deliver();
      const after = group.status(2).voters;
      electBy(group, 1, [2, 3, 4, 5, 6]);
      electBy(group, 1, [2, 3, 4, 5, 6]);
      assert.notEqual(group.status(1).role, 'leader');
      group.heal();
      group.elect(3);
      for (let tick = 0; tick < 3; tick += 1) {
        group.tick(3);
        group.deliver();
      }
      assert.deepEqual(group.status(3).voters, after);
      assert.ok(group.entries(3).every(({ data }) => Buffer.compare(data, encodeMembershipChange(a).data) !== 0));
    });
  }

  it('only one change is under way at a time', () => {
    const group = paperGroup(FIVE);
    group.elect(1);
    group.core(1).proposeConfChange(one('remove', 5));
    assert.throws(() => group.core(1).proposeConfChange(one('remove', 4)), { code: 'dropped' });
  });
});

describe('Raft paper, 7: snapshots', () => {
  it('a follower whose entries are gone gets a snapshot, which replaces its log', () => {
    const group = paperGroup(THREE);
    group.elect(1);
    group.isolate(3);
    group.propose(1, 'a', 'b');
    const { storage, core } = group.member(1);
    storage.noteSnapshot({ index: 3, term: 1, confState: core.confState });
    storage.compact(3);
    group.heal();
    group.tick(1);
    group.deliver();
    assert.ok(group.sent.some(({ type, to }) => type === 'snap' && to === 3));
    assert.deepEqual([group.status(3).commit, group.entries(3).length], [3, 0]);
    group.propose(1, 'c');
    assert.deepEqual(group.texts(3), ['c']);
  });

  it('a follower that holds what a snapshot describes keeps the entries after it', () => {
    const group = paperGroup(THREE);
    group.elect(1);
    group.propose(1, 'a', 'b', 'c');
    const metadata = { index: 2, term: 1, confState: { voters: THREE, learners: [] } };
    group.core(3).step({ type: 'snap', from: 1, to: 3, term: 1, snapshot: { metadata, data: NO_DATA } });
    group.settle();
    assert.equal(group.entries(3).length, 4);
  });
});

describe('Raft paper, 8: clients', () => {
  it('a leader commits an entry without content at the start of its term', () => {
    const group = paperGroup(THREE);
    group.elect(1);
    assert.deepEqual(
      group.entries(2).map(({ term, data }) => [term, data.length]),
      [[1, 0]],
    );
    assert.equal(group.status(2).commit, 1);
  });

  it('a leader answers no read before that entry is committed', () => {
    const group = paperGroup(THREE);
    electBy(group, 1, [2, 3]);
    group.core(1).readIndex(Buffer.from('r'));
    group.settle();
    for (const from of [2, 3]) {
      group.core(1).step({ type: 'heartbeat-response', from, to: 1, term: 1, context: NO_DATA });
    }
    group.settle();
    assert.deepEqual(group.member(1).reads, []);
  });

  it('a leader exchanges heartbeats with a majority before it answers a read', () => {
    const group = paperGroup(FIVE);
    group.elect(1);
    group.isolate(3, 4, 5);
    group.core(1).readIndex(Buffer.from('r'));
    group.deliver();
    assert.deepEqual(group.member(1).reads, []);
    group.isolate(4, 5);
    group.tick(1);
    group.deliver();
    assert.deepEqual(group.member(1).reads, [{ index: 1, context: Buffer.from('r') }]);
  });
});
