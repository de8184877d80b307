/**
 * Gives services their VIPs, tasks their addresses (NEW to PENDING) and nodes the number of their data path. A task whose
 * needs cannot be met stays in NEW with the reason in its status, and is tried again when something is freed. What is in use
 * is derived from the store: a new leader builds the pools anew, and so does this one after a write that failed.
 */
import { ControlLoop, messageOf, type Watch } from '@swarmts/lib';
import { isTerminal, isWanted, observedState, type Service, type Task, TaskState, TaskStatus } from '@swarmts/proto';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import type { AnyChange } from '../store/tables.js';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { allocateTaskNetworks, allocateVips, lacksVips } from './attachments.js';
import { NetworkPools } from './network-pools.js';

const DEBOUNCE_MS = 2;
const MAX_DELAY_MS = 50;
/** Conntrack zones have 16 bits; 0 and 1 and the last ones have a meaning of their own. */
const FIRST_NODE_INDEX = 2;
const LAST_NODE_INDEX = 65_000;

export class Allocator implements LeaderComponent {
  readonly #c: LeaderContext;
  readonly #loop: ControlLoop;
  readonly #pools = new NetworkPools();
  readonly #tasks = new Set<string>();
  readonly #services = new Set<string>();
  readonly #nodes = new Set<string>();
  /** Tasks that did not get what they need. */
  readonly #starved = new Set<string>();
  readonly #starvedServices = new Set<string>();
  #rebuild = true;
  /** A service has given addresses back. */
  #vipsFreed = false;
  #watch: Watch | undefined;

  constructor(context: LeaderContext) {
    this.#c = context;
    this.#loop = new ControlLoop({
      ...context,
      name: 'allocator',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
  }

