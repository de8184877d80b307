/**
 * Placement of a group of like tasks (same service and spec version) over the nodes. Filters run once per node for the
 * group and again for a node after each task that it took.
 */
import type { Task } from '@swarmts/proto';
import { type Filter, filtersFor, pinFilter, volumeFilter } from './filters.js';
import { failureKey, type NodeInfo } from './node-info.js';
import { SpreadTree } from './spread-tree.js';
import { clusterMounts, VolumeSet } from './volume-set.js';

export interface Placement {
  readonly task: Task;
  readonly node: NodeInfo;
}

export interface PlacementResult {
  readonly placed: readonly Placement[];
  readonly unplaced: readonly Task[];
  /** Why the unplaced ones are: "no suitable node (...)"; '' when all are placed. */
  readonly explanation: string;
}

/** Places what fits and counts it on the nodes and volumes (`assigned` makes the task that is counted). */
export function placeGroup(
  tasks: readonly Task[],
  nodes: readonly NodeInfo[],
  nowMs: number,
  assigned: (task: Task, node: NodeInfo) => Task,
  volumes = new VolumeSet(),
): PlacementResult {
  const sample = tasks[0];
  if (!sample) return { placed: [], unplaced: [], explanation: '' };
  const filters = filtersFor(sample);
  const refused = new Map<Filter, number>();
  const suitable = nodes.filter((n) => admits(filters, n, refused));
  const context = { serviceId: sample.serviceId, failureKey: failureKey(sample), nowMs };
  const spread = (sample.spec?.placement?.preferences ?? []).map((p) => p.spreadDescriptor);
  const tree = new SpreadTree(spread, nodes, suitable, context);
  const placed: Placement[] = [];
  for (const task of tasks) {
    const own = ownFilters(task, volumes);
    const node = takeFor(tree, own, refused);
    // What differs from the others in nothing fails as they do.
    if (!node && own.length === 0) break;
    if (!node) continue;
    const counted = assigned(task, node);
    node.addTask(counted);
    volumes.track(counted);
    tree.count(node);
    placed.push({ task, node });
    if (admits(filters, node, refused)) tree.put(node);
  }
  const done = new Set(placed.map((p) => p.task.id));
  const unplaced = placed.length === tasks.length ? [] : tasks.filter((t) => !done.has(t.id));
  return { placed, unplaced, explanation: unplaced.length > 0 ? explanationOf(refused) : '' };
}

const NONE: readonly Filter[] = [];

/** Filters of the very task, not of its group. */
function ownFilters(task: Task, volumes: VolumeSet): readonly Filter[] {
  if (task.pinnedNodeId === '' && clusterMounts(task).length === 0) return NONE;
  return [pinFilter(task), volumeFilter(task, volumes)].filter((f): f is Filter => f !== undefined);
}

/** The best node that these filters admit too; those before it stay for others. */
function takeFor(tree: SpreadTree, own: readonly Filter[], refused: Map<Filter, number>): NodeInfo | undefined {
  if (own.length === 0) return tree.take();
  const without: NodeInfo[] = [];
  const refusedHere = new Map<Filter, number>();
  let node = tree.take();
  while (node && !admits(own, node, refusedHere)) {
    without.push(node);
    node = tree.take();
  }
  for (const n of without) tree.put(n);
  if (!node) for (const [filter, count] of refusedHere) refused.set(filter, count);
  return node;
}

function allFilters(task: Task, volumes: VolumeSet): readonly Filter[] {
  return [...filtersFor(task), ...ownFilters(task, volumes)];
}

/** Whether a task that has its node already (global service) may run there; '' or the reason. */
export function checkAssigned(task: Task, node: NodeInfo, volumes: VolumeSet): string {
  const refused = new Map<Filter, number>();
  return admits(allFilters(task, volumes), node, refused) ? '' : explanationOf(refused);
}

function admits(filters: readonly Filter[], node: NodeInfo, refused: Map<Filter, number>): boolean {
  const by = filters.find((f) => !f.check(node));
  if (by) refused.set(by, (refused.get(by) ?? 0) + 1);
  return by === undefined;
}

function explanationOf(refused: ReadonlyMap<Filter, number>): string {
  const parts = [...refused].sort((a, b) => b[1] - a[1]).map(([f, count]) => f.explain(count));
  return parts.length === 0 ? 'no suitable node' : `no suitable node (${parts.join('; ')})`;
}

export interface FilterVerdict {
  readonly name: string;
  readonly ok: boolean;
  readonly reason: string;
}

/** Every filter's word on one node. */
export function explainNode(task: Task, node: NodeInfo, volumes: VolumeSet): readonly FilterVerdict[] {
  return allFilters(task, volumes).map((f) => {
    const ok = f.check(node);
    return { name: f.name, ok, reason: ok ? '' : f.reason(node) };
  });
}
