/**
 * The tree of spread preferences: each level splits the nodes by the value of one label ('' where it is missing), and a
 * task goes down the branch with the fewest tasks of its service. Nodes that the filters refuse still count for their
 * branch; a branch without room is dropped.
 */
import { labelOf } from './constraint.js';
import type { NodeInfo } from './node-info.js';
import { NodeHeap, type RankContext } from './rank.js';

const DESCRIPTOR = /^(node|engine)\.labels\.(.+)$/i;

/** As in Swarm, anything but a label of node or engine is taken, and the same for all nodes. */
export function parseSpread(descriptor: string): (n: NodeInfo) => string {
  const [, kind, label] = DESCRIPTOR.exec(descriptor) ?? [];
  if (kind === undefined || label === undefined) return () => '';
  const ofEngine = kind.toLowerCase() === 'engine';
  return (n) => labelOf(ofEngine ? n.engineLabels : n.labels, label) ?? '';
}

/** What is to be said of preferences that have no effect. */
export function spreadWarnings(descriptors: readonly string[]): readonly string[] {
  return descriptors
    .filter((d) => !DESCRIPTOR.test(d))
    .map((d) => `placement preference '${d}' has no effect: use node.labels.NAME or engine.labels.NAME`);
}

interface Branch {
  readonly key: string;
  tasks: number;
  readonly children: Map<string, Branch>;
  readonly heap: NodeHeap | undefined;
}

export class SpreadTree {
  readonly #root: Branch;
  readonly #levels: readonly ((n: NodeInfo) => string)[];
  readonly #context: RankContext;
  /** Of nodes, from the root to the leaf: asked for with every task. */
  readonly #paths = new Map<NodeInfo, readonly Branch[]>();

  /** `suitable` are the nodes that passed the filters, `all` every node. */
  constructor(
    descriptors: readonly string[],
    all: Iterable<NodeInfo>,
    suitable: Iterable<NodeInfo>,
    context: RankContext,
  ) {
    this.#levels = descriptors.map(parseSpread);
    this.#context = context;
    this.#root = this.#branch(0, '');
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
    const best = leastLoaded(branch.children.values());
    const node = best && this.#take(best);
    if (node || !best) return node;
    // It has no room: the others in their order.
    for (const child of [...branch.children.values()].sort(byLoad)) {
      const other = child === best ? undefined : this.#take(child);
      if (other) return other;
    }
    return undefined;
  }

  #branch(depth: number, key: string): Branch {
    const leaf = depth === this.#levels.length;
    return { key, tasks: 0, children: new Map(), heap: leaf ? new NodeHeap(this.#context) : undefined };
  }

  /** The branches from the root to the node's leaf; missing ones are made. */
  #path(node: NodeInfo): readonly Branch[] {
    const known = this.#paths.get(node);
    if (known) return known;
    const path = [this.#root];
    let branch = this.#root;
    this.#levels.forEach((level, i) => {
      const key = level(node);
      const next = branch.children.get(key) ?? this.#branch(i + 1, key);
      branch.children.set(key, next);
      path.push(next);
      branch = next;
    });
    this.#paths.set(node, path);
    return path;
  }
}

const byLoad = (a: Branch, b: Branch): number => a.tasks - b.tasks || (a.key < b.key ? -1 : 1);

function leastLoaded(branches: Iterable<Branch>): Branch | undefined {
  let best: Branch | undefined;
  for (const b of branches) if (!best || byLoad(b, best) < 0) best = b;
  return best;
}
