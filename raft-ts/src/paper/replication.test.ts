// Sections 5.3 and 5.4 of the Raft paper (extended version): replication of the log and what may be committed.
import assert from 'node:assert/strict';
import { logOfTerms } from '../sim/core-group.js';
import { accepted, append, electBy, entry, FIVE, paperGroup, THREE } from './paper-group.js';

const payload = (text: string): Uint8Array[] => [Buffer.from(text)];

describe('Raft paper, 5.3: log replication', () => {
  it('a leader appends what it is asked for and sends it to all others in parallel, with the entry before it', () => {
    const group = paperGroup(THREE);
    group.elect(1);
    group.core(1).propose(payload('a'));
    group.settle();
    assert.deepEqual(group.terms(1), [1, 1]);
    const expected = append(1, 2, 1, { index: 1, term: 1 }, [entry(2, 1, 'a')], 1);
    assert.deepEqual(group.inFlight, [expected, { ...expected, to: 3 }]);
  });

  it('a leader tries again for as long as a follower does not answer', () => {
    const group = paperGroup(THREE);
    group.elect(1);
    group.isolate(3);
    group.propose(1, 'a');
    for (let tick = 0; tick < 20; tick += 1) {
      group.tick(1);
      group.deliver();
    }
    group.heal();
    group.tick(1);
    group.deliver();
    group.tick(1);
    group.deliver();
    assert.deepEqual(group.texts(3), ['a']);
  });

  it('what a majority holds is committed and applied, and the followers are told with the next message', () => {
    const group = paperGroup(THREE);
    group.elect(1);
    group.core(1).propose(payload('a'));
    group.settle();
    group.deliverOnce();
    assert.deepEqual([group.status(1).commit, group.status(2).commit], [1, 1]);
    group.deliverOnce();
    assert.equal(group.status(1).commit, 2);
    assert.deepEqual(group.texts(1), ['a']);
    assert.ok(group.inFlight.every((message) => message.type === 'append' && message.commit === 2));
    group.deliver();
    assert.deepEqual(group.texts(2), ['a']);
  });

  const sizes: [size: number, answers: number[], isCommitted: boolean][] = [
    [1, [], true],
    [3, [], false],
    [3, [2], true],
    [3, [2, 3], true],
    [5, [], false],
    [5, [2], false],
    [5, [2, 3], true],
    [5, [2, 3, 4], true],
    [5, [2, 3, 4, 5], true],
  ];
  for (const [size, answers, isCommitted] of sizes) {
    it(`with the answers of ${answers.join(', ') || 'nobody'}, an entry of ${size} servers is ${isCommitted ? '' : 'not '}committed`, () => {
      const group = paperGroup(FIVE.slice(0, size));
      group.elect(1);
      group.core(1).propose(payload('a'));
      group.settle();
      for (const id of answers) group.core(1).step(accepted(id, 1, 1, 2));
      assert.equal(group.status(1).commit, isCommitted ? 2 : 1);
    });
  }

  for (const terms of [[], [1], [1, 2], [2, 2, 3]]) {
    it(`with an entry of its own a leader commits the entries of terms [${terms}] that were there before`, () => {
      const logs = new Map(THREE.map((id) => [id, logOfTerms(terms, 3)]));
      const group = paperGroup(THREE, { logs });
      group.elect(1);
      group.propose(1, 'a');
      assert.equal(group.status(1).commit, terms.length + 2);
      const applied = group.member(1).applied.map((each) => each.term);
      assert.deepEqual(applied, [...terms, 4, 4]);
    });
  }

  it('a follower applies what it is told to be committed, in the order of the log', () => {
    const entries = [entry(1, 1, 'a'), entry(2, 1, 'b'), entry(3, 1, 'c')];
    for (const commit of [0, 1, 2, 3]) {
      const group = paperGroup(THREE);
      group.core(1).step(append(2, 1, 1, { index: 0, term: 0 }, entries, commit));
      group.settle();
      assert.deepEqual(group.texts(1), ['a', 'b', 'c'].slice(0, commit));
    }
  });

  it('a follower commits no further than what the message is known to agree about', () => {
    const group = paperGroup(THREE, { logs: new Map([[1, logOfTerms([1, 1, 1], 2)]]) });
    group.core(1).step(append(2, 1, 2, { index: 1, term: 1 }, [], 3));
    assert.equal(group.status(1).commit, 1);
  });

  const places: [index: number, term: number, isTaken: boolean][] = [
    [0, 0, true],
    [1, 1, true],
    [2, 2, true],
    [1, 2, false],
    [2, 1, false],
    [3, 3, false],
    [3, 2, false],
  ];
  for (const [index, term, isTaken] of places) {
    it(`a log of terms [1,2] ${isTaken ? 'takes' : 'refuses'} entries after (${index}, term ${term})`, () => {
      const group = paperGroup(THREE, { logs: new Map([[1, logOfTerms([1, 2])]]) });
      group.core(1).step(append(2, 1, 3, { index, term }));
      group.settle();
      const [answer] = group.sent;
      assert.ok(answer?.type === 'append-response');
      assert.deepEqual([answer.reject, answer.index], [!isTaken, index]);
    });
  }

  const conflicts: [what: string, prev: { index: number; term: number }, terms: number[], result: number[]][] = [
    ['adds what comes after its end', { index: 2, term: 2 }, [3], [1, 2, 3]],
    ['replaces an entry of another term', { index: 1, term: 1 }, [3, 4], [1, 3, 4]],
    ['replaces everything', { index: 0, term: 0 }, [3], [3]],
    ['keeps what is the same', { index: 0, term: 0 }, [1], [1, 2]],
    ['keeps what is the same and goes on behind it', { index: 0, term: 0 }, [1, 2, 3], [1, 2, 3]],
    ['keeps everything when nothing comes', { index: 1, term: 1 }, [], [1, 2]],
  ];
  for (const [what, prev, terms, result] of conflicts) {
    it(`a follower with entries of terms [1,2] ${what}`, () => {
      const group = paperGroup(THREE, { logs: new Map([[1, logOfTerms([1, 2])]]) });
      const entries = terms.map((term, at) => entry(prev.index + at + 1, term));
      group.core(1).step(append(2, 1, 4, prev, entries));
      group.settle();
      assert.deepEqual(group.terms(1), result);
    });
  }

  it('a follower answers only when the entries are on its disk', () => {
    const group = paperGroup(THREE);
    group.core(1).step(append(2, 1, 1, { index: 0, term: 0 }, [entry(1, 1, 'a')]));
    const ready = group.core(1).ready();
    assert.deepEqual([ready.entries.length, ready.mustSync, ready.mayOverlap], [1, true, false]);
    assert.equal(ready.messages[0]?.type, 'append-response');
  });

  it('a leader never overwrites or deletes entries of its own log', () => {
    const group = paperGroup(THREE);
    group.elect(1);
    group.propose(1, 'a', 'b');
    const before = group.entries(1);
    group.core(1).step(append(2, 1, 1, { index: 0, term: 0 }, [entry(1, 1, 'x')], 1));
    group.settle();
    assert.deepEqual(group.entries(1), before);
  });

  it('two logs with the same entry at one place are the same up to there', () => {
    const group = paperGroup(FIVE);
    group.elect(1);
    group.isolate(4, 5);
    group.propose(1, 'a', 'b');
    group.heal();
    group.elect(2);
    group.propose(2, 'c');
    for (const id of FIVE) assert.deepEqual(group.entries(id), group.entries(2));
  });
});

