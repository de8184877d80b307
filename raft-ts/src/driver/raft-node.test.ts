// The driver on a real disk and real timers, joined by the in-memory network.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isRaftError } from '../errors.js';
import { MemoryDisk } from '../sim/memory-disk.js';
import { FaultyDisk } from '../storage/faulty-disk.js';
import { type CommittedEntry, type ConfChange, NO_DATA } from '../types.js';
import { MemoryNetwork } from './memory-network.js';
import type { LeaderChange, RaftNodeOptions, StateMachine } from './options.js';
import { RaftNode } from './raft-node.js';

class List implements StateMachine {
  values: string[] = [];
  restores = 0;
  apply(entries: readonly CommittedEntry[]): void {
    for (const { data } of entries) this.values.push(Buffer.from(data).toString());
  }
  snapshot(): Uint8Array {
    return Buffer.from(JSON.stringify(this.values));
  }
  restore(data: Uint8Array): void {
    this.restores += 1;
    this.values = JSON.parse(Buffer.from(data).toString());
  }
}

interface Member {
  readonly node: RaftNode;
  readonly list: List;
  readonly leaderChanges: LeaderChange[];
}

/** Waits, turn by turn, until something holds; the test's own timeout is the bound. */
async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setImmediate(resolve));
}

/** Opens members below one temporary directory; whatever is still open is stopped and removed at the end. */
class Cluster {
  readonly network = new MemoryNetwork();
  readonly directory: string;
  readonly members = new Map<number, Member>();
  #waiting: (() => void)[] = [];

  constructor(directory: string) {
    this.directory = directory;
  }

  async open(id: number, options: Partial<RaftNodeOptions> = {}): Promise<Member> {
    const list = new List();
    const leaderChanges: LeaderChange[] = [];
    const node = await RaftNode.open({
      id,
      dir: join(this.directory, `${id}`),
      transport: this.network.transport(id),
      stateMachine: list,
      tickMs: 10,
      onFatal: (error) => {
        throw error;
      },
      onLeaderChange: (change) => {
        leaderChanges.push(change);
        for (const wake of this.#waiting.splice(0)) wake();
      },
      ...options,
    });
    const member = { node, list, leaderChanges };
    this.members.set(id, member);
    this.network.connect(id, node);
    node.start();
    return member;
  }

  async openAll(ids: readonly number[], options: Partial<RaftNodeOptions> = {}): Promise<void> {
    await Promise.all(ids.map(async (id) => await this.open(id, { bootstrapPeers: ids, ...options })));
  }

  async stop(id: number): Promise<void> {
    const member = this.members.get(id);
    this.members.delete(id);
    this.network.disconnect(id);
    await member?.node.stop();
  }

  /** Resolves when a member leads and knows everything committed before. */
  async leader(): Promise<Member> {
    for (;;) {
      const found = [...this.members.values()].find(({ leaderChanges }) => leaderChanges.at(-1)?.isLeader);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.members.keys()].map(async (id) => await this.stop(id)));
    await rm(this.directory, { recursive: true });
  }
}

const data = (text: string): Uint8Array => Buffer.from(text);
const change = (type: ConfChange['type'], id: number): ConfChange => ({ type, id, context: NO_DATA });

