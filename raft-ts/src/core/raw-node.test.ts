// What the batches promise, with a disk that takes its time while messages keep coming in.
import assert from 'node:assert/strict';
import { encodeConfChange } from '../codec/conf-change-codec.js';
import { CoreGroup } from '../sim/core-group.js';
import { type Entry, NO_DATA } from '../types.js';
import { Progress } from './progress.js';

const three = { voters: [1, 2, 3] };
const entry = (index: number, term: number): Entry => ({ index, term, type: 'normal', data: Buffer.from('x') });
const append = (group: CoreGroup, from: number, term: number, prev: [number, number], entries: Entry[]): void => {
  const [prevIndex, prevTerm] = prev;
  group.core(1).step({ type: 'append', from, to: 1, term, prevIndex, prevTerm, entries, commit: 0 });
};

describe('a batch', () => {
  it('asks for a sync when a vote, a term or entries must not be forgotten, not for the commit index alone', () => {
    const group = new CoreGroup(three);
    group.core(1).step({ type: 'vote', from: 2, to: 1, term: 1, lastIndex: 0, lastTerm: 0, transfer: false });
    const vote = group.core(1).ready();
    assert.deepEqual([vote.mustSync, vote.hardState?.vote, vote.mayOverlap], [true, 2, false]);
    group.core(1).advance();
    append(group, 2, 1, [0, 0], [entry(1, 1)]);
    assert.equal(group.core(1).ready().mustSync, true);
    group.member(1).storage.append([entry(1, 1)]);
    group.core(1).advance();
    group.core(1).step({ type: 'heartbeat', from: 2, to: 1, term: 1, commit: 1, context: NO_DATA });
    const commit = group.core(1).ready();
    assert.deepEqual([commit.mustSync, commit.hardState?.commit], [false, 1]);
  });

  it('of a leader may be sent while it is written, but not a promise of anybody else', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.core(1).propose([Buffer.from('a')]);
    assert.equal(group.core(1).ready().mayOverlap, true);
    const follower = group.core(2);
    follower.step({
      ...{ type: 'append', from: 1, to: 2, term: 1, prevIndex: 1, prevTerm: 1 },
      ...{ entries: [entry(2, 1)], commit: 1 },
    });
    assert.equal(follower.ready().mayOverlap, false);
  });

  it('under way does not silence a leader, once its term is written', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    group.core(1).propose([Buffer.from('a')]);
    group.core(1).ready();
    group.core(1).tick();
    group.core(1).propose([Buffer.from('b')]);
    const early = group.core(1).takeEarlyMessages();
    assert.deepEqual(
      early.map(({ type, to }) => `${type} ${to}`),
      ['heartbeat 2', 'heartbeat 3', 'append 2', 'append 3'],
    );
    const fresh = new CoreGroup({ voters: [1], learners: [2] });
    fresh.core(1).campaign();
    fresh.core(1).ready();
    fresh.core(1).tick();
    assert.deepEqual(fresh.core(1).takeEarlyMessages(), []);
  });

  it('of a new sole voter waits for its term to be written', () => {
    const group = new CoreGroup({ voters: [1], learners: [2] });
    group.core(1).campaign();
    assert.equal(group.core(1).ready().mayOverlap, false);
  });

  it('whose entries were replaced while it was written leaves the new ones to be written', () => {
    const group = new CoreGroup(three);
    append(group, 2, 1, [0, 0], [entry(1, 1), entry(2, 1)]);
    const first = group.core(1).ready();
    append(group, 3, 2, [1, 1], [entry(2, 2)]);
    group.member(1).storage.append(first.entries);
    group.core(1).advance();
    const second = group.core(1).ready();
    assert.deepEqual(second.entries.at(-1), entry(2, 2));
    group.member(1).storage.append(second.entries);
    group.core(1).advance();
    assert.deepEqual(group.terms(1), [1, 2]);
  });

  it('with the own term keeps a candidate from leading until it is written, whatever the votes of others', () => {
    const group = new CoreGroup({ voters: [1, 2, 3, 4, 5], raft: { preVote: false } });
    group.core(1).campaign();
    group.core(1).ready();
    for (const from of [2, 3, 4]) group.core(1).step({ type: 'vote-response', term: 1, from, to: 1, reject: false });
    assert.equal(group.status(1).role, 'candidate', 'after a restart it could lead the same term once more');
    group.core(1).advance();
    assert.equal(group.status(1).role, 'leader');
  });

  it('that is not written yet does not count for a majority when its member is elected', () => {
    const group = new CoreGroup({ voters: [1, 2, 3, 4, 5], raft: { asyncStorageWrites: true, preVote: false } });
    group.stalled.add(1);
    group.core(1).campaign();
    const [own] = group.core(1).ready().storageAppend?.responses ?? [];
    assert.ok(own?.type === 'vote-response');
    group.core(1).step(own);
    for (const from of [2, 3]) group.core(1).step({ type: 'vote-response', term: 1, from, to: 1, reject: false });
    assert.equal(group.status(1).role, 'leader');
    group.core(1).ready();
    const accepted = {
      type: 'append-response',
      to: 1,
      term: 1,
      index: 1,
      reject: false,
      hintIndex: 0,
      hintTerm: 0,
    } as const;
    for (const from of [2, 3]) group.core(1).step({ ...accepted, from });
    assert.equal(group.status(1).commit, 0, 'two others and an unfinished write are no majority of five');
    group.core(1).step({ ...accepted, from: 4 });
    assert.equal(group.status(1).commit, 1);
  });

  it('with a membership change older than a snapshot that came meanwhile changes nothing', () => {
    const group = new CoreGroup(three);
    const data = encodeConfChange({ type: 'add-voter', id: 9, context: NO_DATA });
    const conf: Entry = { index: 1, term: 1, type: 'conf', data };
    group.core(1).step({
      ...{ type: 'append', from: 2, to: 1, term: 1, prevIndex: 0, prevTerm: 0 },
      ...{ entries: [conf], commit: 1 },
    });
    group.core(1).ready();
    const metadata = { index: 50, term: 1, confState: { voters: [1, 2], learners: [] } };
    group.core(1).step({ type: 'snap', from: 2, to: 1, term: 1, snapshot: { metadata, data: NO_DATA } });
    assert.deepEqual(group.core(1).applyConfEntry(conf).changes, []);
    assert.deepEqual(group.status(1).voters, [1, 2]);
  });
});

