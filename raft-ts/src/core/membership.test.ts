import assert from 'node:assert/strict';
import fc from 'fast-check';
import { encodeConfChange } from '../codec/conf-change-codec.js';
import { CoreGroup, ELECTION_TICKS } from '../sim/core-group.js';
import { type ConfChange, type ConfChangeType, NO_DATA } from '../types.js';
import {
  changeMembership,
  confStateOf,
  enterJoint,
  leaveJoint,
  type Membership,
  membershipFrom,
  NO_MEMBERS,
  voterSetsOf,
} from './membership.js';
import { committedIndex, hasQuorum, majorityOf, voteResult } from './quorum.js';

const change = (type: ConfChangeType, id: number): ConfChange => ({ type, id, context: NO_DATA });

describe('a membership change', () => {
  it('adds a learner, then makes it a voter', () => {
    const group = new CoreGroup({ voters: [1] });
    group.elect(1);
    group.propose(1, 'a');
    group.add(2, { voters: [1], learners: [] });
    group.core(1).proposeConfChange(change('add-learner', 2));
    group.deliver();
    assert.deepEqual(group.texts(2), ['a']);
    assert.deepEqual([group.status(1).voters, group.status(1).learners], [[1], [2]]);
    group.core(1).proposeConfChange(change('add-voter', 2));
    group.deliver();
    for (const id of [1, 2]) assert.deepEqual([group.status(id).voters, group.status(id).learners], [[1, 2], []]);
  });

  it('is refused while another one is not applied', () => {
    const group = new CoreGroup({ voters: [1, 2, 3] });
    group.elect(1);
    group.core(1).proposeConfChange(change('remove', 3));
    assert.throws(() => group.core(1).proposeConfChange(change('remove', 2)), { code: 'dropped' });
    group.deliver();
    group.core(1).proposeConfChange(change('add-voter', 3));
  });

  it('is refused until the leader has committed in its own term', () => {
    const group = new CoreGroup({ voters: [1, 2, 3] });
    group.elect(2);
    group.propose(2, 'a');
    group.tick(3, ELECTION_TICKS);
    group.inFlight = [];
    group.isLost = ({ type, from }) => type === 'append-response' || from === 2;
    group.elect(1);
    assert.equal(group.status(1).role, 'leader');
    assert.throws(() => group.core(1).proposeConfChange(change('remove', 3)), { code: 'dropped' });
    group.heal();
    group.tick(1);
    group.deliver();
    group.core(1).proposeConfChange(change('remove', 3));
    group.deliver();
    assert.deepEqual(group.status(1).voters, [1, 2]);
  });

  it('that would leave no voter is refused', () => {
    const group = new CoreGroup({ voters: [1], learners: [2] });
    group.elect(1);
    group.deliver();
    assert.throws(() => group.core(1).proposeConfChange(change('remove', 1)), { code: 'invalid' });
    assert.throws(() => group.core(1).proposeConfChange(change('add-learner', 1)), { code: 'invalid' });
  });

  it('that is committed but not applied keeps a member from standing for election', () => {
    const group = new CoreGroup({ voters: [1, 2, 3] });
    group.elect(1);
    const entry = { index: 2, term: 1, type: 'conf', data: encodeConfChange(change('add-voter', 4)) } as const;
    group.stalled.add(2);
    group.core(2).step({
      ...{ type: 'append', from: 1, to: 2, term: 1, prevIndex: 1, prevTerm: 1 },
      ...{ entries: [entry], commit: 2 },
    });
    group.core(2).campaign();
    assert.equal(group.status(2).role, 'follower');
    group.stalled.delete(2);
    group.settle();
    group.core(2).campaign();
    assert.equal(group.status(2).role, 'pre-candidate');
  });

  it('that removes the leader makes it step down, and the others go on', () => {
    const group = new CoreGroup({ voters: [1, 2, 3] });
    group.elect(1);
    group.core(1).proposeConfChange(change('remove', 1));
    group.deliver();
    assert.equal(group.status(1).role, 'follower');
    group.tick(1, 5 * ELECTION_TICKS);
    assert.equal(group.status(1).role, 'follower', 'no member, no candidate');
    group.tick(2, ELECTION_TICKS);
    group.tick(3, ELECTION_TICKS);
    group.deliver();
    group.elect(2);
    assert.equal(group.status(2).role, 'leader');
    assert.deepEqual(group.status(2).voters, [2, 3]);
  });

  it('that removes a dead voter lets the rest commit what waited', () => {
    const group = new CoreGroup({ voters: [1, 2] });
    group.elect(1);
    group.core(1).proposeConfChange(change('remove', 2));
    group.core(1).propose([Buffer.from('a')]);
    group.settle();
    // Member 2 confirms the removal only, then it is gone.
    group.isLost = (message) => message.type === 'append' && message.entries.some(({ type }) => type === 'normal');
    group.deliver();
    assert.deepEqual(group.status(1).voters, [1]);
    assert.deepEqual(group.texts(1), ['a']);
  });
});

