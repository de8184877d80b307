/**
 * A transaction's view: reads see the committed tables with this transaction's own changes on top; nothing outside
 * changes before the commit. Updates check the object's version, so a decision that was made on an old copy is refused.
 */
import { invariant, SwarmtsError } from '@swarmts/lib';
import { StoreAction, StoreActionKind } from '@swarmts/proto';
import type { Table } from './table.js';
import { actionOf, type IndexKeys, type Kind, type Tables, tables } from './tables.js';

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

export class PendingChange {
  readonly kind: Kind;
  readonly id: string;
  readonly action: 'create' | 'update' | 'remove';
  readonly object: Tables[Kind];
  #encoded: Uint8Array | undefined;

  constructor(kind: Kind, action: PendingChange['action'], object: Tables[Kind]) {
    this.kind = kind;
    this.id = object.id;
    this.action = action;
    this.object = object;
  }

  get key(): string {
    return keyOf(this.kind, this.id);
  }

  toAction(): StoreAction {
    return actionOf(this.kind, this.object, ACTION[this.action]);
  }

  /** As it goes into the entry. */
  get encoded(): Uint8Array {
    this.#encoded ??= StoreAction.encode(this.toAction());
    return this.#encoded;
  }
}

const keyOf = (kind: Kind, id: string) => `${kind}/${id}`;

const ACTION: Readonly<Record<PendingChange['action'], StoreActionKind>> = {
  create: StoreActionKind.ACTION_CREATE,
  update: StoreActionKind.ACTION_UPDATE,
  remove: StoreActionKind.ACTION_REMOVE,
};

export class Transaction implements WriteTx {
  readonly #tables: TableSet;
  readonly #pending = new Map<string, PendingChange>();
  /** Most lists are of kinds that the transaction does not change. */
  readonly #changedKinds = new Set<Kind>();
  /** What was there, of all that was changed since the last savepoint. */
  readonly #before = new Map<string, PendingChange | undefined>();
  readonly #unmeasured = new Set<string>();
  readonly #sizes = new Map<string, number>();
  #sizeBytes = 0;

  constructor(set: TableSet) {
    this.#tables = set;
  }

  get changes(): number {
    return this.#pending.size;
  }

  get pending(): readonly PendingChange[] {
    return [...this.#pending.values()];
  }

  /** Bytes of the changes as they go into the entry. */
  get sizeBytes(): number {
    for (const key of this.#unmeasured) {
      const size = this.#pending.get(key)?.encoded.length ?? 0;
      this.#sizeBytes += size - (this.#sizes.get(key) ?? 0);
      this.#sizes.set(key, size);
    }
    this.#unmeasured.clear();
    return this.#sizeBytes;
  }

  /** `undo` takes back what is changed from now on. */
  savepoint(): void {
    this.#before.clear();
  }

  undo(): void {
    for (const [key, before] of this.#before) {
      if (before) this.#pending.set(key, before);
      else this.#pending.delete(key);
      this.#unmeasured.add(key);
    }
    this.#before.clear();
  }

  get<K extends Kind>(kind: K, id: string): Tables[K] | undefined {
    const p = this.#pending.get(keyOf(kind, id));
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
    this.#put(new PendingChange(kind, existed ? 'update' : 'create', object));
  }

  update<K extends Kind>(kind: K, object: Tables[K]): void {
    const current = this.get(kind, object.id);
    if (!current) throw new SwarmtsError('not-found', `${kind} ${object.id} not found`);
    if ((current.meta?.version?.index ?? 0) !== (object.meta?.version?.index ?? 0)) {
      throw new SwarmtsError('out-of-sequence', `update out of sequence: ${kind} ${object.id} was changed meanwhile`);
    }
    const before = this.#pending.get(keyOf(kind, object.id));
    const action = before?.action === 'create' ? 'create' : 'update';
    const next = specOf(object) === specOf(current) ? object : withNewSpec(object);
    this.#put(new PendingChange(kind, action, next));
  }

  remove(kind: Kind, id: string): void {
    const current = this.get(kind, id);
    if (!current) throw new SwarmtsError('not-found', `${kind} ${id} not found`);
    const key = keyOf(kind, id);
    if (this.#pending.get(key)?.action === 'create') {
      this.#touch(key);
      this.#pending.delete(key);
    } else this.#put(new PendingChange(kind, 'remove', current));
  }

  #put(change: PendingChange): void {
    this.#changedKinds.add(change.kind);
    this.#touch(change.key);
    this.#pending.set(change.key, change);
  }

  #touch(key: string): void {
    if (!this.#before.has(key)) this.#before.set(key, this.#pending.get(key));
    this.#unmeasured.add(key);
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
