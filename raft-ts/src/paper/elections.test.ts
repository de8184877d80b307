// Sections 5.1 and 5.2 of the Raft paper (extended version): terms and the election of a leader.
import assert from 'node:assert/strict';
import { logOfTerms } from '../sim/core-group.js';
import { NO_DATA } from '../types.js';
import { append, ELECTION_TICKS, electBy, FIVE, granted, inFlight, paperGroup, THREE, vote } from './paper-group.js';

const EMPTY = { index: 0, term: 0 };

describe('Raft paper, 5.1: terms', () => {
  const roles: [role: string, setUp: (group: ReturnType<typeof paperGroup>) => void][] = [
    ['follower', () => undefined],
    [
      'candidate',
      (group) => {
        group.core(1).campaign();
        group.settle();
      },
    ],
    ['leader', (group) => group.elect(1)],
  ];
  for (const [role, setUp] of roles) {
    it(`a ${role} that meets a larger term takes it on and is a follower`, () => {
      const group = paperGroup(THREE);
      setUp(group);
      assert.equal(group.status(1).role, role);
      group.core(1).step(append(2, 1, 7, EMPTY));
      const { role: now, term, leader } = group.status(1);
      assert.deepEqual([now, term, leader], ['follower', 7, 2]);
    });

    it(`a ${role} does not do what a message of a smaller term asks for`, () => {
      const group = paperGroup(THREE, { logs: new Map([[1, logOfTerms([], 3)]]) });
      setUp(group);
      group.settle();
      const before = group.status(1);
      const sentBefore = group.sent.length;
      group.core(1).step(append(2, 1, 2, EMPTY, [{ index: 1, term: 2, type: 'normal', data: NO_DATA }], 1));
      group.core(1).step(vote(3, 1, 2, { index: 9, term: 9 }));
      group.settle();
      assert.deepEqual(group.status(1), before);
      assert.ok(!group.sent.slice(sentBefore).some((message) => message.type === 'vote-response' && !message.reject));
    });
  }

  it('the current term goes with every answer, so that whoever is behind learns it', () => {
    const group = paperGroup(THREE, { logs: new Map([[1, logOfTerms([], 6)]]) });
    group.core(1).step(append(2, 1, 6, EMPTY));
    group.settle();
    assert.deepEqual(
      group.sent.map(({ type, term }) => [type, term]),
      [['append-response', 6]],
    );
  });
});

