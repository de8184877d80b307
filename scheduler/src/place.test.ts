import assert from 'node:assert/strict';
import {
  Endpoint,
  Network,
  NetworkAttachment,
  NetworkSpec,
  NodeAvailability,
  NodeRole,
  NodeState,
  PortConfig,
  PublishMode,
  type Task,
  TaskState,
} from '@swarmts/proto';
import fc from 'fast-check';
import { failureKey, type NodeInfo } from './node-info.js';
import { checkAssigned, explainNode, placeGroup } from './place.js';
import { spreadWarnings } from './spread-tree.js';
import { type NodeShape, type TaskShape, testNodeInfo, testTask } from './testing.js';
import { VolumeSet } from './volume-set.js';

const NOW = 1_700_000_000_000;
const GIB = 1024 ** 3;

function place(shape: Omit<TaskShape, 'id'>, count: number, nodes: readonly NodeInfo[]) {
  const tasks = Array.from({ length: count }, (_, i) => testTask({ ...shape, id: `t${i}` }));
  return placeGroup(tasks, nodes, NOW, (t: Task, n) => ({ ...t, nodeId: n.id }));
}

const perNode = (r: ReturnType<typeof place>) => {
  const counts: Record<string, number> = {};
  for (const p of r.placed) counts[p.node.id] = (counts[p.node.id] ?? 0) + 1;
  return counts;
};

const nodes = (...shapes: (string | NodeShape)[]) =>
  shapes.map((s) => testNodeInfo(typeof s === 'string' ? { id: s } : s));