  start(): void {
    this.#watch = this.#c.store.watch({ change: (c) => this.#onChange(c) });
    this.#c.store.view((tx) => {
      for (const n of tx.list('node')) if (n.dataPathIndex === 0) this.#nodes.add(n.id);
      for (const s of tx.list('service')) this.#services.add(s.id);
      for (const t of tx.list('task')) if (needsAllocation(t)) this.#tasks.add(t.id);
    });
    this.#loop.mark();
  }

  async stop(): Promise<void> {
    this.#watch?.close();
    await this.#loop.stop();
  }

  #onChange(c: AnyChange): void {
    if (c.kind === 'task') this.#onTask(c.object, c.action === 'remove');
    else if (c.kind === 'service') this.#onService(c.object, c.old, c.action === 'remove');
    else if (c.kind === 'network') {
      if (c.action === 'remove') this.#pools.remove(c.object.id);
      else this.#pools.add(c.object);
      this.#retryStarved();
    } else if (c.kind === 'node' && c.action !== 'remove' && c.object.dataPathIndex === 0) {
      this.#nodes.add(c.object.id);
      this.#loop.mark();
    }
  }

  #onTask(task: Task, removed: boolean): void {
    if (removed || isTerminal(observedState(task))) {
      this.#tasks.delete(task.id);
      this.#starved.delete(task.id);
      const freed = task.networks.map((a) => this.#pools.release(a.network?.id ?? '', task.id));
      if (freed.includes(true)) this.#retryStarved();
    } else if (needsAllocation(task) && !this.#starved.has(task.id)) {
      this.#tasks.add(task.id);
      this.#loop.mark();
    }
  }

  #onService(service: Service, old: Service | undefined, removed: boolean): void {
    if (!removed) {
      if (service.spec === old?.spec && service.endpoint === old?.endpoint) return;
      this.#services.add(service.id);
      this.#loop.mark();
      return;
    }
    this.#starvedServices.delete(service.id);
    const freed = (service.endpoint?.virtualIps ?? []).map((v) => this.#pools.release(v.networkId, service.id));
    if (freed.includes(true)) this.#retryStarved();
  }

  #retryStarved(): void {
    if (this.#starved.size + this.#starvedServices.size === 0) return;
    for (const id of this.#starved) this.#tasks.add(id);
    this.#starved.clear();
    for (const id of this.#starvedServices) this.#services.add(id);
    this.#starvedServices.clear();
    this.#loop.mark();
  }

  async #work(): Promise<void> {
    if (this.#rebuild) {
      this.#c.store.view((tx) => this.#pools.rebuild(tx, (error) => this.#c.log.error('addresses clash', { error })));
      this.#rebuild = false;
    }
    try {
      await this.#numberNodes();
      await this.#allocate(this.#services, (tx, id) => this.#allocateService(tx, id));
      if (this.#vipsFreed) this.#retryStarved();
      this.#vipsFreed = false;
      await this.#allocate(this.#tasks, (tx, id) => this.#allocateTask(tx, id));
    } catch (e) {
      // What was drawn from the pools for this write is not in the store.
      this.#rebuild = true;
      throw e;
    }
  }

  async #allocate(dirty: Set<string>, allocate: (tx: WriteTx, id: string) => void): Promise<void> {
    const ids = [...dirty];
    // What changes while this is written is dirty again.
    dirty.clear();
    try {
      await this.#c.store.batch(ids, allocate, (id, e) =>
        this.#c.log.warn('could not be allocated', { id, error: messageOf(e) }),
      );
    } catch (e) {
      for (const id of ids) dirty.add(id);
      throw e;
    }
  }

  async #numberNodes(): Promise<void> {
    if (this.#nodes.size === 0) return;
    const ids = [...this.#nodes];
    await this.#c.store.batch(
      ids,
      (tx, id) => {
        const node = tx.get('node', id);
        if (node?.dataPathIndex === 0) tx.update('node', { ...node, dataPathIndex: freeIndex(tx) });
      },
      (id, e) => this.#c.log.warn('node got no data path number', { node: id, error: messageOf(e) }),
    );
    for (const id of ids) this.#nodes.delete(id);
  }

  #allocateService(tx: WriteTx, id: string): void {
    const service = tx.get('service', id);
    if (!service?.endpoint) return;
    // Until it has them all: the network may be full.
    this.#starvedServices.add(id);
    const virtualIps = allocateVips(tx, this.#pools, service);
    if (!lacksVips(tx, service, virtualIps)) this.#starvedServices.delete(id);
    if (sameVips(virtualIps, service.endpoint.virtualIps)) return;
    tx.update('service', { ...service, endpoint: { ...service.endpoint, virtualIps } });
    const has = new Set(virtualIps.map((v) => v.networkId));
    if (service.endpoint.virtualIps.some((v) => !has.has(v.networkId))) this.#vipsFreed = true;
  }

  #allocateTask(tx: WriteTx, id: string): void {
    const task = tx.get('task', id);
    if (!task || !needsAllocation(task)) return;
    try {
      const networks = allocateTaskNetworks(tx, this.#pools, task);
      // A plain container runs already, or is about to: its node alone decides.
      const next = task.spec?.attachment
        ? { state: TaskState.RUNNING, message: 'attached' }
        : { state: TaskState.PENDING, message: WAITS_FOR_NODE };
      tx.update('task', { ...task, networks, status: TaskStatus.create({ ...task.status, ...next, err: '' }) });
    } catch (e) {
      this.#starved.add(id);
      const err = messageOf(e);
      if (task.status?.err === err) return;
      tx.update('task', { ...task, status: TaskStatus.create({ ...task.status, message: WAITS_FOR_ADDRESS, err }) });
    }
  }
}

const WAITS_FOR_NODE = 'pending task scheduling';
const WAITS_FOR_ADDRESS = 'waiting for network addresses';

function needsAllocation(t: Task): boolean {
  return observedState(t) === TaskState.NEW && isWanted(t);
}

function sameVips(
  a: readonly { readonly networkId: string; readonly addr: string }[],
  b: readonly { readonly networkId: string; readonly addr: string }[],
): boolean {
  return a.length === b.length && a.every((v, i) => v.networkId === b[i]?.networkId && v.addr === b[i]?.addr);
}

function freeIndex(tx: ReadTx): number {
  const used = new Set(tx.list('node').map((n) => n.dataPathIndex));
  let index = FIRST_NODE_INDEX;
  while (used.has(index) && index < LAST_NODE_INDEX) index++;
  return index;
}
