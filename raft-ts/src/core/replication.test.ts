import assert from 'node:assert/strict';
import { CoreGroup, logOfTerms } from '../sim/core-group.js';
import { NO_DATA } from '../types.js';

const three = { voters: [1, 2, 3] };
const data = (text: string): Uint8Array => Buffer.from(text);

describe('replication', () => {
  it('applies the same entries in the same order everywhere', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.propose(1, 'a', 'b');
    group.propose(1, 'c');
    for (const id of [1, 2, 3]) assert.deepEqual(group.texts(id), ['a', 'b', 'c']);
  });

  // The six followers of figure 7 of the Raft paper, and the log of the leader that they must end up with.
  const leaderLog = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  const followers: [string, number[]][] = [
    ['lacks an entry', [1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ['lacks many entries', [1, 1, 1, 4]],
    ['has an entry too many', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ['has entries of a later term too many', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ['has stayed in an old term', [1, 1, 1, 4, 4, 4, 4]],
    ['has led twice without committing', [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
    ['is empty', []],
  ];
  for (const [name, terms] of followers) {
    it(`repairs a follower that ${name}`, () => {
      const logs = new Map([
        [1, logOfTerms(leaderLog, 7)],
        [2, logOfTerms(terms, 7)],
        [3, logOfTerms(leaderLog, 7)],
      ]);
      const group = new CoreGroup({ ...three, logs });
      group.isolate(2);
      group.elect(1);
      assert.equal(group.status(1).role, 'leader');
      group.heal();
      group.tick(1);
      group.deliver();
      assert.deepEqual(group.terms(2), [...leaderLog, 8]);
      assert.equal(group.status(2).commit, leaderLog.length + 1);
    });
  }

  it('finds where logs agree with one refusal per term, not one per entry', () => {
    const many = (term: number, count: number): number[] => Array.from({ length: count }, () => term);
    const logs = new Map([
      [1, logOfTerms([1, ...many(3, 200)], 5)],
      [2, logOfTerms([1, ...many(2, 100), ...many(4, 100)], 5)],
      [3, logOfTerms([1, ...many(3, 200)], 5)],
    ]);
    const group = new CoreGroup({ ...three, logs });
    group.isolate(2);
    group.elect(3);
    group.heal();
    group.tick(3);
    group.deliver();
    assert.deepEqual(group.terms(2), group.terms(3));
    const refusals = group.sent.filter((message) => message.type === 'append-response' && message.reject);
    assert.ok(refusals.length <= 3, `${refusals.length} refusals`);
  });

  it('commits entries of former terms only together with one of the own term', () => {
    const logs = new Map([1, 2, 3].map((id) => [id, logOfTerms([1, 2], 3)]));
    const group = new CoreGroup({ ...three, logs });
    group.isLost = (message) => message.type === 'append' && message.entries.some((entry) => entry.term === 4);
    group.elect(1);
    // Everybody holds entry 2 by now, which is of a former term.
    group.core(1).step({
      ...{ type: 'append-response', from: 3, to: 1, term: 4, index: 2 },
      ...{ reject: false, hintIndex: 0, hintTerm: 0 },
    });
    group.settle();
    assert.equal(group.status(1).commit, 0);
    group.heal();
    group.tick(1);
    group.deliver();
    assert.equal(group.status(1).commit, 3);
  });

  it('counts the leader only for what is on its disk', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.isolate(3);
    const { commit } = group.status(1);
    group.core(1).propose([data('a')]);
    const ready = group.core(1).ready();
    for (const message of ready.messages) group.core(message.to).step(message);
    group.stalled.add(1);
    group.settle();
    for (const message of group.inFlight.splice(0)) if (message.from === 2) group.core(1).step(message);
    assert.equal(group.status(1).commit, commit, 'one follower and an unfinished write are no majority');
    group.member(1).storage.append(ready.entries);
    group.core(1).advance();
    assert.equal(group.status(1).commit, commit + 1);
  });

  it('takes an append whose entries it holds already as agreement, and keeps what comes after', () => {
    const logs = new Map([[2, logOfTerms([1, 1, 1])]]);
    const group = new CoreGroup({ ...three, logs });
    const [entry] = group.entries(2);
    assert.ok(entry);
    group.core(2).step({
      ...{ type: 'append', from: 1, to: 2, term: 1, prevIndex: 0, prevTerm: 0 },
      ...{ entries: [entry], commit: 3 },
    });
    group.settle();
    assert.deepEqual(group.terms(2), [1, 1, 1]);
    assert.equal(group.status(2).commit, 1, 'no further than what is known to agree');
  });

  it('never replaces a committed entry, whatever comes', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.propose(1, 'a');
    const entries = [{ index: 2, term: 9, type: 'normal' as const, data: data('x') }];
    group.core(2).step({ type: 'append', from: 3, to: 2, term: 9, prevIndex: 1, prevTerm: 1, entries, commit: 2 });
    group.core(2).step({ type: 'append', from: 3, to: 2, term: 9, prevIndex: 0, prevTerm: 0, entries, commit: 2 });
    group.settle();
    assert.deepEqual(group.terms(2), [1, 1]);
  });

  it('stops feeding a member that does not answer, and goes on when it does', () => {
    const group = new CoreGroup({ ...three, raft: { maxInflight: 4 } });
    group.elect(1);
    const appendsTo3 = (): number =>
      group.sent.filter((message) => message.type === 'append' && message.to === 3 && message.entries.length > 0)
        .length;
    group.isolate(3);
    const before = appendsTo3();
    for (let count = 0; count < 20; count += 1) group.propose(1, `${count}`);
    assert.equal(appendsTo3() - before, 4);
    group.heal();
    group.tick(1);
    group.deliver();
    group.tick(1);
    group.deliver();
    assert.equal(group.texts(3).length, 20);
  });

  it('splits what it sends by size, but lets one large entry through', () => {
    const group = new CoreGroup({ ...three, raft: { maxAppendBytes: 100 } });
    group.elect(1);
    group.isolate(3);
    group.core(1).propose([data('x'.repeat(500)), data('y'.repeat(60)), data('z'.repeat(60))]);
    group.deliver();
    group.heal();
    group.core(1).reportUnreachable(3);
    const before = group.sent.length;
    group.tick(1);
    group.deliver();
    const counts = group.sent
      .slice(before)
      .flatMap((message) => (message.type === 'append' && message.to === 3 ? [message.entries.length] : []));
    assert.deepEqual(
      counts.filter((count) => count > 0),
      [1, 1, 1],
    );
    assert.equal(group.texts(3).length, 3);
  });
});

describe('a snapshot', () => {
  const compacted = (): CoreGroup => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.isolate(3);
    group.propose(1, 'a', 'b', 'c');
    const { storage, core } = group.member(1);
    storage.noteSnapshot({ index: 4, term: 1, confState: core.confState });
    storage.compact(4);
    group.heal();
    return group;
  };

  it('brings up a member whose entries are compacted away, and appends follow', () => {
    const group = compacted();
    group.tick(1);
    group.deliver();
    assert.equal(group.sent.filter(({ type }) => type === 'snap').length, 1);
    assert.equal(group.status(3).commit, 4);
    group.propose(1, 'd');
    assert.deepEqual(group.texts(3), ['d']);
    assert.equal(group.status(1).progress?.get(3)?.state, 'replicate');
  });

  it('that is lost is sent again after the report', () => {
    const group = compacted();
    group.isLost = ({ type }) => type === 'snap';
    group.tick(1);
    group.deliver();
    assert.equal(group.status(1).progress?.get(3)?.state, 'snapshot');
    group.core(1).reportSnapshot(3, false);
    group.heal();
    group.tick(1);
    group.deliver();
    assert.equal(group.status(3).commit, 4);
  });

  it('older than what is committed is ignored', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.propose(1, 'a', 'b');
    const metadata = { index: 1, term: 1, confState: { voters: [9], learners: [] } };
    group.core(2).step({ type: 'snap', from: 1, to: 2, term: 1, snapshot: { metadata, data: NO_DATA } });
    group.settle();
    assert.deepEqual(group.status(2).voters, [1, 2, 3]);
  });
});

describe('a proposal', () => {
  it('is refused while nobody leads', () => {
    const group = new CoreGroup(three);
    assert.throws(() => group.core(1).propose([data('a')]), { name: 'RaftError', code: 'dropped', retryable: true });
  });

  it('made at a follower is passed on to the leader', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.propose(2, 'a');
    assert.deepEqual(group.texts(3), ['a']);
  });

  it('is refused while too much waits to be committed, but one always goes', () => {
    const group = new CoreGroup({ ...three, raft: { maxUncommittedBytes: 100 } });
    group.elect(1);
    group.isolate(2, 3);
    group.propose(1, 'x'.repeat(500));
    assert.throws(() => group.core(1).propose([data('y')]), { code: 'dropped' });
    group.heal();
    group.tick(1);
    group.deliver();
    group.tick(1);
    group.deliver();
    group.propose(1, 'y');
    assert.equal(group.texts(2).length, 2);
  });
});