describe('placement', () => {
  it('spreads the tasks of a service evenly', () => {
    assert.deepEqual(perNode(place({}, 7, nodes('a', 'b', 'c'))), { a: 3, b: 2, c: 2 });
  });

  it('prefers the node with fewer tasks of the same service over the emptier one', () => {
    const [a, b] = nodes('a', 'b');
    assert.ok(a && b);
    a.addTask(testTask({ id: 'x', nodeId: 'a' }));
    for (let i = 0; i < 5; i++) b.addTask(testTask({ id: `y${i}`, service: 'other', nodeId: 'b' }));
    assert.deepEqual(perNode(place({}, 1, [a, b])), { b: 1 });
  });

  it('counts a task no more that is being stopped, though its room is taken until it has ended', () => {
    const full = { cpus: 2, memoryBytes: 4 * GIB };
    const [a, b] = nodes({ id: 'a', ...full }, { id: 'b', ...full });
    assert.ok(a && b);
    const old = testTask({ id: 'old', nodeId: 'b', maxReplicas: 1, cpus: 1 });
    a.addTask(testTask({ id: 'new', nodeId: 'a', maxReplicas: 1, cpus: 1 }));
    b.addTask(old);
    assert.equal(place({ maxReplicas: 1 }, 1, [a, b]).placed.length, 0);
    b.addTask({ ...old, desiredState: TaskState.SHUTDOWN });
    assert.deepEqual([b.tasksOf('web'), b.taskCount, b.freeNanoCpus], [0, 0, 1e9]);
    assert.deepEqual(perNode(place({}, 1, [a, b])), { b: 1 });
    b.removeTask('old');
    assert.deepEqual([b.tasksOf('web'), b.taskCount, b.freeNanoCpus], [1, 1, 2e9]);
  });

  it('says whose host port stands in the way, also while that task is being stopped', () => {
    const port = PortConfig.create({ targetPort: 80, publishedPort: 80, publishMode: PublishMode.HOST });
    const endpoint = Endpoint.create({ ports: [port] });
    const task = { ...testTask({ id: 't' }), endpoint };
    for (const [service, owner] of [
      ['web', 'a task of this service'],
      ['other', 'another task'],
    ] as const) {
      const [a] = nodes('a');
      assert.ok(a);
      const holder = { ...testTask({ id: 'x', service, nodeId: 'a' }), endpoint };
      a.addTask({ ...holder, desiredState: TaskState.SHUTDOWN });
      a.addTask(testTask({ id: 'y', nodeId: 'a' }));
      const reasons = explainNode(task, a, new VolumeSet()).map((v) => v.reason);
      assert.ok(reasons.includes(`${owner} has published the same port on this node`), `${reasons}`);
    }
  });

  it('prefers the node with more free reserved memory among equals', () => {
    const [a, b] = nodes('a', 'b');
    assert.ok(a && b);
    a.addTask(testTask({ id: 'x', service: 'other', nodeId: 'a', memoryBytes: 4 * GIB }));
    assert.deepEqual(perNode(place({}, 1, [a, b])), { b: 1 });
  });

  it('leaves nodes alone that are down, drained or paused, and says so', () => {
    const r = place(
      {},
      2,
      nodes(
        { id: 'a', state: NodeState.DOWN },
        { id: 'b', availability: NodeAvailability.DRAIN },
        { id: 'c', availability: NodeAvailability.PAUSE },
      ),
    );
    assert.equal(r.placed.length, 0);
    assert.equal(r.explanation, 'no suitable node (3 nodes not available for new tasks)');
  });

  it('never reserves more than a node has', () => {
    const r = place({ cpus: 1 }, 10, nodes({ id: 'a', cpus: 2 }, { id: 'b', cpus: 3 }));
    assert.deepEqual(perNode(r), { a: 2, b: 3 });
    assert.equal(r.explanation, 'no suitable node (insufficient resources on 2 nodes)');
  });

  it('keeps to the number of replicas per node', () => {
    const r = place({ maxReplicas: 2 }, 5, nodes('a', 'b'));
    assert.deepEqual(perNode(r), { a: 2, b: 2 });
    assert.equal(r.explanation, 'no suitable node (max replicas per node limit exceed)');
  });

  it('sorts the reasons by how many nodes they concern', () => {
    const r = place(
      { constraints: ['node.labels.zone==x'] },
      1,
      nodes({ id: 'a', state: NodeState.DOWN }, { id: 'b' }, { id: 'c' }),
    );
    assert.equal(
      r.explanation,
      'no suitable node (scheduling constraints not satisfied on 2 nodes; 1 node not available for new tasks)',
    );
  });

  it('says so when there is no node at all', () => {
    assert.equal(place({}, 1, []).explanation, 'no suitable node');
  });

  it('avoids a node where this version of the service keeps failing, but not for another version', () => {
    const [a, b] = nodes('a', 'b');
    assert.ok(a && b);
    b.addTask(testTask({ id: 'x', nodeId: 'b' }));
    const key = failureKey(testTask({ id: 't' }));
    for (let i = 0; i < 4; i++) a.recordFailure(key, NOW - 1000);
    assert.deepEqual(perNode(place({}, 1, [a, b])), { a: 1 });
    a.removeTask('t0');
    a.recordFailure(key, NOW - 1000);
    assert.deepEqual(perNode(place({}, 1, [a, b])), { b: 1 });
    b.removeTask('t0');
    assert.deepEqual(perNode(place({ specVersion: 2 }, 1, [a, b])), { a: 1 });
  });

  it('forgets failures after five minutes', () => {
    const [a, b] = nodes('a', 'b');
    assert.ok(a && b);
    b.addTask(testTask({ id: 'x', nodeId: 'b' }));
    for (let i = 0; i < 9; i++) a.recordFailure(failureKey(testTask({ id: 't' })), NOW - 5 * 60_000);
    assert.deepEqual(perNode(place({}, 1, [a, b])), { a: 1 });
  });

  it('gives tasks of encrypted networks to nodes that can encrypt', () => {
    const [a, b] = nodes('a', { id: 'b', encryption: 'wireguard' });
    assert.ok(a && b);
    const spec = NetworkSpec.create({
      annotations: { name: 'safe', labels: {} },
      driver: { name: 'overlay', options: { encrypted: '' } },
    });
    const networks = [NetworkAttachment.create({ network: Network.create({ id: 'n', spec }) })];
    const tasks = ['1', '2'].map((id) => ({ ...testTask({ id }), networks }));
    const onto = (infos: readonly NodeInfo[]) =>
      placeGroup(tasks, infos, NOW, (t: Task, n) => ({ ...t, nodeId: n.id }));
    assert.deepEqual(perNode(onto([a, b])), { b: 2 });
    assert.match(onto([a]).explanation, /no means to encrypt network safe on 1 node/);
  });

  it('checks a node that was given beforehand', () => {
    const [a] = nodes({ id: 'a', labels: { zone: 'x' } });
    assert.ok(a);
    assert.equal(checkAssigned(testTask({ id: 't', constraints: ['node.labels.zone==x'] }), a, new VolumeSet()), '');
    assert.match(
      checkAssigned(testTask({ id: 't', constraints: ['node.labels.zone!=x'] }), a, new VolumeSet()),
      /constraints not satisfied/,
    );
  });

  it('explains every filter of a node', () => {
    const [a] = nodes({ id: 'a', cpus: 1 });
    assert.ok(a);
    const verdicts = explainNode(
      testTask({ id: 't', cpus: 2, constraints: ['node.role==manager'] }),
      a,
      new VolumeSet(),
    );
    assert.deepEqual(
      verdicts.map((v) => [v.name, v.ok]),
      [
        ['ready', true],
        ['resources', false],
        ['constraints', false],
      ],
    );
    assert.match(verdicts[1]?.reason ?? '', /wants 2 CPUs .* free are 1 CPUs/);
    assert.match(verdicts[2]?.reason ?? '', /node.role==manager/);
  });
});

