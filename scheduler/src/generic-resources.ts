/**
 * User-defined resources of nodes: a count of a kind, or a set of names of it. A task reserves a count, and is given that many, or
 * so many names. Behaviour: Docker's `--node-generic-resource` and `--generic-resource`. Pure.
 */
import { GenericResource } from '@swarmts/proto';

/** What is left of each kind on a node. */
export class GenericPool {
  #total: readonly GenericResource[] = [];
  readonly #usedNames = new Map<string, Set<string>>();
  readonly #usedCounts = new Map<string, number>();

  setTotal(total: readonly GenericResource[]): void {
    this.#total = total;
  }

  take(resources: readonly GenericResource[]): void {
    for (const r of resources) {
      if (r.value === '') this.#usedCounts.set(r.kind, (this.#usedCounts.get(r.kind) ?? 0) + r.count);
      else this.#names(r.kind).add(r.value);
    }
  }

  giveBack(resources: readonly GenericResource[]): void {
    for (const r of resources) {
      if (r.value === '') this.#usedCounts.set(r.kind, (this.#usedCounts.get(r.kind) ?? 0) - r.count);
      else this.#names(r.kind).delete(r.value);
    }
  }

  #names(kind: string): Set<string> {
    const names = this.#usedNames.get(kind) ?? new Set<string>();
    this.#usedNames.set(kind, names);
    return names;
  }

  /** What a task that wants this is given here; undefined when there is not enough. Nothing is taken yet. */
  claim(wanted: readonly GenericResource[]): readonly GenericResource[] | undefined {
    const given: GenericResource[] = [];
    for (const { kind, count } of wanted) {
      const names = this.#freeNames(kind);
      if (names.length > 0) {
        if (names.length < count) return undefined;
        given.push(...names.slice(0, count).map((value) => GenericResource.create({ kind, value })));
      } else {
        if (this.#freeCount(kind) < count) return undefined;
        given.push(GenericResource.create({ kind, count }));
      }
    }
    return given;
  }

  /** False when more is taken than there is: the node has less than it had. */
  holds(): boolean {
    for (const [kind, names] of this.#usedNames) {
      const there = new Set(this.#total.filter((r) => r.kind === kind).map((r) => r.value));
      for (const name of names) if (!there.has(name)) return false;
    }
    return [...this.#usedCounts].every(([kind, used]) => used === 0 || this.#freeCount(kind) >= 0);
  }

  /** "2 of gpu", for people. */
  freeText(kind: string): string {
    return `${Math.max(this.#freeCount(kind), this.#freeNames(kind).length)} of ${kind}`;
  }

  #freeNames(kind: string): readonly string[] {
    const used = this.#usedNames.get(kind);
    return this.#total.filter((r) => r.kind === kind && r.value !== '' && !used?.has(r.value)).map((r) => r.value);
  }

  #freeCount(kind: string): number {
    const total = this.#total.filter((r) => r.kind === kind && r.value === '').reduce((sum, r) => sum + r.count, 0);
    return total - (this.#usedCounts.get(kind) ?? 0);
  }
}
