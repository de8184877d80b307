/**
 * The replicated object store. Readers never block and see one committed state. A write runs its callback against a
 * transaction, proposes the changes as one entry and resolves when that entry was applied here. Every replica applies the
 * same entries in the same order with the entry's index as version, so all hold the same objects.
 */
import { setImmediate as immediate } from 'node:timers/promises';
import { invariant, newId, SerialLock, SwarmtsError, type Watch, WatchQueue } from '@swarmts/lib';
import {
  type ClusterEvent,
  MAX_CHANGES_PER_TRANSACTION,
  MAX_TRANSACTION_BYTES,
  Meta,
  newWriter,
  type RaftMember,
  type StoreAction,
  StoreActionKind,
  StoreSnapshot,
  StoreTransaction,
} from '@swarmts/proto';
import { ClusterEvents } from './cluster-events.js';
import { Table } from './table.js';
import { type AnyChange, type Kind, kinds, objectOf, type Tables, tables } from './tables.js';
import { type PendingChange, type ReadTx, type TableSet, Transaction, type WriteTx } from './transaction.js';

/** The entry is in the log of the leader, who leads on, and may be applied yet: what is written next could contradict it. */
export class UndecidedError extends SwarmtsError {}

/**
 * Puts an entry through consensus; resolves after `applyEntry` was called with it. One that rejects with 'no-leader' has found out before
 * that `applyEntry` will not be called with it any more, if it has not been. With an UndecidedError it may be, ahead of later ones.
 */
export interface Proposer {
  propose(data: Uint8Array): Promise<void>;
}

export interface StoreEvents {
  /** One change of one object, in order. */
  change?(c: AnyChange): void;
  /** What users are told of a change, after the changes of its transaction. */
  event?(e: ClusterEvent): void;
  /** After all changes of one transaction. */
  commit?(): void;
  /** The whole content was replaced by a snapshot: start over. */
  restored?(): void;
}

type StoreEvent =
  | { readonly type: 'change'; readonly change: AnyChange }
  | { readonly type: 'event'; readonly event: ClusterEvent }
  | { readonly type: 'commit' }
  | { readonly type: 'restored' };

interface OwnTransaction {
  readonly transaction: StoreTransaction;
  /** 'unknown': a snapshot has taken the place of the entries among which it may have been. */
  outcome: 'open' | 'applied' | 'unknown';
}

export interface StoreOptions {
  readonly proposer: Proposer;
  readonly now: () => number;
  /** Told of a watcher that threw, after which entries are applied all the same. Without it they are not: for tests. */
  readonly onWatcherFailed?: (error: unknown) => void;
}

