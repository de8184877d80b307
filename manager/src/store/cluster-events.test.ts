import assert from 'node:assert/strict';
import { Config, Task } from '@swarmts/proto';
import { ClusterEvents } from './cluster-events.js';
import type { AnyChange } from './tables.js';

const created = (id: string): AnyChange => ({
  kind: 'config',
  action: 'create',
  object: Config.create({ id }),
  old: undefined,
});

describe('the last events of the cluster', () => {
  it('have times that go forward, also when the clock of a new leader is behind', () => {
    const events = new ClusterEvents();
    for (const [id, version, timeMs] of [
      ['a', 1, 5000],
      ['b', 1, 5000],
      ['c', 2, 4000],
      ['d', 3, 5001],
    ] as const)
      events.add(created(id), version, timeMs);
    assert.deepEqual(
      events.all.map((e) => [e.id, e.timeMs, e.number]),
      [
        ['a', 5000, 0],
        ['b', 5000, 1],
        ['c', 5000, 2],
        ['d', 5001, 0],
      ],
    );
  });

  it('are bounded, and say what came after a version', () => {
    const events = new ClusterEvents(3);
    for (let version = 1; version <= 5; version++) events.add(created(`c${version}`), version, version);
    const ids = (from: number) => events.after(from).map((e) => e.id);
    assert.deepEqual(ids(0), ['c3', 'c4', 'c5']);
    assert.deepEqual(ids(4), ['c5']);
    assert.deepEqual(ids(5), []);
  });

  it('leave out what users are not told of', () => {
    const events = new ClusterEvents();
    events.add({ kind: 'task', action: 'create', object: Task.create({ id: 't' }), old: undefined }, 1, 1);
    assert.deepEqual(events.all, []);
  });
});
