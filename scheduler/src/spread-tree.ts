/**
 * The tree of spread preferences: each level splits the nodes by the value of one label ('' where it is missing), and a
 * task goes down the branch with the fewest tasks of its service. Nodes that the filters refuse still count for their
 * branch; a branch without room is dropped.
 */
import { SwarmtsError } from '@swarmts/lib';
import type { NodeInfo } from './node-info.js';
import { NodeHeap, type RankContext } from './rank.js';

const DESCRIPTOR = /^(node|engine)\.labels\.(.+)$/i;

/** Throws SwarmtsError for anything but a label of node or engine. */
export function parseSpread(descriptor: string): (n: NodeInfo) => string {
  const m = DESCRIPTOR.exec(descriptor);
  const label = m?.[2];
  if (!m || label === undefined) {
    throw new SwarmtsError(
      'invalid-argument',
      `invalid spread descriptor '${descriptor}': use node.labels.NAME or engine.labels.NAME`,
    );
  }
  return m[1]?.toLowerCase() === 'engine' ? (n) => n.engineLabels[label] ?? '' : (n) => n.labels[label] ?? '';
}

interface Branch {
  tasks: number;
  readonly children: Map<string, Branch>;
  readonly heap: NodeHeap | undefined;
}

export class SpreadTree {
  readonly #root: Branch;
  readonly #levels: readonly ((n: NodeInfo) => string)[];
  readonly #context: RankContext;

  /** `suitable` are the nodes that passed the filters, `all` every node. */
  constructor(
    descriptors: readonly string[],
    all: Iterable<NodeInfo>,
    suitable: Iterable<NodeInfo>,
    context: RankContext,
  ) {
    this.#levels = descriptors.map(parseSpread);
    this.#context = context;
    this.#root = this.#branch(0);
    if (this.#levels.length > 0)
      for (const n of all) for (const b of this.#path(n)) b.tasks += n.tasksOf(context.serviceId);
    for (const n of suitable) this.put(n);
  }

  /** Takes the best node out; undefined when none is left. */
  take(): NodeInfo | undefined {
    return this.#take(this.#root);
  }

  /** Puts a node that still has room back. */
  put(node: NodeInfo): void {
    this.#path(node).at(-1)?.heap?.push(node);
  }

  /** Counts a task that was placed on `node`. */
  count(node: NodeInfo): void {
    for (const b of this.#path(node)) b.tasks++;
  }

  #take(branch: Branch): NodeInfo | undefined {
    if (branch.heap) return branch.heap.pop();
    const byLoad = [...branch.children.entries()].sort((a, b) => a[1].tasks - b[1].tasks || (a[0] < b[0] ? -1 : 1));
    for (const [, child] of byLoad) {
      const node = this.#take(child);
      if (node) return node;
    }
    return undefined;
  }

  #branch(depth: number): Branch {
    const leaf = depth === this.#levels.length;
    return { tasks: 0, children: new Map(), heap: leaf ? new NodeHeap(this.#context) : undefined };
  }

  /** The branches from the root to the node's leaf; missing ones are made. */
  #path(node: NodeInfo): readonly Branch[] {
    const path = [this.#root];
    let branch = this.#root;
    this.#levels.forEach((level, i) => {
      const key = level(node);
      const next = branch.children.get(key) ?? this.#branch(i + 1);
      branch.children.set(key, next);
      path.push(next);
      branch = next;
    });
    return path;
  }
}
