/**
 * A transaction's view: reads see the committed tables with this transaction's own changes on top; nothing outside
 * changes before the commit. Updates check the object's version, so a decision that was made on an old copy is refused.
 */
import { invariant, SwarmtsError } from '@swarmts/lib';
import type { Table } from './table.js';
import { type IndexKeys, type Kind, type Tables, tables } from './tables.js';

export type TableSet = { readonly [K in Kind]: Table<K> };

export interface ReadTx {
  get<K extends Kind>(kind: K, id: string): Tables[K] | undefined;
  list<K extends Kind>(kind: K): readonly Tables[K][];
  by<K extends Kind>(kind: K, index: string, key: string): readonly Tables[K][];
}

export interface WriteTx extends ReadTx {
  /** SwarmtsError 'already-exists' when the id is taken. */
  create<K extends Kind>(kind: K, object: Tables[K]): void;
  /** SwarmtsError 'not-found', or 'out-of-sequence' when the object was changed since it was read. */
  update<K extends Kind>(kind: K, object: Tables[K]): void;
  /** SwarmtsError 'not-found'. */
  remove(kind: Kind, id: string): void;
  /** Number of objects changed so far. */
  readonly changes: number;
}

export interface PendingChange {
  readonly kind: Kind;
  readonly id: string;
  readonly action: 'create' | 'update' | 'remove';
  readonly object: Tables[Kind];
}

export class Transaction implements WriteTx {
  readonly #tables: TableSet;
  readonly #pending = new Map<string, PendingChange>();
  /** Most lists are of kinds that the transaction does not change. */
  readonly #changedKinds = new Set<Kind>();

  constructor(set: TableSet) {
    this.#tables = set;
  }

  get changes(): number {
    return this.#pending.size;
  }

  get pending(): readonly PendingChange[] {
    return [...this.#pending.values()];
  }

  get<K extends Kind>(kind: K, id: string): Tables[K] | undefined {
    const p = this.#pending.get(`${kind}/${id}`);
    if (!p) return this.#tables[kind].get(id);
    // The key holds the kind, so the object is of that kind.
    return p.action === 'remove' ? undefined : (p.object as Tables[K]);
  }

  list<K extends Kind>(kind: K): readonly Tables[K][] {
    return this.#overlay(kind, this.#tables[kind].values(), () => true);
  }

  by<K extends Kind>(kind: K, index: string, key: string): readonly Tables[K][] {
    const keysOf = tables[kind].indexes[index];
    invariant(keysOf, `table ${kind} has an index ${index}`);
    return this.#overlay(kind, this.#tables[kind].by(index, key), (o) => hasKey(keysOf(o), key));
  }

  #overlay<K extends Kind>(
    kind: K,
    base: Iterable<Tables[K]>,
    wanted: (o: Tables[K]) => boolean,
  ): readonly Tables[K][] {
    if (!this.#changedKinds.has(kind)) return [...base];
    const mine = [...this.#pending.values()].filter((p) => p.kind === kind);
    const touched = new Set(mine.map((p) => p.id));
    const rest = [...base].filter((o) => !touched.has(o.id));
    const changed = mine.filter((p) => p.action !== 'remove').map((p) => p.object as Tables[K]);
    return [...rest, ...changed.filter(wanted)];
  }

  create<K extends Kind>(kind: K, object: Tables[K]): void {
    if (this.get(kind, object.id)) throw new SwarmtsError('already-exists', `${kind} ${object.id} already exists`);
    const existed = this.#tables[kind].get(object.id) !== undefined;
    this.#put({ kind, id: object.id, action: existed ? 'update' : 'create', object });
  }

  update<K extends Kind>(kind: K, object: Tables[K]): void {
    const current = this.get(kind, object.id);
    if (!current) throw new SwarmtsError('not-found', `${kind} ${object.id} not found`);
    if ((current.meta?.version?.index ?? 0) !== (object.meta?.version?.index ?? 0)) {
      throw new SwarmtsError('out-of-sequence', `update out of sequence: ${kind} ${object.id} was changed meanwhile`);
    }
    const before = this.#pending.get(`${kind}/${object.id}`);
    const action = before?.action === 'create' ? 'create' : 'update';
    this.#put({
      kind,
      id: object.id,
      action,
      object: specOf(object) === specOf(current) ? object : withNewSpec(object),
    });
  }

  remove(kind: Kind, id: string): void {
    const current = this.get(kind, id);
    if (!current) throw new SwarmtsError('not-found', `${kind} ${id} not found`);
    const before = this.#pending.get(`${kind}/${id}`);
    if (before?.action === 'create') this.#pending.delete(`${kind}/${id}`);
    else this.#put({ kind, id, action: 'remove', object: current });
  }

  #put(change: PendingChange): void {
    this.#changedKinds.add(change.kind);
    this.#pending.set(`${change.kind}/${change.id}`, change);
  }
}

function hasKey(keys: IndexKeys, key: string): boolean {
  return typeof keys === 'string' ? keys === key : keys.includes(key);
}

function specOf(object: Tables[Kind]): unknown {
  return 'spec' in object ? object.spec : undefined;
}

/** The commit notes its index as that of the spec. */
function withNewSpec<T extends Tables[Kind]>(object: T): T {
  return object.meta ? { ...object, meta: { ...object.meta, specIndex: 0 } } : object;
}