export class Store {
  readonly #tables: TableSet;
  readonly #queue: WatchQueue<StoreEvent>;
  readonly #options: StoreOptions;
  /** Transactions of this process on their way through consensus, so that applying needs no decoding. */
  readonly #mine = new Map<string, OwnTransaction>();
  readonly #events = new ClusterEvents();
  readonly #lock = new SerialLock();
  /** Whether an earlier change may be made yet. */
  #isUndecided = false;
  #version = 0;
  /** Of the newest transaction: the times of objects tell their order, so they only go forward, also with the next leader's clock. */
  #lastTimeMs = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#queue = new WatchQueue(options.onWatcherFailed ?? rethrow);
    this.#tables = Object.fromEntries(kinds.map((k) => [k, new Table(tables[k] as never)])) as unknown as TableSet;
  }

  /** Index of the last applied entry. */
  get version(): number {
    return this.#version;
  }

  /** The last events, the oldest first. */
  get events(): readonly ClusterEvent[] {
    return this.#events.all;
  }

  view<T>(fn: (tx: ReadTx) => T): T {
    return fn(new Transaction(this.#tables));
  }

  get<K extends Kind>(kind: K, id: string): Tables[K] | undefined {
    return this.#tables[kind].get(id);
  }

  count(kind: Kind): number {
    return this.#tables[kind].size;
  }

  /** Events from now on; together with a `view` in the same turn this is a gapless snapshot and watch. */
  watch(events: StoreEvents): Watch {
    return this.#queue.subscribe((e) => {
      if (e.type === 'change') events.change?.(e.change);
      else if (e.type === 'event') events.event?.(e.event);
      else if (e.type === 'commit') events.commit?.();
      else events.restored?.();
    });
  }

  /**
   * Runs `fn` and commits its changes as one entry. Whatever `fn` throws comes back and nothing is changed. One writer at
   * a time. More than MAX_CHANGES_PER_TRANSACTION changes are refused: use `batch`.
   */
  update<T>(fn: (tx: WriteTx) => T): Promise<T> {
    return this.#lock.run(() => this.#update(fn));
  }

  /**
   * Applies `fn` to every item, in as many transactions as the limits ask for. An item is never split; one that throws, or
   * is too large for any transaction, is reported through `onError` and left out, and the others go on. `fn` may be called
   * again for an item that did not fit beside the others.
   */
  async batch<I>(
    items: readonly I[],
    fn: (tx: WriteTx, item: I) => void,
    onError: (item: I, e: unknown) => void,
  ): Promise<void> {
    let next = 0;
    const fill = (tx: Transaction) => {
      while (next < items.length && tx.changes < BATCH_CHANGES && tx.sizeBytes < BATCH_BYTES) {
        const item = items[next] as I;
        const isFirst = tx.changes === 0;
        tx.savepoint();
        try {
          fn(tx, item);
          checkLimits(tx);
        } catch (e) {
          const isFull = isTooLarge(tx);
          tx.undo();
          if (isFull && !isFirst) return;
          onError(item, e);
        }
        next++;
      }
    };
    while (next < items.length) await this.#lock.run(() => this.#update(fill));
  }

  async #update<T>(fn: (tx: Transaction) => T): Promise<T> {
    if (this.#isUndecided) await this.#decide();
    const tx = new Transaction(this.#tables);
    const result = fn(tx);
    const pending = tx.pending;
    if (pending.length === 0) return result;
    checkLimits(tx);
    const transaction = StoreTransaction.create({
      id: newId(),
      actions: pending.map((p) => p.toAction()),
      timeMs: this.#nextTimeMs,
    });
    const data = encodeTransaction(transaction, pending);
    await this.#propose({ transaction, outcome: 'open' }, data);
    return result;
  }

  get #nextTimeMs(): number {
    return Math.max(this.#options.now(), this.#lastTimeMs + 1);
  }

  /** An entry that changes nothing: once it is applied, whatever was proposed before it is, or never will be. */
  async #decide(): Promise<void> {
    const transaction = StoreTransaction.create({ id: newId(), timeMs: this.#nextTimeMs });
    await this.#options.proposer.propose(encodeTransaction(transaction, []));
    this.#isUndecided = false;
  }

  /** Also when leadership was lost meanwhile: what the next leader has committed was made. */
  async #propose(own: OwnTransaction, data: Uint8Array): Promise<void> {
    const { id } = own.transaction;
    this.#mine.set(id, own);
    try {
      await this.#options.proposer.propose(data);
    } catch (e) {
      if (own.outcome === 'applied') return;
      this.#isUndecided ||= e instanceof UndecidedError;
      if (own.outcome === 'open') throw e;
      throw new SwarmtsError('aborted', 'whether the change was made is not known', { cause: e });
    } finally {
      this.#mine.delete(id);
    }
  }

  /** Applies a committed entry. Deterministic: called with the same entries on every manager. */
  applyEntry(index: number, data: Uint8Array): void {
    const own = this.#mine.get(transactionIdOf(data));
    if (own) own.outcome = 'applied';
    const transaction = own?.transaction ?? StoreTransaction.decode(data);
    this.#version = index;
    this.#lastTimeMs = Math.max(this.#lastTimeMs, transaction.timeMs);
    const changes = transaction.actions
      .map((a) => this.#apply(a, index, transaction.timeMs))
      .filter((change) => change !== undefined);
    for (const change of changes) this.#queue.publish({ type: 'change', change });
    for (const change of changes) {
      const event = this.#events.add(change, index, transaction.timeMs);
      if (event) this.#queue.publish({ type: 'event', event });
    }
    this.#queue.publish({ type: 'commit' });
  }

  #apply(action: StoreAction, index: number, timeMs: number): AnyChange | undefined {
    const target = objectOf(action);
    if (!target) return undefined;
    const { kind } = target;
    const table = this.#tables[kind] as Table<Kind>;
    const old = table.get(target.object.id);
    if (action.kind === StoreActionKind.ACTION_REMOVE) {
      table.delete(target.object.id);
      return { kind, action: 'remove', object: old ?? target.object, old } as AnyChange;
    }
    const meta = Meta.create({
      version: { index },
      createdAtMs: old?.meta?.createdAtMs ?? timeMs,
      updatedAtMs: timeMs,
      specIndex: kind === 'task' ? 0 : target.object.meta?.specIndex || index,
    });
    const object = Object.freeze({ ...target.object, meta }) as Tables[Kind];
    table.put(object);
    return { kind, action: old ? 'update' : 'create', object, old } as AnyChange;
  }

  /** The whole content of this moment as bytes, with Raft's members beside it. Others get their turns while it is encoded. */
  snapshot(members: readonly RaftMember[]): Promise<Uint8Array> {
    const all = <K extends Kind>(kind: K) => [...this.#tables[kind].values()];
    return encodeInPieces({
      versionIndex: this.#version,
      clusters: all('cluster'),
      nodes: all('node'),
      services: all('service'),
      tasks: all('task'),
      networks: all('network'),
      secrets: all('secret'),
      configs: all('config'),
      volumes: all('volume'),
      resources: all('resource'),
      members,
      events: [...this.#events.all],
    });
  }

  /** Replaces everything; resolves to the members in the snapshot. */
  restore(data: Uint8Array): readonly RaftMember[] {
    const s = StoreSnapshot.decode(data);
    invariant(s.versionIndex >= this.#version, 'a snapshot never goes back');
    for (const kind of kinds) this.#tables[kind].clear();
    const put = <K extends Kind>(kind: K, objects: readonly Tables[K][]) => {
      const table = this.#tables[kind] as Table<K>;
      for (const o of objects) {
        table.put(Object.freeze(o) as Tables[K]);
        this.#lastTimeMs = Math.max(this.#lastTimeMs, o.meta?.updatedAtMs ?? 0);
      }
    };
    put('cluster', s.clusters);
    put('node', s.nodes);
    put('service', s.services);
    put('task', s.tasks);
    put('network', s.networks);
    put('secret', s.secrets);
    put('config', s.configs);
    put('volume', s.volumes);
    put('resource', s.resources);
    for (const own of this.#mine.values()) if (own.outcome === 'open') own.outcome = 'unknown';
    const before = this.#version;
    this.#version = s.versionIndex;
    this.#events.replace(s.events);
    this.#queue.publish({ type: 'restored' });
    // A store that was empty was not watched yet: to a new manager what happened before is no news.
    if (before > 0) for (const event of this.#events.after(before)) this.#queue.publish({ type: 'event', event });
    return s.members;
  }
}

function rethrow(error: unknown): never {
  throw error;
}

/** Objects that are encoded in one go: some milliseconds, also where each is as large as a config may be. */
const PIECE_OBJECTS = 100;

/** Encoded messages that follow each other are one: its lists are all of theirs. */
async function encodeInPieces({ versionIndex, ...lists }: Omit<StoreSnapshot, 'unknownFields'>): Promise<Uint8Array> {
  const pieces = [StoreSnapshot.encode(StoreSnapshot.create({ versionIndex }))];
  for (const [name, objects] of Object.entries(lists)) {
    for (let at = 0; at < objects.length; at += PIECE_OBJECTS) {
      pieces.push(StoreSnapshot.encode(StoreSnapshot.create({ [name]: objects.slice(at, at + PIECE_OBJECTS) })));
      await immediate();
    }
  }
  return Buffer.concat(pieces);
}

function isTooLarge(tx: Transaction): boolean {
  return tx.changes > MAX_CHANGES_PER_TRANSACTION || tx.sizeBytes > MAX_TRANSACTION_BYTES;
}

/** Throws SwarmtsError 'resource-exhausted'. */
function checkLimits(tx: Transaction): void {
  if (!isTooLarge(tx)) return;
  throw new SwarmtsError(
    'resource-exhausted',
    tx.changes > MAX_CHANGES_PER_TRANSACTION
      ? `${tx.changes} changes in one transaction, the limit is ${MAX_CHANGES_PER_TRANSACTION}`
      : `a transaction of ${tx.sizeBytes} bytes, the limit is ${MAX_TRANSACTION_BYTES}`,
  );
}

/** Fields of StoreTransaction, by number and kind of value. */
const ACTIONS_TAG = 0x12;
const TIME_TAG = 0x18;

/** The same bytes as the codec makes, of changes that are encoded already. */
function encodeTransaction(t: StoreTransaction, changes: readonly PendingChange[]): Uint8Array {
  const writer = newWriter().uint32(ID_TAG).string(t.id);
  for (const c of changes) writer.uint32(ACTIONS_TAG).bytes(c.encoded);
  return writer.uint32(TIME_TAG).int64(t.timeMs).finish();
}

/** Field 1 of StoreTransaction: a tag, a length of one byte, the id. '' when it does not begin like that. */
const ID_TAG = 0x0a;

/** The id alone: the transactions of this process need no decoding beyond it. */
function transactionIdOf(data: Uint8Array): string {
  const length = data[1] ?? 0;
  if (data[0] !== ID_TAG || length > 0x7f) return '';
  return Buffer.from(data.buffer, data.byteOffset + 2, length).toString('latin1');
}

/** Items are added to a transaction up to this size; one item may change several objects. */
const BATCH_CHANGES = MAX_CHANGES_PER_TRANSACTION - 50;
/** So is the size; the entries of a batch are small, lest they hold up heartbeats. */
const BATCH_BYTES = 512 * 1024;

/** A proposer that commits at once, for a store without replicas (tests, simulations of single loops). */
export function localStore(now: () => number): Store {
  let index = 0;
  const store: Store = new Store({
    now,
    proposer: {
      propose: async (data) => {
        await Promise.resolve();
        store.applyEntry(++index, data);
      },
    },
  });
  return store;
}
