import assert from 'node:assert/strict';
import { CoreGroup, ELECTION_TICKS, logOfTerms } from '../sim/core-group.js';

const three = { voters: [1, 2, 3] };

describe('an election', () => {
  it('makes the member that times out the leader, with an empty entry of its term first', () => {
    const group = new CoreGroup(three);
    group.tick(1, ELECTION_TICKS);
    group.deliver();
    assert.equal(group.status(1).role, 'leader');
    for (const id of [1, 2, 3]) {
      assert.equal(group.status(id).leader, 1);
      assert.deepEqual(group.terms(id), [1]);
    }
  });

  it('is won at once by the only voter, without a message', () => {
    const group = new CoreGroup({ voters: [1] });
    group.core(1).campaign();
    group.settle();
    group.core(1).propose([Buffer.from('a')]);
    group.settle();
    assert.deepEqual(group.texts(1), ['a']);
    assert.deepEqual(group.sent, []);
  });

  it('is not won before the own vote is on disk', () => {
    const group = new CoreGroup({ voters: [1], raft: { preVote: false } });
    group.core(1).campaign();
    const ready = group.core(1).ready();
    assert.deepEqual(ready.hardState, { term: 1, vote: 1, commit: 0 });
    assert.equal(group.status(1).role, 'candidate');
    group.core(1).advance();
    assert.equal(group.status(1).role, 'leader');
  });

  it('times out somewhere between one and two election timeouts', () => {
    const ticksUntilCampaign = (random: number): number => {
      const group = new CoreGroup({ ...three, raft: { random: () => random } });
      let ticks = 0;
      while (group.sent.length === 0) {
        group.tick(1);
        ticks += 1;
      }
      return ticks;
    };
    assert.equal(ticksUntilCampaign(0), ELECTION_TICKS);
    assert.equal(ticksUntilCampaign(0.999), 2 * ELECTION_TICKS - 1);
  });

  const votes: [name: string, own: number[], candidate: number[], granted: boolean][] = [
    ['the same log', [1, 1], [1, 1], true],
    ['a longer log of the same term', [1], [1, 1], true],
    ['a shorter log of a newer term', [1, 1, 1], [1, 2], true],
    ['a shorter log of the same term', [1, 1], [1], false],
    ['a longer log of an older term', [1, 2], [1, 1, 1, 1], false],
    ['no log at all', [1], [], false],
  ];
  for (const [name, own, candidate, granted] of votes) {
    it(`${granted ? 'gives' : 'refuses'} the vote to a candidate with ${name}`, () => {
      const logs = new Map([[1, logOfTerms(own)]]);
      const group = new CoreGroup({ ...three, logs });
      const last = { lastIndex: candidate.length, lastTerm: candidate.at(-1) ?? 0 };
      group.core(1).step({ type: 'vote', from: 2, to: 1, term: 9, transfer: false, ...last });
      group.settle();
      assert.deepEqual(group.sent, [{ type: 'vote-response', from: 1, to: 2, term: 9, reject: !granted }]);
    });
  }

  it('gives one vote per term, and the same one again when asked again', () => {
    const group = new CoreGroup(three);
    const ask = (from: number): boolean => {
      group.core(1).step({ type: 'vote', from, to: 1, term: 5, lastIndex: 0, lastTerm: 0, transfer: false });
      group.settle();
      const answer = group.sent.at(-1);
      assert.equal(answer?.type, 'vote-response');
      return answer.reject;
    };
    assert.deepEqual([ask(2), ask(3), ask(2)], [false, true, false]);
    assert.deepEqual(group.member(1).storage.initialState().hardState, { term: 5, vote: 2, commit: 0 });
  });

  it('is not won without a majority', () => {
    const group = new CoreGroup({ voters: [1, 2, 3, 4, 5] });
    group.isolate(3, 4, 5);
    group.elect(1);
    assert.equal(group.status(1).role, 'pre-candidate');
    assert.equal(group.status(1).term, 0);
  });

  it('is lost by a candidate that hears from a leader of its term', () => {
    const group = new CoreGroup(three);
    group.isLost = (message) => message.type === 'vote';
    group.elect(1);
    assert.equal(group.status(1).role, 'candidate');
    group.core(1).step({ type: 'heartbeat', from: 2, to: 1, term: 1, commit: 0, context: new Uint8Array(0) });
    assert.deepEqual([group.status(1).role, group.status(1).leader], ['follower', 2]);
  });
});

