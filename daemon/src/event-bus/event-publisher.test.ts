import assert from 'node:assert/strict';
import { silentLogger, systemClock } from '@swarmts/lib';
import { type Manager, Store } from '@swarmts/manager';
import { Service, Task, TaskState, TaskStatus } from '@swarmts/proto';
import { EventJournal } from './event-journal.js';
import { EventPublisher } from './event-publisher.js';
import { MemoryBus } from './memory-bus.js';

/** Two managers whose stores apply the same entries, of which one leads. */
class Bed {
  readonly bus = new MemoryBus();
  #index = 0;
  readonly managers = [this.#manager(), this.#manager()];
  readonly publishers = this.managers.map((manager) => {
    const node = { managerIfAny: manager as unknown as Manager, onChange: () => undefined };
    const shared = { bus: this.bus, clock: systemClock, random: Math.random, log: silentLogger };
    return new EventPublisher({ ...shared, node, clusterId: () => 'c1' });
  });

  #manager() {
    const propose = async (data: Uint8Array) => {
      this.#index++;
      for (const m of this.managers) m.store.applyEntry(this.#index, data);
    };
    return { store: new Store({ now: Date.now, proposer: { propose } }), isLeader: false };
  }

  lead(which: number): void {
    this.managers.forEach((m, i) => {
      m.isLeader = i === which;
    });
  }

  async write(id: string): Promise<void> {
    await this.managers[0]?.store.update((tx) => {
      tx.create('service', Service.create({ id }));
      tx.create('task', Task.create({ id: `${id}-task`, serviceId: id, slot: 1 }));
    });
  }

  async until(done: () => boolean): Promise<void> {
    while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  get subjects(): readonly string[] {
    return this.bus.kept.map((m) => m.subject.replace('swarmts.c1.events.', ''));
  }

  async stop(): Promise<void> {
    await Promise.all(this.publishers.map((p) => p.stop()));
  }
}

describe('events of the cluster on the bus', function () {
  this.timeout(20_000);
  let bed: Bed;
  beforeEach(() => {
    bed = new Bed();
  });
  afterEach(() => bed.stop());

  it('are published by the leader alone, with ids that every manager would give them', async () => {
    bed.lead(0);
    await bed.write('s1');
    await bed.until(() => bed.bus.kept.length === 2);
    assert.deepEqual(bed.subjects, ['service.create', 'task.new']);
    assert.deepEqual(
      bed.bus.kept.map((m) => m.id),
      ['c1-1-1-s1', 'c1-1-2-s1-task'],
    );
    const { cluster, type, action, id, attributes } = JSON.parse(bed.bus.kept[1]?.data ?? '');
    assert.deepEqual([cluster, type, action, id, attributes.service], ['c1', 'task', 'new', 's1-task', 's1']);
  });

  it('are published after an outage of the bus, in their order and once', async () => {
    bed.lead(0);
    await bed.write('s1');
    await bed.until(() => bed.bus.kept.length === 2);
    bed.bus.away = true;
    for (const id of ['s2', 's3']) await bed.write(id);
    bed.bus.away = false;
    await bed.until(() => bed.bus.kept.length === 6);
    assert.deepEqual(
      bed.bus.kept.map((m) => m.id),
      ['c1-1-1-s1', 'c1-1-2-s1-task', 'c1-2-1-s2', 'c1-2-2-s2-task', 'c1-3-1-s3', 'c1-3-2-s3-task'],
    );
  });

  it('go on where the last leader stopped, also in the middle of a transaction', async () => {
    bed.lead(0);
    bed.bus.onPublish = (m) => {
      if (m.id === 'c1-2-2-s2-task') {
        bed.lead(1);
        throw new Error('the leader is gone before it was kept');
      }
    };
    await bed.write('s1');
    await bed.write('s2');
    await bed.until(() => !bed.managers[0]?.isLeader);
    bed.bus.onPublish = () => undefined;
    await bed.write('s3');
    await bed.until(() => bed.bus.kept.length === 6);
    assert.deepEqual(
      bed.bus.kept.map((m) => m.id),
      ['c1-1-1-s1', 'c1-1-2-s1-task', 'c1-2-1-s2', 'c1-2-2-s2-task', 'c1-3-1-s3', 'c1-3-2-s3-task'],
    );
  });

  it('of which nobody knows any more are told to be lost', async () => {
    bed.lead(0);
    await bed.bus.publish({
      subject: 'swarmts.c1.events.node.update',
      id: 'old',
      headers: { 'Swarmts-Version': '-5', 'Swarmts-Number': '1' },
      data: '{}',
    });
    await bed.write('s1');
    await bed.until(() => bed.bus.kept.length === 4);
    assert.deepEqual(bed.subjects, ['node.update', 'bus.lost', 'service.create', 'task.new']);
  });
});

describe('events of managers that were set back to an older state', function () {
  this.timeout(20_000);

  it('are published anew, after a word that something was lost', async () => {
    const bed = new Bed();
    const headers = { 'Swarmts-Version': '500', 'Swarmts-Number': '1' };
    await bed.bus.publish({ subject: 'swarmts.c1.events.node.update', id: 'c1-500-1-n', headers, data: '{}' });
    bed.lead(0);
    await bed.write('s1');
    await bed.until(() => bed.subjects.includes('bus.lost'));
    await bed.write('s2');
    await bed.until(() => bed.bus.kept.length === 4);
    assert.deepEqual(bed.subjects, ['node.update', 'bus.lost', 'service.create', 'task.new']);
    assert.match(bed.bus.kept[2]?.id ?? '', /-s2$/);
    await bed.stop();
  });
});

describe('the journal of events', () => {
  const task = (state: TaskState) => Task.create({ id: 't', status: TaskStatus.create({ state, err: '' }) });
  const change = (state: TaskState, old?: TaskState) =>
    ({
      kind: 'task',
      action: old === undefined ? 'create' : 'update',
      object: task(state),
      old: old === undefined ? undefined : task(old),
    }) as const;

  it('has a task when its state changes, and not otherwise', () => {
    const journal = new EventJournal(0);
    journal.add(change(TaskState.NEW), 1, 0);
    journal.add(change(TaskState.NEW, TaskState.NEW), 2, 0);
    journal.add(change(TaskState.RUNNING, TaskState.NEW), 3, 0);
    assert.deepEqual(
      journal.after(undefined).events.map((e) => [e.action, e.at.version, e.at.number]),
      [
        ['new', 1, 1],
        ['running', 3, 1],
      ],
    );
  });

  it('forgets the oldest beyond its limit, and knows that', () => {
    const journal = new EventJournal(0, 2);
    for (const version of [1, 2, 3]) journal.add(change(TaskState.NEW), version, 0);
    assert.equal(journal.after({ version: 0, number: 0 }).missingUpTo, 1);
    const known = journal.after({ version: 2, number: 1 });
    assert.deepEqual([known.missingUpTo, known.events.map((e) => e.at.version)], [undefined, [3]]);
    journal.restored(9);
    assert.deepEqual(journal.after({ version: 3, number: 1 }), { events: [], missingUpTo: 9 });
  });
});