describe('spread preferences', () => {
  const zones = () =>
    nodes(
      { id: 'a', labels: { zone: 'east' } },
      { id: 'b', labels: { zone: 'east' } },
      { id: 'c', labels: { zone: 'west' } },
    );

  it('even the tasks out over the branches, not over the nodes', () => {
    assert.deepEqual(perNode(place({ spread: ['node.labels.zone'] }, 4, zones())), { a: 1, b: 1, c: 2 });
  });

  it('treat a missing label as a branch of its own', () => {
    assert.deepEqual(perNode(place({ spread: ['node.labels.zone'] }, 3, [...zones(), ...nodes('d')])), {
      a: 1,
      c: 1,
      d: 1,
    });
  });

  it('drop a branch that is full', () => {
    const r = place({ spread: ['node.labels.zone'], maxReplicas: 1 }, 3, zones());
    assert.deepEqual(perNode(r), { a: 1, b: 1, c: 1 });
  });

  it('count tasks on nodes that the filters refuse', () => {
    const [a, b, c] = zones();
    assert.ok(a && b && c);
    a.addTask(testTask({ id: 'x', nodeId: 'a' }));
    a.addTask(testTask({ id: 'y', nodeId: 'a' }));
    a.ready = false;
    assert.deepEqual(perNode(place({ spread: ['node.labels.zone'] }, 2, [a, b, c])), { c: 2 });
  });

  it('are the same for all nodes when they are for anything but labels', () => {
    const tasks = (spread: string[]) => Object.entries(perNode(place({ spread }, 6, zones()))).sort();
    assert.deepEqual(tasks(['node.hostname']), tasks([]));
    assert.deepEqual(spreadWarnings(['node.labels.zone', 'node.hostname']), [
      "placement preference 'node.hostname' has no effect: use node.labels.NAME or engine.labels.NAME",
    ]);
  });
});

describe('placement of any group', () => {
  const shape = fc.record({
    cpus: fc.integer({ min: 1, max: 8 }),
    ready: fc.boolean(),
    role: fc.constantFrom(NodeRole.WORKER, NodeRole.MANAGER),
  });

  it('never over-books, and leaves a task over only when no node has room', () => {
    fc.assert(
      fc.property(
        fc.array(shape, { maxLength: 8 }),
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 1, max: 3 }),
        (shapes, count, cpus) => {
          const all = shapes.map((s, i) =>
            testNodeInfo({
              id: `n${i}`,
              cpus: s.cpus,
              role: s.role,
              state: s.ready ? NodeState.NODE_READY : NodeState.DOWN,
            }),
          );
          const r = place({ cpus }, count, all);
          assert.equal(r.placed.length + r.unplaced.length, count);
          for (const n of all) assert.ok(n.reservedNanoCpus <= n.totalNanoCpus);
          for (const p of r.placed) assert.ok(p.node.ready);
          if (r.unplaced.length > 0) for (const n of all) assert.ok(!n.ready || n.freeNanoCpus < cpus * 1e9);
        },
      ),
    );
  });

  it('differs by at most one task between like nodes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 60 }), (n, count) => {
        const all = Array.from({ length: n }, (_, i) => testNodeInfo({ id: `n${i}` }));
        place({}, count, all);
        const counts = all.map((x) => x.taskCount);
        assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
      }),
    );
  });
});