describe('pre-vote', () => {
  it('keeps a member that was cut off from raising its term and from disturbing on its return', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.isolate(3);
    group.tick(3, 10 * ELECTION_TICKS);
    group.deliver();
    assert.equal(group.status(3).term, 1);
    group.heal();
    group.tick(3, ELECTION_TICKS);
    group.deliver();
    group.tick(1);
    group.deliver();
    assert.deepEqual([group.status(1).role, group.status(1).term], ['leader', 1]);
    assert.equal(group.status(3).leader, 1);
  });

  it('is refused to a member whose log is behind, whatever its term', () => {
    const logs = new Map([
      [1, logOfTerms([1], 8)],
      [2, logOfTerms([1, 2])],
      [3, logOfTerms([1, 2])],
    ]);
    const group = new CoreGroup({ ...three, logs });
    group.elect(1);
    assert.deepEqual([group.status(1).role, group.status(1).term], ['pre-candidate', 8]);
    // The first attempts of member 2 only tell it of the newer term.
    for (let attempt = 0; attempt < 3; attempt += 1) group.elect(2);
    assert.deepEqual([group.status(2).role, group.status(2).term], ['leader', 9]);
    assert.deepEqual(group.terms(1), [1, 2, 9]);
  });

  it('that is granted for another term counts for nothing', () => {
    const group = new CoreGroup(three);
    group.isLost = () => true;
    group.elect(1);
    group.core(1).step({ type: 'pre-vote-response', from: 2, to: 1, term: 7, reject: false });
    assert.equal(group.status(1).role, 'pre-candidate');
  });
});

describe('a live leader', () => {
  it('is protected: a vote request of a newer term is ignored while it is heard', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    const request = { type: 'vote', from: 3, to: 2, term: 7, lastIndex: 9, lastTerm: 6, transfer: false } as const;
    group.core(2).step(request);
    assert.equal(group.status(2).term, 1);
    group.tick(2, ELECTION_TICKS - 1);
    group.core(2).step(request);
    assert.equal(group.status(2).term, 1);
    group.core(2).step({ ...request, transfer: true });
    assert.equal(group.status(2).term, 7, 'a transfer that the leader asked for goes through');
  });

  it('steps down when a majority has not answered for an election timeout', () => {
    const group = new CoreGroup({ voters: [1, 2, 3, 4, 5] });
    group.elect(1);
    group.isolate(4, 5);
    for (let tick = 0; tick < 3 * ELECTION_TICKS; tick += 1) {
      group.tick(1);
      group.deliver();
    }
    assert.equal(group.status(1).role, 'leader', 'three of five are enough');
    group.isolate(3, 4, 5);
    for (let tick = 0; tick < 2 * ELECTION_TICKS; tick += 1) {
      group.tick(1);
      group.deliver();
    }
    assert.deepEqual([group.status(1).role, group.status(1).leader, group.status(1).term], ['follower', 0, 1]);
  });

  it('of an old term steps down when it meets the new one', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.isolate(1);
    group.tick(3, ELECTION_TICKS);
    group.inFlight = [];
    group.elect(2);
    assert.equal(group.status(2).role, 'leader');
    group.heal();
    group.tick(1);
    group.deliver();
    assert.deepEqual([group.status(1).role, group.status(1).term], ['follower', 2]);
  });

  it('takes back a member whose term has run ahead', () => {
    const logs = new Map([[3, logOfTerms([], 6)]]);
    const group = new CoreGroup({ ...three, logs });
    group.isolate(3);
    group.elect(1);
    group.heal();
    for (let tick = 0; tick < 4 * ELECTION_TICKS; tick += 1) {
      for (const id of [1, 2, 3]) group.tick(id);
      group.deliver();
    }
    const leaders = [1, 2, 3].map((id) => group.status(id).leader);
    assert.ok(leaders.every((leader) => leader !== 0 && leader === leaders[0]));
    assert.ok(group.status(3).term > 6);
  });
});

describe('a transfer of the leadership', () => {
  it('goes at once to a member that has everything', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.core(1).transferLeadership(3);
    group.deliver();
    assert.deepEqual([group.status(3).role, group.status(1).role, group.status(3).term], ['leader', 'follower', 2]);
  });

  it('waits until the member has everything', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.isolate(3);
    group.propose(1, 'a', 'b');
    group.core(1).transferLeadership(3);
    group.deliver();
    assert.equal(group.status(1).role, 'leader');
    assert.throws(() => group.core(1).propose([Buffer.from('c')]), { code: 'dropped', leader: 3 });
    group.heal();
    group.tick(1);
    group.deliver();
    group.tick(1);
    group.deliver();
    assert.equal(group.status(3).role, 'leader');
    assert.deepEqual(group.texts(3), ['a', 'b']);
  });

  it('is given up after an election timeout', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.isolate(3);
    group.core(1).transferLeadership(3);
    for (let tick = 0; tick < ELECTION_TICKS; tick += 1) {
      group.tick(1);
      group.deliver();
    }
    group.propose(1, 'a');
    assert.deepEqual(group.texts(2), ['a']);
  });

  it('can be asked for at a follower, and never makes a learner lead', () => {
    const group = new CoreGroup({ voters: [1, 2], learners: [3] });
    group.elect(1);
    group.core(2).transferLeadership(3);
    group.deliver();
    assert.equal(group.status(1).role, 'leader');
    group.core(2).transferLeadership(2);
    group.deliver();
    assert.equal(group.status(2).role, 'leader');
  });
});
