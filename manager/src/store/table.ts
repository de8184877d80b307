/** One table in memory: objects by id plus secondary indexes, kept in step by `put` and `delete` alone. */
import type { Kind, TableDefinition, Tables } from './tables.js';

interface Index<T> {
  readonly keyOf: (o: T) => string;
  readonly buckets: Map<string, Map<string, T>>;
}

export class Table<K extends Kind> {
  readonly #objects = new Map<string, Tables[K]>();
  readonly #indexes: ReadonlyMap<string, Index<Tables[K]>>;
  /** The same ones: every write goes over them. */
  readonly #all: readonly Index<Tables[K]>[];

  constructor(definition: TableDefinition<Tables[K]>) {
    const indexes = Object.entries(definition.indexes);
    this.#indexes = new Map(indexes.map(([name, keyOf]) => [name, { keyOf, buckets: new Map() }]));
    this.#all = [...this.#indexes.values()];
  }

  get size(): number {
    return this.#objects.size;
  }

  get(id: string): Tables[K] | undefined {
    return this.#objects.get(id);
  }

  values(): IterableIterator<Tables[K]> {
    return this.#objects.values();
  }

  /** Objects whose index `name` equals `key`. */
  by(name: string, key: string): Iterable<Tables[K]> {
    return this.#indexes.get(name)?.buckets.get(key)?.values() ?? [];
  }

  put(object: Tables[K]): void {
    const { id } = object;
    const old = this.#objects.get(id);
    this.#objects.set(id, object);
    for (const index of this.#all) {
      const key = index.keyOf(object);
      if (old) {
        const before = index.keyOf(old);
        if (before !== key) remove(index, before, id);
      }
      if (key === '') continue;
      const bucket = index.buckets.get(key);
      if (bucket) bucket.set(id, object);
      else index.buckets.set(key, new Map([[id, object]]));
    }
  }

  delete(id: string): void {
    const old = this.#objects.get(id);
    if (!old) return;
    for (const index of this.#all) remove(index, index.keyOf(old), id);
    this.#objects.delete(id);
  }

  clear(): void {
    this.#objects.clear();
    for (const index of this.#all) index.buckets.clear();
  }
}

function remove<T>(index: Index<T>, key: string, id: string): void {
  const bucket = index.buckets.get(key);
  bucket?.delete(id);
  if (bucket?.size === 0) index.buckets.delete(key);
}
