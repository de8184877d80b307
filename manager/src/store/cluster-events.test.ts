import assert from 'node:assert/strict';
import {
  Config,
  Node,
  NodeAvailability,
  NodeRole,
  NodeSpec,
  NodeStatus,
  Service,
  Task,
  UpdateState,
  UpdateStatus,
} from '@swarmts/proto';
import { eventOf } from './cluster-event.js';
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

  it('tell what has become of a node and of a service, in the words of Docker', () => {
    const node = (spec: Partial<NodeSpec>, more: Partial<Node>) =>
      Node.create({ id: 'n', spec: NodeSpec.create({ annotations: { name: '', labels: {} }, ...spec }), ...more });
    const service = (state: UpdateState | undefined) =>
      Service.create({ id: 's', ...(state === undefined ? {} : { updateStatus: UpdateStatus.create({ state }) }) });
    const update = (c: Pick<AnyChange, 'kind' | 'object' | 'old'>) =>
      eventOf({ action: 'update', ...c } as AnyChange)?.attributes;
    const old = node({}, { certificateRole: NodeRole.MANAGER });
    const object = node({ availability: NodeAvailability.DRAIN }, { status: NodeStatus.create({ state: 1 }) });
    assert.deepEqual(update({ kind: 'node', object, old }), {
      name: '',
      'availability.old': 'active',
      'availability.new': 'drain',
      'role.old': 'manager',
      'role.new': 'worker',
      'state.old': 'unknown',
      'state.new': 'down',
    });
    const begun = update({ kind: 'service', object: service(UpdateState.UPDATING), old: service(undefined) });
    assert.deepEqual(begun, { name: '', 'updatestate.new': 'updating' });
    const [from, to] = [service(UpdateState.UPDATING), service(UpdateState.ROLLBACK_STARTED)];
    assert.deepEqual(update({ kind: 'service', object: to, old: from }), {
      ...{ name: '', 'updatestate.old': 'updating', 'updatestate.new': 'rollback_started' },
    });
  });
});
