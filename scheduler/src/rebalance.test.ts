import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { NodeInfo } from './node-info.js';
import { planMoves } from './rebalance.js';
import { type NodeShape, type TaskShape, testNodeInfo, testTask } from './testing.js';

interface Cluster {
  readonly nodes: readonly NodeInfo[];
  readonly tasks: ReturnType<typeof testTask>[];
}

/** Nodes with so many tasks each. */
function cluster(
  counts: readonly number[],
  task: Partial<TaskShape> = {},
  node: (i: number) => Partial<NodeShape> = () => ({}),
): Cluster {
  const nodes = counts.map((_, i) => testNodeInfo({ id: `n${i}`, ...node(i) }));
  const tasks = counts.flatMap((count, i) =>
    Array.from({ length: count }, (_, k) => testTask({ id: `t${i}.${k}`, nodeId: `n${i}`, ...task })),
  );
  for (const t of tasks) nodes.find((n) => n.id === t.nodeId)?.addTask(t);
  return { nodes, tasks };
}

function after({ nodes, tasks }: Cluster): number[] {
  const moves = planMoves(tasks, nodes);
  const at = new Map(tasks.map((t) => [t.id, t.nodeId]));
  for (const m of moves) {
    assert.equal(at.get(m.taskId), m.fromNodeId);
    at.set(m.taskId, m.toNodeId);
  }
  return nodes.map((n) => [...at.values()].filter((id) => id === n.id).length);
}

describe('rebalancing', () => {
  it('moves as few tasks as it takes to even them out', () => {
    const c = cluster([4, 0]);
    assert.equal(planMoves(c.tasks, c.nodes).length, 2);
    assert.deepEqual(after(c), [2, 2]);
  });

  it('moves nothing where nothing gets better', () => {
    for (const counts of [[1, 0], [2, 1, 1], [3, 3], [0, 0], []]) {
      const c = cluster(counts);
      assert.deepEqual(planMoves(c.tasks, c.nodes), []);
    }
  });

  it('leaves out nodes that do not suit, are full, or have as many as they may', () => {
    assert.deepEqual(after(cluster([4, 0, 0], { constraints: ['node.id!=n1'] })), [2, 0, 2]);
    assert.deepEqual(after(cluster([4, 0], { cpus: 1 }, (i) => ({ cpus: i === 1 ? 1 : 8 }))), [3, 1]);
    assert.deepEqual(after(cluster([4, 0], { maxReplicas: 1 })), [3, 1]);
  });

  it('follows the spread preferences before it counts nodes', () => {
    const zone = (i: number) => ({ labels: { zone: i === 0 ? 'east' : 'west' } });
    assert.deepEqual(after(cluster([1, 2, 1], { spread: ['node.labels.zone'] }, zone)), [2, 1, 1]);
    assert.deepEqual(after(cluster([2, 1, 1], { spread: ['node.labels.zone'] }, zone)), [2, 1, 1]);
  });

  it('always ends even, never worse, and does not move a task twice', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(6), { minLength: 1, maxLength: 8 }), (counts) => {
        const c = cluster(counts);
        const moves = planMoves(c.tasks, c.nodes);
        assert.equal(new Set(moves.map((m) => m.taskId)).size, moves.length);
        const even = after(c);
        assert.ok(Math.max(...even) - Math.min(...even) <= 1);
        const surplus = counts.reduce((sum, n) => sum + Math.max(0, n - Math.ceil(c.tasks.length / counts.length)), 0);
        assert.ok(moves.length <= Math.max(surplus, c.tasks.length - Math.floor(c.tasks.length / counts.length)));
      }),
    );
  });
});
