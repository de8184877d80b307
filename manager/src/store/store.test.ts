import assert from 'node:assert/strict';
import { isSwarmtsError, messageOf, SwarmtsError } from '@swarmts/lib';
import {
  Config,
  Network,
  Node,
  RaftMember,
  Resource,
  Secret,
  Service,
  ServiceSpec,
  StoreTransaction,
  Task,
  TaskState,
  UpdateStatus,
  Volume,
} from '@swarmts/proto';
import { checkVersion } from '../control/conflicts.js';
import { localStore, Store, UndecidedError } from './store.js';
import type { AnyChange } from './tables.js';

const service = (id: string, name: string) =>
  Service.create({ id, spec: ServiceSpec.create({ annotations: { name, labels: {} } }) });

function fixture() {
  let now = 1000;
  const store = localStore(() => now++);
  return { store };
}

describe('store', () => {
  it('gives every object a version and times', async () => {
    const { store } = fixture();
    await store.update((tx) => tx.create('service', service('s1', 'web')));
    await store.update((tx) => {
      const s = tx.get('service', 's1');
      assert.ok(s);
      tx.update('service', { ...s, specVersion: { index: 2 } });
    });
    const s = store.get('service', 's1');
    assert.equal(s?.meta?.version?.index, 2);
    assert.equal(s?.meta?.createdAtMs, 1000);
    assert.equal(s?.meta?.updatedAtMs, 1001);
  });

  it('finds by index, with the own changes of a transaction', async () => {
    const { store } = fixture();
    await store.update((tx) => tx.create('service', service('s1', 'web')));
    await store.update((tx) => {
      tx.create('service', service('s2', 'db'));
      tx.remove('service', 's1');
      assert.deepEqual(
        tx.by('service', 'name', 'db').map((s) => s.id),
        ['s2'],
      );
      assert.deepEqual(tx.by('service', 'name', 'web'), []);
      assert.deepEqual(
        tx.list('service').map((s) => s.id),
        ['s2'],
      );
    });
    assert.deepEqual(
      store.view((tx) => tx.by('service', 'name', 'web')),
      [],
    );
  });

  it('moves an object between buckets of an index', async () => {
    const { store } = fixture();
    await store.update((tx) => tx.create('task', Task.create({ id: 't1', serviceId: 's', nodeId: '' })));
    await store.update((tx) => {
      const t = tx.get('task', 't1');
      assert.ok(t);
      tx.update('task', { ...t, nodeId: 'n1' });
    });
    assert.deepEqual(
      store.view((tx) => tx.by('task', 'node', 'n1').map((t) => t.id)),
      ['t1'],
    );
    assert.deepEqual(
      store.view((tx) => tx.by('task', 'slot', 's.n1').map((t) => t.id)),
      ['t1'],
    );
  });

  it('refuses an update that was made on an old copy', async () => {
    const { store } = fixture();
    await store.update((tx) => tx.create('service', service('s1', 'web')));
    const old = store.get('service', 's1');
    assert.ok(old);
    await store.update((tx) => tx.update('service', { ...old, specVersion: { index: 7 } }));
    await assert.rejects(
      store.update((tx) => tx.update('service', old)),
      (e) => isSwarmtsError(e, 'out-of-sequence'),
    );
  });

  it('lets who changes a spec go by any version since the spec was last written', async () => {
    const { store } = fixture();
    await store.update((tx) => tx.create('service', service('s1', 'web')));
    const read = () => {
      const found = store.get('service', 's1');
      assert.ok(found);
      return found;
    };
    const versionOf = (s: Service) => s.meta?.version?.index ?? 0;
    const created = read();
    await store.update((tx) => tx.update('service', { ...created, updateStatus: UpdateStatus.create({}) }));
    checkVersion('service', read(), versionOf(created));
    assert.throws(() => checkVersion('service', read(), versionOf(created) - 1), /update out of sequence/);
    assert.throws(() => checkVersion('service', read(), versionOf(read()) + 1), /update out of sequence/);
    const noted = read();
    await store.update((tx) => tx.update('service', { ...noted, spec: ServiceSpec.create(noted.spec ?? {}) }));
    for (const old of [created, noted]) {
      assert.throws(() => checkVersion('service', read(), versionOf(old)), /update out of sequence/);
    }
    checkVersion('service', read(), versionOf(read()));
  });

  it('changes nothing when the callback throws', async () => {
    const { store } = fixture();
    await assert.rejects(
      store.update((tx) => {
        tx.create('service', service('s1', 'web'));
        throw new Error('no');
      }),
      /no/,
    );
    assert.equal(store.count('service'), 0);
    assert.equal(store.version, 0);
  });

  it('runs writers one after the other', async () => {
    const { store } = fixture();
    await store.update((tx) => tx.create('service', service('s1', 'web')));
    await Promise.all(
      Array.from({ length: 20 }, () =>
        store.update((tx) => {
          const s = tx.get('service', 's1');
          assert.ok(s);
          tx.update('service', { ...s, specVersion: { index: (s.specVersion?.index ?? 0) + 1 } });
        }),
      ),
    );
    assert.equal(store.get('service', 's1')?.specVersion?.index, 20);
  });

  it('splits a batch and goes on after an item that throws', async () => {
    const { store } = fixture();
    const failed: number[] = [];
    const items = Array.from({ length: 500 }, (_, i) => i);
    await store.batch(
      items,
      (tx, i) => {
        if (i === 137) throw new Error('bad item');
        tx.create('task', Task.create({ id: `t${i}` }));
      },
      (i) => failed.push(i),
    );
    assert.equal(store.count('task'), 499);
    assert.deepEqual(failed, [137]);
    assert.ok(store.version > 1);
  });

  it('splits a batch by size as well, so that large objects hold nobody up', async () => {
    const { store } = fixture();
    const large = 'x'.repeat(40_000);
    await store.batch(
      Array.from({ length: 200 }, (_, i) => i),
      (tx, i) => tx.create('task', Task.create({ id: `t${i}`, nodeId: large })),
      (_, e) => assert.fail(String(e)),
    );
    assert.equal(store.count('task'), 200);
    assert.ok(store.version > 10);
  });

  it('leaves an item out that fits into no transaction, and nothing of one that throws half way', async () => {
    const { store } = fixture();
    const failed: number[] = [];
    await store.batch(
      [0, 1, 2, 3],
      (tx, i) => {
        tx.create('task', Task.create({ id: `t${i}`, nodeId: 'x'.repeat(i === 1 ? 5_000_000 : 10) }));
        if (i === 2) throw new Error('half way');
      },
      (i) => failed.push(i),
    );
    assert.deepEqual(failed, [1, 2]);
    assert.deepEqual(
      store.view((tx) => tx.list('task').map((x) => x.id)),
      ['t0', 't3'],
    );
  });

  it('leaves an item out that changes more than one transaction may, and begins another for what does not fit beside others', async () => {
    const { store } = fixture();
    const failed: string[] = [];
    await store.batch(
      [100, 120, 201, 3],
      (tx, count) => {
        for (let i = 0; i < count; i++) tx.create('task', Task.create({ id: `${count}-${i}` }));
      },
      (count, e) => failed.push(`${count}: ${messageOf(e)}`),
    );
    assert.deepEqual(failed, ['201: 201 changes in one transaction, the limit is 200']);
    assert.equal(store.count('task'), 223);
    assert.equal(store.version, 3);
  });

  it('encodes a transaction as its codec does', async () => {
    const entries: Uint8Array[] = [];
    const store: Store = new Store({
      now: () => 1000,
      proposer: {
        propose: async (data) => {
          entries.push(data);
          store.applyEntry(entries.length, data);
        },
      },
    });
    await store.update((tx) => {
      tx.create('service', service('s1', 'web'));
      tx.create('task', Task.create({ id: 't1', serviceId: 's1' }));
    });
    const [data = new Uint8Array()] = entries;
    assert.deepEqual(Buffer.from(StoreTransaction.encode(StoreTransaction.decode(data))), Buffer.from(data));
    assert.equal(StoreTransaction.decode(data).actions.length, 2);
  });

  it('takes a change for made when the next leader has it, and for lost only when nobody does', async () => {
    let index = 0;
    let fate: 'made' | 'lost' | 'snapshot' = 'made';
    const store: Store = new Store({
      now: () => 1000,
      proposer: {
        propose: async (data) => {
          if (fate === 'made') store.applyEntry(++index, data);
          if (fate === 'snapshot') store.restore(await store.snapshot([]));
          throw new SwarmtsError('no-leader', 'leadership was lost');
        },
      },
    });
    const create = (id: string) => store.update((tx) => tx.create('task', Task.create({ id })));
    await create('a');
    assert.ok(store.get('task', 'a'));
    fate = 'lost';
    await assert.rejects(create('b'), (e) => isSwarmtsError(e, 'no-leader'));
    fate = 'snapshot';
    await assert.rejects(create('c'), (e) => isSwarmtsError(e, 'aborted'));
  });

  it('makes no change before it is known what becomes of one that may be made yet', async () => {
    let index = 0;
    let isFull = true;
    const waiting: Uint8Array[] = [];
    const store: Store = new Store({
      now: () => 1000,
      proposer: {
        // As a leader whose disk is full: the first entry is in its log, others are refused.
        propose: async (data) => {
          if (isFull && waiting.push(data) === 1) throw new UndecidedError('resource-exhausted', 'the disk is full');
          if (isFull) waiting.pop();
          if (isFull) throw new SwarmtsError('resource-exhausted', 'refused');
          for (const d of [...waiting.splice(0), data]) store.applyEntry(++index, d);
        },
      },
    });
    const create = (id: string) =>
      store.update((tx) => {
        if (tx.list('config').length > 0) throw new SwarmtsError('already-exists', 'there is one by that name');
        tx.create('config', Config.create({ id }));
      });
    await assert.rejects(create('a'), UndecidedError);
    await assert.rejects(create('b'), /refused/);
    isFull = false;
    await assert.rejects(create('c'), /there is one by that name/);
    assert.deepEqual(
      store.view((tx) => tx.list('config').map((c) => c.id)),
      ['a'],
    );
    await store.update((tx) => tx.remove('config', 'a'));
    assert.equal(index, 3, 'one entry that changes nothing, and no more');
  });

  it('has times that only go forward, though the clock of the next leader is behind', async () => {
    let now = 5000;
    const store = localStore(() => now);
    await store.update((tx) => tx.create('task', Task.create({ id: 'a' })));
    now = 1000;
    await store.update((tx) => tx.create('task', Task.create({ id: 'b' })));
    assert.equal(store.get('task', 'b')?.meta?.createdAtMs, 5001, 'their order is told all the same');
    const replica = localStore(() => now);
    replica.restore(await store.snapshot([]));
    await replica.update((tx) => tx.create('task', Task.create({ id: 'c' }))).catch(() => undefined);
    assert.equal(replica.get('task', 'c')?.meta?.createdAtMs, 5002);
  });

  it('refuses one transaction with too many changes', async () => {
    const { store } = fixture();
    await assert.rejects(
      store.update((tx) => {
        for (let i = 0; i < 201; i++) tx.create('task', Task.create({ id: `t${i}` }));
      }),
      (e) => isSwarmtsError(e, 'resource-exhausted'),
    );
    assert.equal(store.count('task'), 0);
  });

  it('tells watchers of every change and of the commit', async () => {
    const { store } = fixture();
    const seen: string[] = [];
    const w = store.watch({
      change: (c: AnyChange) => seen.push(`${c.action} ${c.object.id}`),
      commit: () => seen.push('commit'),
    });
    await store.update((tx) => {
      tx.create('node', Node.create({ id: 'n1' }));
      tx.create('service', service('s1', 'web'));
    });
    w.close();
    await store.update((tx) => tx.remove('service', 's1'));
    assert.deepEqual(seen, ['create n1', 'create s1', 'commit']);
  });

  it('keeps the last events, and tells a replica that was behind what a snapshot has of them', async () => {
    const { store } = fixture();
    const replica = localStore(() => 0);
    const heard: string[] = [];
    replica.watch({ event: (e) => heard.push(`${e.action} ${e.id}`) });
    await store.update((tx) => tx.create('service', service('s1', 'web')));
    replica.restore(await store.snapshot([]));
    assert.deepEqual(heard, [], 'what happened before it was there is no news');
    await store.update((tx) => tx.create('service', service('s2', 'db')));
    await store.update((tx) => tx.remove('service', 's1'));
    replica.restore(await store.snapshot([]));
    assert.deepEqual(heard, ['create s2', 'remove s1']);
    assert.deepEqual(replica.events, store.events);
    assert.deepEqual(
      store.events.map((e) => [e.version, e.type, e.attributes.name]),
      [
        [1, 'service', 'web'],
        [2, 'service', 'db'],
        [3, 'service', 'web'],
      ],
    );
  });

  it('is in a snapshot as it was when that was asked for, however long it takes', async () => {
    const { store } = fixture();
    const ids = Array.from({ length: 2_500 }, (_, i) => `t${i}`);
    for (let at = 0; at < ids.length; at += 100) {
      await store.update((tx) => {
        for (const id of ids.slice(at, at + 100)) tx.create('task', Task.create({ id }));
      });
    }
    let turns = 0;
    const count = setInterval(() => turns++, 0);
    const snapshot = store.snapshot([]);
    await store.update((tx) => tx.remove('task', 't2499'));
    const replica = localStore(() => 0);
    replica.restore(await snapshot);
    clearInterval(count);
    assert.deepEqual(
      replica.view((tx) => tx.list('task').map((t) => t.id)),
      ids,
    );
    assert.equal(replica.version, 25);
    assert.ok(turns > 0, 'others had their turns');
  });

  it('lets others have their turns while a snapshot of many objects of any kind is encoded', async () => {
    const kinds = {
      ...{ node: Node.create, service: Service.create, network: Network.create, task: Task.create },
      ...{ secret: Secret.create, config: Config.create, volume: Volume.create, resource: Resource.create },
    };
    for (const [kind, create] of Object.entries(kinds)) {
      const { store } = fixture();
      const ids = Array.from({ length: 1_500 }, (_, i) => `x${i}`);
      for (let at = 0; at < ids.length; at += 150) {
        await store.update((tx) => {
          for (const id of ids.slice(at, at + 150)) tx.create(kind as 'node', create({ id }) as Node);
        });
      }
      let turns = 0;
      const turn = () => {
        turns++;
        next = setImmediate(turn);
      };
      let next = setImmediate(turn);
      const replica = localStore(() => 0);
      replica.restore(await store.snapshot([]));
      clearImmediate(next);
      assert.equal(replica.count(kind as 'node'), ids.length);
      assert.ok(turns > 5, `${turns} turns while 1,500 objects of ${kind} were encoded`);
    }
  });

  it('is the same on a replica, from entries and from a snapshot', async () => {
    const entries: { index: number; data: Uint8Array }[] = [];
    let index = 0;
    const store: Store = new Store({
      now: () => 5,
      proposer: {
        propose: async (data) => {
          entries.push({ index: ++index, data });
          store.applyEntry(index, data);
        },
      },
    });
    await store.update((tx) => tx.create('service', service('s1', 'web')));
    await store.update((tx) =>
      tx.create('task', Task.create({ id: 't1', serviceId: 's1', desiredState: TaskState.RUNNING })),
    );
    await store.update((tx) => tx.remove('service', 's1'));
    const member = RaftMember.create({ raftId: 7, nodeId: 'n', addr: 'a:1' });
    const replica = localStore(() => 0);
    for (const e of entries) replica.applyEntry(e.index, e.data);
    const restored = localStore(() => 0);
    assert.deepEqual(restored.restore(await store.snapshot([member])), [member]);
    for (const other of [replica, restored]) {
      assert.equal(other.version, 3);
      assert.deepEqual(await other.snapshot([member]), await store.snapshot([member]));
      assert.deepEqual(
        other.view((tx) => tx.by('task', 'service', 's1').map((t) => t.id)),
        ['t1'],
      );
    }
  });
});