describe('a linearizable read', () => {
  it('is confirmed by a majority', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.propose(1, 'a');
    group.core(1).readIndex(data('r'));
    group.settle();
    assert.deepEqual(group.member(1).reads, [], 'not before anybody has answered');
    group.deliver();
    assert.deepEqual(group.member(1).reads, [{ index: 2, context: data('r') }]);
  });

  it('is not confirmed for a leader that was cut off', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.isolate(1);
    group.core(1).readIndex(data('r'));
    group.deliver();
    assert.deepEqual(group.member(1).reads, []);
  });

  it('asked for at a follower comes back to it', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.propose(1, 'a');
    group.core(3).readIndex(data('r'));
    group.deliver();
    assert.deepEqual(group.member(3).reads, [{ index: 2, context: data('r') }]);
  });

  it('waits until a new leader has committed in its term', () => {
    const group = new CoreGroup(three);
    group.isLost = ({ type }) => type === 'append-response';
    group.elect(1);
    group.core(1).readIndex(data('r'));
    group.deliver();
    assert.deepEqual(group.member(1).reads, []);
    group.heal();
    group.tick(1);
    group.deliver();
    assert.deepEqual(group.member(1).reads, [{ index: 1, context: data('r') }]);
  });

  it('confirmed answers all earlier ones too', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.isLost = (message) => message.type === 'heartbeat' && Buffer.from(message.context).toString() === 'r1';
    group.core(1).readIndex(data('r1'));
    group.core(1).readIndex(data('r2'));
    group.deliver();
    assert.deepEqual(
      group.member(1).reads.map(({ context }) => Buffer.from(context).toString()),
      ['r1', 'r2'],
    );
  });
});