describe('Raft paper, 5.2: leader election', () => {
  it('a server starts as a follower', () => {
    for (const id of THREE) assert.equal(paperGroup(THREE).status(id).role, 'follower');
  });

  it('a server stays a follower for as long as it hears from a leader', () => {
    const group = paperGroup(THREE);
    for (let round = 0; round < 5; round += 1) {
      group.tick(1, ELECTION_TICKS - 1);
      group.core(1).step({ type: 'heartbeat', from: 2, to: 1, term: 1, commit: 0, context: NO_DATA });
    }
    assert.deepEqual([group.status(1).role, group.status(1).term], ['follower', 1]);
  });

  it('a leader sends heartbeats to all others, also when there is nothing to say', () => {
    const group = paperGroup(THREE);
    group.elect(1);
    for (let beat = 0; beat < 3; beat += 1) {
      group.tick(1);
      assert.deepEqual(inFlight(group), ['heartbeat to 2', 'heartbeat to 3']);
      group.deliver();
    }
  });

  it('a follower that hears nothing raises its term, votes for itself and asks all others in parallel', () => {
    const group = paperGroup(THREE);
    group.tick(1, ELECTION_TICKS);
    const { role, term } = group.status(1);
    assert.deepEqual([role, term], ['candidate', 1]);
    assert.deepEqual(group.member(1).storage.initialState().hardState, { term: 1, vote: 1, commit: 0 });
    assert.deepEqual(inFlight(group), ['vote to 2', 'vote to 3']);
  });

  it('a candidate that neither wins nor loses starts another election in a new term', () => {
    const group = paperGroup(THREE);
    group.tick(1, ELECTION_TICKS);
    group.inFlight = [];
    group.tick(1, ELECTION_TICKS);
    assert.deepEqual([group.status(1).role, group.status(1).term], ['candidate', 2]);
    assert.deepEqual(inFlight(group), ['vote to 2', 'vote to 3']);
  });

  const rounds: [size: number, votes: (boolean | undefined)[], role: string][] = [
    [1, [], 'leader'],
    [3, [true, true], 'leader'],
    [3, [true, undefined], 'leader'],
    [5, [true, true, undefined, undefined], 'leader'],
    [5, [true, true, false, false], 'leader'],
    [3, [false, false], 'follower'],
    [5, [false, false, false, true], 'follower'],
    [3, [undefined, undefined], 'candidate'],
    [5, [true, false, undefined, undefined], 'candidate'],
    [5, [true, false, false, undefined], 'candidate'],
  ];
  for (const [size, votes, role] of rounds) {
    const words = votes.map((each) => (each === undefined ? 'silence' : each ? 'yes' : 'no')).join(', ') || 'nobody';
    it(`of ${size} servers, one whom the others answer ${words} is then ${role}`, () => {
      const group = paperGroup(FIVE.slice(0, size));
      group.core(1).campaign();
      group.settle();
      for (const [at, each] of votes.entries()) {
        if (each !== undefined) group.core(1).step(granted(at + 2, 1, 1, each));
      }
      assert.deepEqual([group.status(1).role, group.status(1).term], [role, 1]);
    });
  }

  it('the votes of one server count once', () => {
    const group = paperGroup(FIVE);
    group.core(1).campaign();
    group.settle();
    for (let times = 0; times < 5; times += 1) group.core(1).step(granted(2, 1, 1));
    assert.equal(group.status(1).role, 'candidate');
  });

  for (const [voted, asker, isGranted] of [
    [0, 2, true],
    [0, 3, true],
    [2, 2, true],
    [3, 3, true],
    [2, 3, false],
    [3, 2, false],
  ] as const) {
    it(`who has voted for ${voted || 'nobody'} in this term ${isGranted ? 'votes' : 'does not vote'} for ${asker}`, () => {
      const hardState = { term: 1, vote: voted, commit: 0 };
      const group = paperGroup(THREE, { logs: new Map([[1, { hardState }]]) });
      group.core(1).step(vote(asker, 1, 1, EMPTY));
      group.settle();
      const [answer] = group.sent;
      assert.ok(answer?.type === 'vote-response' && answer.reject === !isGranted && answer.term === 1);
    });
  }

  it('a vote is on disk before it is sent, and outlives a restart', () => {
    const group = paperGroup(THREE);
    group.core(1).step(vote(2, 1, 1, EMPTY));
    const ready = group.core(1).ready();
    assert.deepEqual([ready.hardState?.vote, ready.mustSync, ready.mayOverlap], [2, true, false]);
    const after = paperGroup(THREE, { logs: new Map([[1, { hardState: { term: 1, vote: 2, commit: 0 } }]]) });
    after.core(1).step(vote(3, 1, 1, EMPTY));
    after.settle();
    assert.ok(after.sent.every((message) => message.type !== 'vote-response' || message.reject));
  });

  for (const term of [1, 2]) {
    it(`a candidate of term 1 that hears from a leader of term ${term} recognises it and is its follower`, () => {
      const group = paperGroup(THREE);
      group.core(1).campaign();
      group.settle();
      group.core(1).step(append(2, 1, term, EMPTY));
      assert.deepEqual([group.status(1).role, group.status(1).term, group.status(1).leader], ['follower', term, 2]);
    });
  }

  it('a candidate ignores a leader of a smaller term and goes on', () => {
    const group = paperGroup(THREE, { logs: new Map([[1, logOfTerms([], 4)]]) });
    group.core(1).campaign();
    group.settle();
    group.core(1).step(append(2, 1, 4, EMPTY));
    assert.deepEqual([group.status(1).role, group.status(1).term], ['candidate', 5]);
  });

  it('election timeouts are drawn anew for each follower and each candidacy, from one to two timeouts', () => {
    let state = 1;
    const random = (): number => {
      state = (state * 48_271) % 2_147_483_647;
      return state / 2_147_483_647;
    };
    const drawn = new Map<string, Set<number>>([
      ['follower', new Set()],
      ['candidate', new Set()],
    ]);
    for (let round = 0; round < 50 * ELECTION_TICKS; round += 1) {
      const group = paperGroup(THREE, { raft: { random } });
      for (const kind of ['follower', 'candidate']) {
        const { term } = group.status(1);
        let ticks = 0;
        while (group.status(1).term === term) {
          group.tick(1);
          ticks += 1;
        }
        drawn.get(kind)?.add(ticks);
      }
    }
    const all = Array.from({ length: ELECTION_TICKS }, (_, at) => ELECTION_TICKS + at);
    for (const seen of drawn.values()) assert.deepEqual([...seen].sort(), all);
  });

  it('at most one leader is elected in a term, whoever else asks', () => {
    const group = paperGroup(FIVE);
    for (const id of [1, 2]) group.core(id).campaign();
    group.deliver();
    const leaders = FIVE.filter((id) => group.status(id).role === 'leader' && group.status(id).term === 1);
    assert.ok(leaders.length <= 1);
  });
});

describe('Raft paper, 5.4.1: who may be elected', () => {
  it('a request for votes tells how far the candidate is, and goes to everybody else', () => {
    const group = paperGroup(THREE, { logs: new Map([[1, logOfTerms([1, 2, 2])]]) });
    group.core(1).campaign();
    group.settle();
    assert.deepEqual(group.sent, [vote(1, 2, 3, { index: 3, term: 2 }), vote(1, 3, 3, { index: 3, term: 2 })]);
  });

  const logs: [own: number[], candidate: number[], isGranted: boolean][] = [
    [[1], [1], true],
    [[1], [1, 1], true],
    [[1, 1], [1], false],
    [[1], [2], true],
    [[1, 1], [2], true],
    [[2], [1], false],
    [[2], [1, 1, 1], false],
    [[], [1], true],
    [[1], [], false],
  ];
  for (const [own, candidate, isGranted] of logs) {
    it(`a log of terms [${own}] ${isGranted ? 'gives' : 'denies'} its vote to one of terms [${candidate}]`, () => {
      const group = paperGroup(THREE, { logs: new Map([[1, logOfTerms(own)]]) });
      group.core(1).step(vote(2, 1, 5, { index: candidate.length, term: candidate.at(-1) ?? 0 }));
      group.settle();
      assert.deepEqual(group.sent, [granted(1, 2, 5, isGranted)]);
    });
  }

  it('so a leader holds every entry that any earlier leader has committed', () => {
    const group = paperGroup(FIVE);
    group.elect(1);
    group.isolate(4, 5);
    group.propose(1, 'committed');
    group.heal();
    for (const id of [4, 5]) {
      electBy(group, id, FIVE);
      assert.notEqual(group.status(id).role, 'leader');
    }
    group.elect(3);
    assert.equal(group.status(3).role, 'leader');
    assert.deepEqual(group.texts(3), ['committed']);
  });
});
