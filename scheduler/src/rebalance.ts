/**
 * Which tasks of a service to move so that they are spread as its preferences and the number of tasks per node ask for, with as
 * few moves as possible: each one makes the spread strictly better. Pure.
 */
import type { Task } from '@swarmts/proto';
import { filtersFor } from './filters.js';
import type { NodeInfo } from './node-info.js';
import { parseSpread } from './spread-tree.js';
import { clusterMounts } from './volume-set.js';

export interface Move {
  readonly taskId: string;
  readonly fromNodeId: string;
  readonly toNodeId: string;
}

/** Nodes that are alike for the spread: in the same branches, with as many tasks. One of them speaks for all. */
interface Kind {
  readonly branches: readonly string[];
  readonly count: number;
  readonly node: NodeInfo;
}

/** `tasks` are those of one service that run; `nodes` all nodes, which are not changed. */
export function planMoves(tasks: readonly Task[], nodes: readonly NodeInfo[]): readonly Move[] {
  const [sample] = tasks;
  // Tasks with volumes stay where those are.
  if (!sample || clusterMounts(sample).length > 0) return [];
  const levels = (sample.spec?.placement?.preferences ?? []).map((p) => parseSpread(p.spreadDescriptor));
  const branchesOf = (n: NodeInfo) =>
    levels.map((_, i) =>
      levels
        .slice(0, i + 1)
        .map((level) => level(n))
        .join('\u0000'),
    );
  const filters = filtersFor({ ...sample, nodeId: '' });
  const byNode = new Map<string, Task[]>();
  for (const t of tasks) byNode.set(t.nodeId, [...(byNode.get(t.nodeId) ?? []), t]);
  const counts = new Map(nodes.map((n) => [n.id, byNode.get(n.id)?.length ?? 0]));
  const arrived = new Map<string, number>();
  const branchCounts = new Map<string, number>();
  for (const n of nodes)
    for (const b of branchesOf(n)) branchCounts.set(b, (branchCounts.get(b) ?? 0) + (counts.get(n.id) ?? 0));
  // What a node was found to take, it is asked to take once: its other reservations change with that.
  const targets = nodes.filter((n) => filters.every((f) => f.check(n)));
  const moves: Move[] = [];
  while (moves.length < tasks.length) {
    const sources = kinds(
      nodes.filter((n) => (byNode.get(n.id)?.length ?? 0) > 0),
      counts,
      branchesOf,
    );
    const free = kinds(
      targets.filter((n) => mayTakeMore(n, sample, arrived)),
      counts,
      branchesOf,
    );
    const best = bestMove(sources, free, branchCounts);
    const task = best && byNode.get(best.from.node.id)?.pop();
    if (!best || !task) return moves;
    moves.push({ taskId: task.id, fromNodeId: best.from.node.id, toNodeId: best.to.node.id });
    counts.set(best.from.node.id, best.from.count - 1);
    counts.set(best.to.node.id, best.to.count + 1);
    arrived.set(best.to.node.id, (arrived.get(best.to.node.id) ?? 0) + 1);
    for (const b of best.from.branches) branchCounts.set(b, (branchCounts.get(b) ?? 0) - 1);
    for (const b of best.to.branches) branchCounts.set(b, (branchCounts.get(b) ?? 0) + 1);
  }
  return moves;
}

/** Reservations of what was sent there already count; ports and limits per node leave room for one, as the filters said. */
function mayTakeMore(n: NodeInfo, sample: Task, arrived: ReadonlyMap<string, number>): boolean {
  const more = arrived.get(n.id) ?? 0;
  if (more === 0) return true;
  const want = sample.spec?.resources?.reservations;
  const max = sample.spec?.placement?.maxReplicas ?? 0;
  if (max > 0 && n.tasksOf(sample.serviceId) + more >= max) return false;
  if ((sample.endpoint?.ports ?? []).some((p) => p.publishMode !== 0) || (want?.generic.length ?? 0) > 0) return false;
  return (
    n.freeNanoCpus >= (more + 1) * (want?.nanoCpus ?? 0) && n.freeMemoryBytes >= (more + 1) * (want?.memoryBytes ?? 0)
  );
}

function kinds(
  nodes: readonly NodeInfo[],
  counts: ReadonlyMap<string, number>,
  branchesOf: (n: NodeInfo) => readonly string[],
): readonly Kind[] {
  const found = new Map<string, Kind>();
  for (const node of nodes) {
    const count = counts.get(node.id) ?? 0;
    const branches = branchesOf(node);
    const key = `${branches.at(-1) ?? ''}\u0001${count}`;
    if (!found.has(key)) found.set(key, { branches, count, node });
  }
  return [...found.values()];
}

/** The move that evens the most, the first preference before the second, and nodes last; undefined when none does. */
function bestMove(
  sources: readonly Kind[],
  targets: readonly Kind[],
  branchCounts: ReadonlyMap<string, number>,
): { readonly from: Kind; readonly to: Kind } | undefined {
  let best: { from: Kind; to: Kind; gain: readonly number[] } | undefined;
  for (const from of sources) {
    for (const to of targets) {
      if (from.node.id === to.node.id) continue;
      const gain = gainOf(from, to, branchCounts);
      if (compare(gain, []) > 0 && (!best || compare(gain, best.gain) > 0)) best = { from, to, gain };
    }
  }
  return best;
}

/** By level, how much the sum of squares goes down, halved: positive is better. */
function gainOf(from: Kind, to: Kind, branchCounts: ReadonlyMap<string, number>): readonly number[] {
  const gains = from.branches.map((b, i) => {
    const other = to.branches[i] ?? '';
    return b === other ? 0 : (branchCounts.get(b) ?? 0) - (branchCounts.get(other) ?? 0) - 1;
  });
  return [...gains, from.count - to.count - 1];
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const d = (a[i] ?? 0) - (b[i] ?? 0);
    if (d !== 0) return d;
  }
  return 0;
}