describe('a member', () => {
  let cluster: Cluster;
  beforeEach(async () => {
    cluster = new Cluster(await mkdtemp(join(tmpdir(), 'raft-node-')));
  });
  afterEach(async () => await cluster.close());

  it('alone leads at once, and keeps what it took over a restart', async () => {
    const { node, list } = await cluster.open(1, { bootstrapPeers: [1], metadata: data('cluster') });
    await cluster.leader();
    const results = await Promise.all(['a', 'b', 'c'].map(async (text) => await node.propose(data(text))));
    assert.deepEqual(list.values, ['a', 'b', 'c']);
    assert.deepEqual(
      results.map(({ index }) => index - (results[0]?.index ?? 0)),
      [0, 1, 2],
    );
    assert.equal(await node.readIndex(), results[2]?.index);
    await cluster.stop(1);
    const again = await cluster.open(1);
    assert.deepEqual(again.list.values, ['a', 'b', 'c'], 'before it is started');
    assert.equal(Buffer.from(again.node.metadata).toString(), 'cluster');
  });

  it('whose data was replaced by an earlier copy ends, before it can break what it has promised', async () => {
    await cluster.openAll([1, 2, 3]);
    const { node: leader } = await cluster.leader();
    const id = [1, 2, 3].find((other) => other !== leader.id) ?? 0;
    const [dir, copy] = [join(cluster.directory, `${id}`), join(cluster.directory, 'copy')];
    await leader.propose(data('early'));
    await cluster.stop(id);
    await cp(dir, copy, { recursive: true });
    await cluster.open(id);
    for (const text of ['a', 'b', 'c']) await leader.propose(data(text));
    await until(async () => cluster.members.get(id)?.list.values.length === 4);
    await cluster.stop(id);
    await rm(dir, { recursive: true });
    await cp(copy, dir, { recursive: true });
    const ended = new Promise<unknown>((resolve) => {
      void cluster.open(id, { onFatal: resolve });
    });
    const error = await ended;
    assert.ok(isRaftError(error, 'outdated'), String(error));
    assert.match(
      error.message,
      /ends at entry \d+, but it has acknowledged \d+: an earlier copy of its data was put back/,
    );
    await leader.propose(data('the others go on'));
  });

  it('whose committed entries were lost by the others, with an earlier copy of data, ends and does not go on beside them', async () => {
    await cluster.openAll([1, 2, 3]);
    const { node: leader } = await cluster.leader();
    const [copied = 0, behind = 0] = [1, 2, 3].filter((id) => id !== leader.id);
    const valuesOf = (id: number): number => cluster.members.get(id)?.list.values.length ?? 0;
    const [dir, copy] = [join(cluster.directory, `${copied}`), join(cluster.directory, 'copy')];
    await leader.propose(data('early'));
    await until(async () => [1, 2, 3].every((id) => valuesOf(id) === 1));
    await cluster.stop(copied);
    await cp(dir, copy, { recursive: true });
    await cluster.open(copied);
    await until(async () => valuesOf(copied) === 1);
    await cluster.stop(behind);
    for (const text of ['a', 'b', 'c']) await leader.propose(data(text));
    await until(async () => valuesOf(copied) === 4);
    await cluster.stop(copied);
    await rm(dir, { recursive: true });
    await cp(copy, dir, { recursive: true });
    // The one that could tell is away: nobody knows what the copy has forgotten.
    await cluster.stop(leader.id);
    await cluster.open(copied);
    await cluster.open(behind);
    const { node: next } = await cluster.leader();
    await next.propose(data('other'));
    const error = await new Promise<unknown>((resolve) => {
      void cluster.open(leader.id, { onFatal: resolve });
    });
    assert.ok(isRaftError(error, 'diverged'), String(error));
    assert.match(error.message, /committed entry \d+ of member \d is another one than that of leader \d/);
    await next.propose(data('the others go on'));
  });

  it('writes proposals made together in one go', async () => {
    let syncs = 0;
    const disk = new MemoryDisk({
      schedule: (operation, done) => {
        if (operation === 'sync') syncs += 1;
        setImmediate(done);
      },
    });
    const { node } = await cluster.open(1, { bootstrapPeers: [1], disk });
    await cluster.leader();
    syncs = 0;
    await Promise.all(Array.from({ length: 500 }, async (_, at) => await node.propose(data(`${at}`))));
    assert.equal(syncs, 1);
  });

  it('refuses what cannot be proposed', async () => {
    const { node } = await cluster.open(1, { bootstrapPeers: [1], maxProposalBytes: 10 });
    await cluster.leader();
    await assert.rejects(node.propose(NO_DATA), { code: 'invalid' });
    await assert.rejects(node.propose(data('x'.repeat(11))), { code: 'invalid' });
    await assert.rejects(node.propose(data('x'), AbortSignal.abort()), { code: 'aborted', outcomeUnknown: false });
    await assert.rejects(node.proposeConfChange(change('remove', 1)), { code: 'invalid' });
    await assert.rejects(node.transferLeadership(7), { code: 'invalid' });
    await cluster.stop(1);
    await assert.rejects(node.propose(data('x')), { code: 'stopped' });
  });

  it('refuses a directory of another member', async () => {
    await cluster.open(1, { bootstrapPeers: [1] });
    await cluster.stop(1);
    await assert.rejects(cluster.open(2, { dir: join(cluster.directory, '1') }), { code: 'invalid' });
  });

  it('that does not lead says who does', async () => {
    await cluster.openAll([1, 2, 3]);
    const leader = await cluster.leader();
    const follower = [...cluster.members.values()].find((member) => member !== leader);
    assert.ok(follower);
    await follower.node.readIndex();
    await assert.rejects(follower.node.propose(data('x')), { code: 'not-leader', leader: leader.node.id });
  });

  it('loses no acknowledged write when leaders are killed under load', async () => {
    const ids = [1, 2, 3];
    await cluster.openAll(ids);
    const acknowledged: string[] = [];
    const isDone = new AbortController();
    const client = async (name: number): Promise<void> => {
      for (let count = 0; !isDone.signal.aborted; count += 1) {
        const value = `${name}-${count}`;
        const { node } = await cluster.leader();
        try {
          await node.propose(data(value));
          acknowledged.push(value);
        } catch (error) {
          assert.ok(isRaftError(error) && ['leadership-lost', 'not-leader', 'dropped', 'stopped'].includes(error.code));
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    };
    const clients = Array.from({ length: 16 }, async (_, name) => await client(name));
    const until = async (count: number): Promise<void> => {
      while (acknowledged.length < count) await new Promise((resolve) => setImmediate(resolve));
    };
    for (let kill = 1; kill <= 3; kill += 1) {
      await until(300 * kill);
      const { id } = (await cluster.leader()).node;
      await cluster.stop(id);
      await until(300 * kill + 50);
      await cluster.open(id);
    }
    isDone.abort();
    await Promise.all(clients);
    for (const { node, list } of cluster.members.values()) {
      await node.readIndex();
      const present = new Set(list.values);
      assert.equal(present.size, list.values.length, 'nothing twice');
      assert.deepEqual(
        acknowledged.filter((value) => !present.has(value)),
        [],
      );
    }
  });

  it('joins as a learner by a snapshot, is promoted, takes over and outlives the first', async () => {
    const first = await cluster.open(1, { bootstrapPeers: [1], snapshotEntries: 20, trailingEntries: 50 });
    await cluster.leader();
    for (let count = 0; count < 100; count += 1) await first.node.propose(data(`${count}`));
    const second = await cluster.open(2);
    await first.node.proposeConfChange(change('add-learner', 2));
    await first.node.propose(data('after'));
    await second.node.readIndex();
    assert.equal(second.list.values.length, 101);
    assert.equal(second.list.restores, 1);
    await first.node.proposeConfChange(change('add-voter', 2));
    await first.node.transferLeadership(2);
    const leader = await cluster.leader();
    assert.equal(leader.node.id, 2);
    await leader.node.proposeConfChange(change('remove', 1));
    await cluster.stop(1);
    await leader.node.propose(data('alone'));
    assert.deepEqual(leader.node.status().voters, [2]);
  });

  it('leads while all others are exchanged in one joint change', async () => {
    await cluster.openAll([1, 2, 3]);
    const { node } = await cluster.leader();
    const leaving = [1, 2, 3].filter((id) => id !== node.id);
    for (const id of [4, 5]) {
      await cluster.open(id);
      await node.proposeConfChange(change('add-learner', id));
    }
    await node.propose(data('before'));
    const steps = [
      ...[4, 5].map((id) => ({ type: 'add-voter' as const, id })),
      ...leaving.map((id) => ({ type: 'remove' as const, id })),
    ];
    await node.proposeConfChange({ transition: 'auto', steps, context: NO_DATA });
    await until(async () => node.status().voters.join() === [node.id, 4, 5].join() && !node.status().votersOutgoing);
    for (const id of leaving) await cluster.stop(id);
    await node.propose(data('after'));
    await cluster.members.get(5)?.node.readIndex();
    assert.deepEqual(cluster.members.get(5)?.list.values, ['before', 'after']);
  });

  it('becomes the only one by force, with everything it had', async () => {
    await cluster.openAll([1, 2, 3]);
    const { node } = await cluster.leader();
    await node.propose(data('kept'));
    for (const id of [1, 2, 3]) await cluster.stop(id);
    const dir = join(cluster.directory, `${node.id}`);
    await assert.rejects(RaftNode.forceNewCluster({ id: 99, dir }), { code: 'invalid' });
    await RaftNode.forceNewCluster({ id: node.id, dir });
    const changes: string[] = [];
    const alone = await cluster.open(node.id, {
      onConfChange: (_confState, { type, id }) => changes.push(`${type} ${id}`),
    });
    await cluster.leader();
    await alone.node.propose(data('new'));
    assert.deepEqual(alone.list.values, ['kept', 'new']);
    assert.deepEqual(alone.node.status().voters, [node.id]);
    assert.equal(changes.filter((each) => each.startsWith('remove')).length, 2);
  });

  it('takes snapshots as often as it is told while it runs', async () => {
    const { node } = await cluster.open(1, { bootstrapPeers: [1], snapshotEntries: 1_000 });
    await cluster.leader();
    const propose = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 1) await node.propose(data(`${i}`));
    };
    await propose(30);
    assert.equal(node.metrics().snapshotsTaken, 0);
    node.setSnapshotLimits({ snapshotEntries: 10 });
    await propose(30);
    await until(async () => node.metrics().snapshotsTaken > 0);
  });

  it('ends with one fatal report when the disk fails, and rejects what waits', async () => {
    const disk = new MemoryDisk();
    const fatal: string[] = [];
    const { node } = await cluster.open(1, { bootstrapPeers: [1], disk, onFatal: ({ code }) => fatal.push(code) });
    await cluster.leader();
    disk.failNext('sync', new Error('EIO'));
    await assert.rejects(node.propose(data('x')), { code: 'stopped', outcomeUnknown: true });
    await assert.rejects(node.propose(data('y')), { code: 'stopped' });
    await node.stop();
    assert.deepEqual(fatal, ['io']);
  });

  it('refuses proposals while its disk is full, loses nothing, and goes on when there is room', async () => {
    const disk = new FaultyDisk(new MemoryDisk());
    const { node, list } = await cluster.open(1, { bootstrapPeers: [1], disk, segmentBytes: 2000, snapshotEntries: 5 });
    await cluster.leader();
    await node.propose(data('before'));
    disk.quotaBytes = disk.usedBytes;
    const writes = disk.counts.write;
    const waiting = node.propose(data('waits'));
    // The batch is in the log of the core already: it is written as soon as there is room.
    await until(async () => disk.counts.write > writes);
    await assert.rejects(node.propose(data('refused')), { code: 'no-space' });
    await assert.rejects(node.proposeConfChange({ type: 'add-learner', id: 2, context: NO_DATA }), {
      code: 'no-space',
    });
    assert.deepEqual(list.values, ['before']);
    disk.quotaBytes = Number.POSITIVE_INFINITY;
    await waiting;
    for (let count = 1; count <= 60; count += 1) await node.propose(data(`after ${count}`));
    await cluster.stop(1);
    const again = await cluster.open(1, { disk });
    assert.equal(again.list.values.length, 62);
    assert.ok(!again.list.values.includes('refused'));
  });

  it('lets nobody wait for a full disk for long, also for what is in its log already', async () => {
    const disk = new FaultyDisk(new MemoryDisk());
    const { node, list } = await cluster.open(1, { bootstrapPeers: [1], disk, segmentBytes: 2000 });
    await cluster.leader();
    disk.quotaBytes = disk.usedBytes;
    await assert.rejects(node.propose(data('waits')), { code: 'no-space', outcomeUnknown: true });
    disk.quotaBytes = Number.POSITIVE_INFINITY;
    await until(async () => list.values.length === 1);
    await node.propose(data('after'));
    assert.deepEqual(list.values, ['waits', 'after']);
  });

  it('tries a snapshot that does not fit on its disk ever more seldom, and takes it when there is room', async () => {
    await cluster.open(1, { bootstrapPeers: [1], snapshotEntries: 10, trailingEntries: 0 });
    const { node: leader } = await cluster.leader();
    for (let count = 1; count <= 30; count += 1) await leader.propose(Buffer.alloc(10_000, 'x'));
    await until(async () => leader.metrics().snapshotsTaken > 0);
    const disk = new FaultyDisk(new MemoryDisk());
    const { list } = await cluster.open(2, { disk, segmentBytes: 2000 });
    disk.quotaBytes = disk.usedBytes + 100_000;
    await leader.proposeConfChange({ type: 'add-learner', id: 2, context: NO_DATA });
    // Each try makes a file, and removes it.
    const { other } = disk.counts;
    const tries = () => (disk.counts.other - other) / 2;
    await until(async () => tries() >= 1);
    const firstMs = performance.now();
    await until(async () => tries() >= 5);
    const elapsedMs = performance.now() - firstMs;
    assert.ok(elapsedMs > 600, `four more tries in ${elapsedMs} ms`);
    disk.quotaBytes = Number.POSITIVE_INFINITY;
    await until(async () => list.restores === 1);
  });

  it('says that its disk is full, gives reads up meanwhile, and keeps no heap of answers for when there is room', async () => {
    const disk = new FaultyDisk(new MemoryDisk());
    const told: boolean[] = [];
    const bootstrapPeers = [1, 2, 3];
    for (const id of [1, 2]) await cluster.open(id, { bootstrapPeers });
    let most = 0;
    const { node, list } = await cluster.open(3, {
      ...{ bootstrapPeers, disk, segmentBytes: 2000, onDiskFull: (isFull) => told.push(isFull) },
      transport: {
        send: (messages) => {
          most = Math.max(most, messages.filter(({ type }) => type === 'heartbeat-response').length);
          cluster.network.transport(3).send(messages);
        },
      },
    });
    const { node: first } = await cluster.leader();
    if (first === node) await first.transferLeadership(1);
    const { node: leader } = await cluster.leader();
    disk.quotaBytes = disk.usedBytes;
    for (let count = 1; count <= 60; count += 1) await leader.propose(data(`value ${count}`));
    await until(async () => told.length > 0);
    await assert.rejects(node.readIndex(), { code: 'no-space', message: /the disk of this member is full/ });
    disk.quotaBytes = Number.POSITIVE_INFINITY;
    await until(async () => list.values.length === 60);
    assert.ok(most < 10, `${most} answers to heartbeats were sent at once`);
    await until(async () => told.length > 1);
    assert.deepEqual(told, [true, false]);
    await node.readIndex();
  });

  it('whose log is damaged refuses to start, and comes back under a new id from its peers', async () => {
    await cluster.openAll([1, 2, 3]);
    const { node } = await cluster.leader();
    await node.propose(data('a'));
    await node.propose(data('b'));
    const victim = node.id === 3 ? 2 : 3;
    await cluster.stop(victim);
    const dir = join(cluster.directory, `${victim}`);
    const segment = join(dir, 'wal', '0000000000000001.wal');
    const content = await readFile(segment);
    content[100] = (content[100] ?? 0) ^ 1;
    await writeFile(segment, content);
    await assert.rejects(cluster.open(victim), { code: 'corrupt' });
    assert.deepEqual(await readFile(segment), content, 'nothing is cut off');
    const aside = await RaftNode.setAside({ id: victim, dir });
    assert.deepEqual(await readFile(join(aside, 'wal', '0000000000000001.wal')), content);
    await node.proposeConfChange({ type: 'remove', id: victim, context: NO_DATA });
    const healed = await cluster.open(4, { dir });
    await node.proposeConfChange({ type: 'add-learner', id: 4, context: NO_DATA });
    await until(async () => healed.list.values.length === 2);
    await node.proposeConfChange({ type: 'add-voter', id: 4, context: NO_DATA });
    await node.propose(data('c'));
    await healed.node.readIndex();
    assert.deepEqual(healed.list.values, ['a', 'b', 'c']);
  });

  it('keeps leading while its disk is slow, and falls silent when its disk hangs', async () => {
    const held: (() => void)[] = [];
    let isHolding = false;
    const slow = new MemoryDisk({
      schedule: (operation, done) => {
        if (isHolding && operation === 'sync') held.push(done);
        else setImmediate(done);
      },
    });
    await cluster.open(1, { bootstrapPeers: [1, 2, 3], disk: slow });
    await cluster.open(2, { bootstrapPeers: [1, 2, 3] });
    await cluster.open(3, { bootstrapPeers: [1, 2, 3] });
    const first = await cluster.leader();
    if (first.node.id !== 1) await first.node.transferLeadership(1);
    const one = cluster.members.get(1);
    const two = cluster.members.get(2);
    assert.ok(one && two);
    while (!one.leaderChanges.at(-1)?.isLeader) await new Promise((resolve) => setImmediate(resolve));
    const { term } = one.node.status();
    isHolding = true;
    const slowWrite = one.node.propose(data('slow'));
    // The others commit without its disk; it tells them so, while its own write is still under way.
    while (!two.list.values.includes('slow')) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(one.list.values, []);
    assert.equal(two.node.status().term, term);
    isHolding = false;
    for (const done of held.splice(0)) done();
    await slowWrite;
    isHolding = true;
    await assert.rejects(one.node.propose(data('hangs')), { code: 'leadership-lost', outcomeUnknown: true });
    assert.equal(one.leaderChanges.at(-1)?.isLeader, false);
    // It may have given up by itself, before anybody has taken its place.
    await until(async () => two.node.status().term > term);
    isHolding = false;
    for (const done of held.splice(0)) done();
  });

  it('rejects a proposal when the leadership is lost before it is committed', async () => {
    await cluster.openAll([1, 2, 3]);
    const { node } = await cluster.leader();
    cluster.network.partition([node.id]);
    await assert.rejects(node.propose(data('x')), { code: 'leadership-lost', outcomeUnknown: true });
  });

  it('gives up a read that no leader confirms, and one that is aborted', async () => {
    await cluster.openAll([1, 2, 3]);
    const { node } = await cluster.leader();
    cluster.network.partition();
    const abort = new AbortController();
    const aborted = node.readIndex(abort.signal);
    const unconfirmed = node.readIndex();
    abort.abort();
    await assert.rejects(aborted, { code: 'aborted' });
    await assert.rejects(unconfirmed, { code: 'dropped' });
  });
});