describe('Raft paper, 5.4.2: entries of former terms', () => {
  const counts: [index: number, commit: number][] = [
    [1, 0],
    [2, 0],
    [3, 3],
  ];
  for (const [index, commit] of counts) {
    it(`a majority for entry ${index} of terms [1,2,3] commits up to ${commit} in term 3`, () => {
      const logs = new Map(THREE.map((id) => [id, logOfTerms([1, 2], 2)]));
      const group = paperGroup(THREE, { logs });
      electBy(group, 1, [2]);
      assert.equal(group.status(1).role, 'leader');
      group.core(1).step(accepted(2, 1, 3, index));
      assert.equal(group.status(1).commit, commit);
    });
  }

  /** Figure 8 up to (c): server 1 leads in term 4; its entry of term 2 is on 1, 2 and 3. */
  const figure8 = (): ReturnType<typeof paperGroup> => {
    const logs = new Map([
      [1, logOfTerms([1, 2], 3)],
      [2, logOfTerms([1, 2], 3)],
      [3, logOfTerms([1], 3)],
      [4, logOfTerms([1], 3)],
      [5, logOfTerms([1, 3], 3)],
    ]);
    const group = paperGroup(FIVE, { logs, raft: { maxAppendBytes: 1 } });
    electBy(group, 1, [2, 3, 4]);
    assert.deepEqual([group.status(1).role, group.status(1).term], ['leader', 4]);
    // One entry goes in a message; the one of term 4 reaches nobody who could take it.
    group.isLost = (message) =>
      message.to > 3 ||
      (message.type === 'append' &&
        message.entries.some(({ term }) => term === 4) &&
        group.terms(message.to).length === message.prevIndex);
    for (let round = 0; round < 3; round += 1) {
      group.tick(1);
      group.deliver();
    }
    // Server 2 had the entry all along, and says so.
    group.core(1).step(accepted(2, 1, 4, 2));
    group.settle();
    return group;
  };

  it('figure 8 (c): an entry of term 2 on a majority is not committed by the leader of term 4', () => {
    const group = figure8();
    assert.deepEqual(
      [group.terms(1), group.terms(2), group.terms(3)],
      [
        [1, 2, 4],
        [1, 2],
        [1, 2],
      ],
    );
    const { progress, commit } = group.status(1);
    assert.deepEqual(
      [1, 2, 3].map((id) => progress?.get(id)?.match),
      [3, 2, 2],
    );
    assert.equal(commit, 0);
  });

  it('figure 8 (d): it may still be replaced, by a leader whose last entry is of term 3', () => {
    const group = figure8();
    group.isolate(1);
    group.elect(5);
    group.elect(5);
    assert.equal(group.status(5).role, 'leader');
    group.deliver();
    for (const id of [2, 3, 4]) assert.deepEqual(group.terms(id), [1, 3, group.status(5).term]);
  });

  it('figure 8 (e): once an entry of term 4 is on a majority both are committed, and the server of term 3 cannot win', () => {
    const group = figure8();
    group.isLost = (message) => message.to > 3 || message.from > 3;
    group.tick(1);
    group.deliver();
    group.tick(1);
    group.deliver();
    assert.equal(group.status(1).commit, 3);
    group.isolate(1);
    group.elect(5);
    group.elect(5);
    assert.notEqual(group.status(5).role, 'leader');
  });
});