describe('messages that make no sense', () => {
  it('are ignored: from itself, to somebody else, acknowledging what was never written', () => {
    const group = new CoreGroup(three);
    group.elect(1);
    const heartbeat = { type: 'heartbeat', term: 9, commit: 0, context: NO_DATA } as const;
    group.core(1).step({ ...heartbeat, from: 1, to: 1 });
    group.core(1).step({ ...heartbeat, from: 2, to: 3 });
    group.core(1).step({
      ...{ type: 'append-response', from: 2, to: 1, term: 1, index: 1_000_000 },
      ...{ reject: false, hintIndex: 0, hintTerm: 0 },
    });
    group.core(2).step({ ...heartbeat, from: 1, to: 2, term: 1, commit: 1_000_000 });
    group.propose(1, 'a');
    assert.deepEqual(group.texts(2), ['a']);
    assert.equal(group.status(1).term, 1);
  });
});

describe('the leader of five', () => {
  it('needs two others to confirm a read', () => {
    const group = new CoreGroup({ voters: [1, 2, 3, 4, 5] });
    group.elect(1);
    group.isolate(3, 4, 5);
    group.core(1).readIndex(Buffer.from('r'));
    group.deliver();
    assert.deepEqual(group.member(1).reads, []);
    group.isolate(4, 5);
    group.tick(1);
    group.deliver();
    assert.equal(group.member(1).reads.length, 1);
  });
});

describe('the progress of a member', () => {
  it('ignores refusals of what was accepted before, in every state', () => {
    const progress = new Progress(6, { count: 4, bytes: 100 });
    assert.equal(progress.accept(5), true);
    assert.equal(progress.reject(5, 2), false);
    progress.becomeReplicate();
    assert.equal(progress.reject(4, 2), false);
    assert.deepEqual([progress.match, progress.next], [5, 6]);
  });

  it('goes back to where the logs may agree, and no further than what is known', () => {
    const progress = new Progress(100, { count: 4, bytes: 100 });
    assert.equal(progress.reject(99, 40), true);
    assert.equal(progress.next, 41);
    assert.equal(progress.reject(70, 3), false, 'an answer to an older question');
    assert.equal(progress.reject(40, 60), true);
    assert.equal(progress.next, 40);
  });

  it('probes after what a snapshot brought', () => {
    const progress = new Progress(1, { count: 4, bytes: 100 });
    progress.becomeSnapshot(50);
    assert.equal(progress.isPaused, true);
    progress.becomeProbe();
    assert.equal(progress.next, 51);
    progress.becomeSnapshot(80);
    progress.snapshotFailed();
    progress.becomeProbe();
    assert.equal(progress.next, 1);
  });
});
