/** One table in memory: objects by id plus secondary indexes, kept in step by `put` and `delete` alone. */
import type { Kind, TableDefinition, Tables } from './tables.js';

export class Table<K extends Kind> {
  readonly #objects = new Map<string, Tables[K]>();
  readonly #indexes = new Map<string, Map<string, Map<string, Tables[K]>>>();
  readonly #definition: TableDefinition<Tables[K]>;

  constructor(definition: TableDefinition<Tables[K]>) {
    this.#definition = definition;
    for (const name of Object.keys(definition.indexes)) this.#indexes.set(name, new Map());
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
    return this.#indexes.get(name)?.get(key)?.values() ?? [];
  }

  put(object: Tables[K]): void {
    this.#unindex(this.#objects.get(object.id));
    this.#objects.set(object.id, object);
    for (const [name, keyOf] of Object.entries(this.#definition.indexes)) {
      const key = keyOf(object);
      if (key === '') continue;
      const index = this.#indexes.get(name);
      const bucket = index?.get(key) ?? new Map<string, Tables[K]>();
      bucket.set(object.id, object);
      index?.set(key, bucket);
    }
  }

  delete(id: string): void {
    this.#unindex(this.#objects.get(id));
    this.#objects.delete(id);
  }

  clear(): void {
    this.#objects.clear();
    for (const index of this.#indexes.values()) index.clear();
  }

  #unindex(object: Tables[K] | undefined): void {
    if (!object) return;
    for (const [name, keyOf] of Object.entries(this.#definition.indexes)) {
      const key = keyOf(object);
      const index = this.#indexes.get(name);
      const bucket = index?.get(key);
      bucket?.delete(object.id);
      if (bucket?.size === 0) index?.delete(key);
    }
  }
}
