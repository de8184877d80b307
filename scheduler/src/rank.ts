/** Which of two suitable nodes is better for a task of a service: a strict total order, the node's id breaks ties. */
import type { NodeInfo } from './node-info.js';

export interface RankContext {
  readonly serviceId: string;
  readonly failureKey: string;
  readonly nowMs: number;
}

interface Ranked {
  readonly node: NodeInfo;
  readonly failures: number;
}

/**
 * Negative when `a` is better: fewer counted failures, fewer tasks of this service, more free reserved memory and CPU
 * in relation to the node's size, fewer tasks in all.
 */
export function compareNodes(a: Ranked, b: Ranked, c: RankContext): number {
  return (
    a.failures - b.failures ||
    a.node.tasksOf(c.serviceId) - b.node.tasksOf(c.serviceId) ||
    reservedShare(a.node) - reservedShare(b.node) ||
    a.node.taskCount - b.node.taskCount ||
    (a.node.id < b.node.id ? -1 : a.node.id > b.node.id ? 1 : 0)
  );
}

/** The larger share of CPU or memory that is reserved, in steps of 1/16 so that noise does not decide. */
function reservedShare(n: NodeInfo): number {
  const cpu = n.totalNanoCpus > 0 ? n.reservedNanoCpus / n.totalNanoCpus : 0;
  const memory = n.totalMemoryBytes > 0 ? n.reservedMemoryBytes / n.totalMemoryBytes : 0;
  return Math.floor(Math.max(cpu, memory) * 16);
}

/** A binary heap of nodes, the best on top; entries are re-ranked when they come back in. */
export class NodeHeap {
  readonly #items: Ranked[] = [];
  readonly #context: RankContext;

  constructor(context: RankContext) {
    this.#context = context;
  }

  get size(): number {
    return this.#items.length;
  }

  push(node: NodeInfo): void {
    const entry = { node, failures: node.countedFailures(this.#context.failureKey, this.#context.nowMs) };
    this.#items.push(entry);
    let i = this.#items.length - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#better(i, parent)) break;
      this.#swap(i, parent);
      i = parent;
    }
  }

  pop(): NodeInfo | undefined {
    const top = this.#items[0];
    const last = this.#items.pop();
    if (!top || !last) return undefined;
    if (this.#items.length > 0) {
      this.#items[0] = last;
      this.#sink();
    }
    return top.node;
  }

  #sink(): void {
    let i = 0;
    for (;;) {
      let best = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < this.#items.length && this.#better(child, best)) best = child;
      if (best === i) return;
      this.#swap(i, best);
      i = best;
    }
  }

  #better(i: number, j: number): boolean {
    const a = this.#items[i];
    const b = this.#items[j];
    return a !== undefined && b !== undefined && compareNodes(a, b, this.#context) < 0;
  }

  #swap(i: number, j: number): void {
    const a = this.#items[i];
    const b = this.#items[j];
    if (!a || !b) return;
    this.#items[i] = b;
    this.#items[j] = a;
  }
}
