/** One table in memory: objects by id plus secondary indexes, kept in step by `put` and `delete` alone. */
import type { IndexKeys, Kind, TableDefinition, Tables } from './tables.js';

/** Ids by key. Most keys have one: a set for each would take more room than the objects. */
interface Index<T> {
  readonly keysOf: (o: T) => IndexKeys;
  readonly buckets: Map<string, string | Set<string>>;
}

export class Table<K extends Kind> {
  readonly #objects = new Map<string, Tables[K]>();
  readonly #indexes: ReadonlyMap<string, Index<Tables[K]>>;
  /** The same ones: every write goes over them. */
  readonly #all: readonly Index<Tables[K]>[];

  constructor(definition: TableDefinition<Tables[K]>) {
    const indexes = Object.entries(definition.indexes);
    this.#indexes = new Map(indexes.map(([name, keysOf]) => [name, { keysOf, buckets: new Map() }]));
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
  by(name: string, key: string): readonly Tables[K][] {
    const bucket = this.#indexes.get(name)?.buckets.get(key);
    if (bucket === undefined) return [];
    const found: Tables[K][] = [];
    for (const id of typeof bucket === 'string' ? [bucket] : bucket) {
      const object = this.#objects.get(id);
      if (object) found.push(object);
    }
    return found;
  }

  put(object: Tables[K]): void {
    const { id } = object;
    const old = this.#objects.get(id);
    this.#objects.set(id, object);
    for (const index of this.#all) {
      const keys = index.keysOf(object);
      const before = old ? index.keysOf(old) : '';
      if (before === keys) continue;
      removeAll(index, before, id);
      addAll(index, keys, id);
    }
  }

  delete(id: string): void {
    const old = this.#objects.get(id);
    if (!old) return;
    for (const index of this.#all) removeAll(index, index.keysOf(old), id);
    this.#objects.delete(id);
  }

  clear(): void {
    this.#objects.clear();
    for (const index of this.#all) index.buckets.clear();
  }
}

function addAll<T>(index: Index<T>, keys: IndexKeys, id: string): void {
  if (typeof keys !== 'string') for (const key of keys) add(index, key, id);
  else if (keys !== '') add(index, keys, id);
}

function removeAll<T>(index: Index<T>, keys: IndexKeys, id: string): void {
  if (typeof keys !== 'string') for (const key of keys) remove(index, key, id);
  else if (keys !== '') remove(index, keys, id);
}

function add<T>({ buckets }: Index<T>, key: string, id: string): void {
  const bucket = buckets.get(key);
  if (bucket === undefined) buckets.set(key, id);
  else if (typeof bucket === 'string') buckets.set(key, new Set([bucket, id]));
  else bucket.add(id);
}

function remove<T>({ buckets }: Index<T>, key: string, id: string): void {
  const bucket = buckets.get(key);
  if (bucket === id) buckets.delete(key);
  if (bucket === undefined || typeof bucket === 'string') return;
  bucket.delete(id);
  if (bucket.size === 0) buckets.delete(key);
}