describe('a learner', () => {
  it('receives but does not count, and does not stand for election', () => {
    const group = new CoreGroup({ voters: [1, 2], learners: [3] });
    group.elect(1);
    group.isolate(2);
    group.propose(1, 'a');
    assert.equal(group.terms(3).length, 2);
    assert.deepEqual(group.texts(1), [], 'one voter and a learner are no majority of two voters');
    group.tick(3, 3 * ELECTION_TICKS);
    assert.equal(group.status(3).role, 'follower');
  });
});

describe('majorities', () => {
  const ids = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 7 });

  it('commit what the sorted middle holds, like counting one by one says', () => {
    fc.assert(
      fc.property(ids, fc.array(fc.nat(20), { minLength: 10, maxLength: 10 }), (voters, matches) => {
        const matchOf = (id: number): number => matches[id] ?? 0;
        const holds = (index: number): boolean =>
          voters.filter((id) => matchOf(id) >= index).length >= majorityOf(voters.length);
        const expected = Math.max(...matches.filter((index) => holds(index)), 0);
        assert.equal(committedIndex([new Set(voters)], matchOf), expected);
      }),
    );
  });

  it('of two sets must both agree', () => {
    fc.assert(
      fc.property(ids, ids, fc.array(fc.option(fc.boolean()), { minLength: 10, maxLength: 10 }), (a, b, votes) => {
        const voteOf = (id: number): boolean | undefined => votes[id] ?? undefined;
        const [setA, setB] = [new Set(a), new Set(b)];
        const both = voteResult([setA, setB], voteOf);
        const each = [voteResult([setA], voteOf), voteResult([setB], voteOf)];
        if (each.includes('lost')) assert.equal(both, 'lost');
        else assert.equal(both, each.includes('pending') ? 'pending' : 'won');
      }),
    );
  });

  it('before and after any single change share a member', () => {
    const type = fc.constantFrom<ConfChangeType>('add-voter', 'add-learner', 'remove');
    fc.assert(
      fc.property(ids, type, fc.integer({ min: 1, max: 10 }), fc.nat(2 ** 10), (voters, kind, id, mask) => {
        const before: Membership = { ...NO_MEMBERS, voters: new Set(voters) };
        const after = changeMembership(before, change(kind, id));
        if (typeof after === 'string') return;
        const inGroup = (member: number): boolean => (mask & (1 << (member - 1))) !== 0;
        const oneSide = hasQuorum(voterSetsOf(before), inGroup);
        const otherSide = hasQuorum(voterSetsOf(after), (member) => !inGroup(member));
        assert.ok(!(oneSide && otherSide));
      }),
    );
  });

  it('before, in and after any joint change share a member with those next to them', () => {
    const step = fc.record({
      type: fc.constantFrom<ConfChangeType>('add-voter', 'add-learner', 'remove'),
      id: fc.integer({ min: 1, max: 10 }),
    });
    fc.assert(
      fc.property(ids, fc.array(step, { maxLength: 6 }), fc.nat(2 ** 10), (voters, steps, mask) => {
        const before: Membership = { ...NO_MEMBERS, voters: new Set(voters) };
        const joint = enterJoint(before, steps, false);
        if (typeof joint === 'string') return;
        const after = leaveJoint(joint);
        assert.ok(typeof after !== 'string');
        const inGroup = (member: number): boolean => (mask & (1 << (member - 1))) !== 0;
        const outside = (member: number): boolean => !inGroup(member);
        for (const [a, b] of [
          [before, joint],
          [joint, joint],
          [joint, after],
        ] as const) {
          assert.ok(!(hasQuorum(voterSetsOf(a), inGroup) && hasQuorum(voterSetsOf(b), outside)));
        }
      }),
    );
  });

  it('survive the way through a conf state, also in a joint change', () => {
    const before: Membership = { ...NO_MEMBERS, voters: new Set([1, 2, 3]), learners: new Set([4]) };
    const steps = [
      { type: 'add-voter', id: 5 },
      { type: 'add-learner', id: 2 },
    ] as const;
    const joint = enterJoint(before, steps, true);
    assert.ok(typeof joint !== 'string');
    const state = confStateOf(joint);
    assert.deepEqual(state, {
      ...{ voters: [1, 3, 5], learners: [4], votersOutgoing: [1, 2, 3], learnersNext: [2], autoLeave: true },
    });
    assert.deepEqual(confStateOf(membershipFrom(state)), state);
    const after = leaveJoint(membershipFrom(state));
    assert.ok(typeof after !== 'string');
    assert.deepEqual(confStateOf(after), { voters: [1, 3, 5], learners: [2, 4] });
  });
});
