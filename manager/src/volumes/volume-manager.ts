/**
 * Has the CSI plugins do what the cluster's volumes need: makes them, brings them to the nodes whose tasks were given them,
 * takes them away when the last such task has ended (the node first, then the controller), and deletes them.
 * One call per volume at a time; what fails is tried again, and keeps nobody else waiting: not the volume's other nodes either.
 */
import { Backoff, ControlLoop, messageOf, type TimerHandle, type Watch } from '@swarmts/lib';
import {
  isWanted,
  type Task,
  type Volume,
  VolumeAvailability,
  VolumePublishState,
  type VolumePublishStatus,
} from '@swarmts/proto';
import { occupiesNode } from '@swarmts/scheduler';
import type { LeaderComponent, LeaderContext } from '../leader-component.js';
import { rejectTask } from '../orchestrator/reject-task.js';
import type { AnyChange } from '../store/tables.js';
import type { WriteTx } from '../store/transaction.js';
import { changePublishStatus } from './publish-status.js';
import type { MadeVolume, VolumePlugins } from './volume-plugins.js';
import { volumeSecretsOf } from './volume-secrets.js';

const DEBOUNCE_MS = 5;
const MAX_DELAY_MS = 100;
/** Tasks of one drained volume in one go: they are written together, and one transaction has its limit. */
const MAX_REJECTED = 50;
const RETRY_INITIAL_MS = 500;
const RETRY_MAX_MS = 60_000;

const { PENDING_PUBLISH, PUBLISHED, PENDING_NODE_UNPUBLISH, PENDING_UNPUBLISH } = VolumePublishState;

/** A call of a plugin, and how its result is written. */
interface Call {
  /** What of the volume's work it is: that on one node, or '' for the volume itself. */
  readonly part: string;
  run(): Promise<(tx: WriteTx) => void>;
  /** Where its failure is told. */
  failed(tx: WriteTx, message: string): void;
}

interface Retry {
  readonly backoff: Backoff;
  /** undefined once it is due. */
  readonly timer: TimerHandle | undefined;
}

export class VolumeManager implements LeaderComponent {
  readonly #c: LeaderContext;
  readonly #plugins: VolumePlugins;
  readonly #loop: ControlLoop;
  readonly #dirty = new Set<string>();
  /** Tasks by volume. */
  readonly #users = new Map<string, Map<string, Task>>();
  readonly #busy = new Set<string>();
  /** Results of calls on their way into the store. */
  readonly #writing = new Set<Promise<void>>();
  /** By volume, then by part of its work. */
  readonly #retries = new Map<string, Map<string, Retry>>();
  #watch: Watch | undefined;
  #stopped = false;

  constructor(context: LeaderContext, plugins: VolumePlugins) {
    this.#c = context;
    this.#plugins = plugins;
    this.#loop = new ControlLoop({
      ...context,
      name: 'volumes',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
  }

  start(): void {
    this.#watch = this.#c.store.watch({ change: (c) => this.#onChange(c) });
    this.#c.store.view((tx) => {
      for (const t of tx.list('task')) this.#track(t, false);
      for (const v of tx.list('volume')) this.#mark(v.id);
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watch?.close();
    for (const id of [...this.#retries.keys()]) this.#forgetRetries(id);
    await this.#loop.stop();
    // Not for calls of plugins, which take minutes, and whose results nobody writes any more: the next leader asks again.
    await Promise.allSettled(this.#writing);
  }

  #mark(volumeId: string): void {
    this.#dirty.add(volumeId);
    this.#loop.mark();
  }

  #onChange(c: AnyChange): void {
    if (c.kind === 'volume') this.#mark(c.object.id);
    else if (c.kind === 'task') this.#track(c.object, c.action === 'remove');
    else if (c.kind === 'node' && (c.action === 'remove' || c.object.description?.csi !== c.old?.description?.csi)) {
      const came = new Set(c.action === 'remove' ? [] : c.object.description?.csi.map((i) => i.plugin));
      this.#c.store.view((tx) => {
        for (const v of tx.list('volume')) {
          if (came.has(v.spec?.driver?.name ?? '')) this.#retryNow(v.id);
          else if (isOn(v, c.object.id)) this.#mark(v.id);
        }
      });
    }
  }

  #track(task: Task, removed: boolean): void {
    for (const { volumeId } of task.volumes) {
      const users = this.#users.get(volumeId) ?? new Map<string, Task>();
      if (removed || !occupiesNode(task)) users.delete(task.id);
      else users.set(task.id, task);
      if (users.size > 0) this.#users.set(volumeId, users);
      else this.#users.delete(volumeId);
      this.#mark(volumeId);
    }
  }

  #usersOf(volumeId: string): readonly Task[] {
    return [...(this.#users.get(volumeId)?.values() ?? [])];
  }

  async #work(): Promise<void> {
    const ids = [...this.#dirty];
    this.#dirty.clear();
    try {
      await this.#c.store.batch(
        ids,
        (tx, id) => this.#settle(tx, id),
        (id, error) => this.#c.log.warn('a volume could not be looked after', { volume: id, error: messageOf(error) }),
      );
    } catch (e) {
      for (const id of ids) this.#dirty.add(id);
      throw e;
    }
    for (const id of ids) this.#call(id);
  }

  /** What needs no plugin: tasks of drained volumes end, and volumes that no task has any more are to leave their nodes. */
  #settle(tx: WriteTx, id: string): void {
    const volume = tx.get('volume', id);
    if (!volume) return;
    // A call that goes on may still make it.
    if (volume.pendingDelete && !volume.info && !this.#busy.has(id)) {
      tx.remove('volume', id);
      return;
    }
    const users = this.#usersOf(id);
    if (volume.spec?.availability === VolumeAvailability.VOLUME_DRAIN) {
      const reason = `volume ${volume.spec.annotations?.name} is drained`;
      // Each is a change that marks the volume, so that the others' turn comes.
      for (const t of users.filter(isWanted).slice(0, MAX_REJECTED)) rejectTask(tx, t.id, reason, this.#c.clock.now());
    }
    for (const s of volume.publishStatus) {
      const state = nextState(
        s,
        users.some((t) => t.nodeId === s.nodeId),
        tx.get('node', s.nodeId) !== undefined,
      );
      if (state !== s.state) changePublishStatus(tx, id, s.nodeId, (old) => ({ ...old, state, message: '' }));
    }
  }

  /** Begins the plugin's next work on the volume, if there is any. */
  #call(id: string): void {
    const volume = this.#c.store.get('volume', id);
    if (!volume) this.#forgetRetries(id);
    if (this.#stopped || this.#busy.has(id)) return;
    const call = volume && this.#nextCall(volume);
    if (!call) return;
    this.#busy.add(id);
    this.#run(id, call)
      .catch((e: unknown) => {
        this.#c.log.error('what a CSI plugin has done could not be written: it is asked again', {
          volume: id,
          error: e,
        });
        if (!this.#stopped) this.#retryLater(id, call.part);
      })
      .finally(() => {
        this.#busy.delete(id);
        if (!this.#stopped) this.#mark(id);
      });
  }

  async #run(id: string, call: Call): Promise<void> {
    let write: (tx: WriteTx) => void;
    try {
      write = await call.run();
      this.#retries.get(id)?.delete(call.part);
    } catch (e) {
      if (this.#stopped) return;
      const message = messageOf(e);
      this.#c.log.warn('a CSI plugin could not do its work', { volume: id, error: message });
      this.#retryLater(id, call.part);
      write = (tx) => call.failed(tx, message);
    }
    if (this.#stopped) return;
    const written = this.#c.store.update(write);
    this.#writing.add(written);
    try {
      await written;
    } finally {
      this.#writing.delete(written);
    }
  }

  #retryLater(id: string, part: string): void {
    const retries = this.#retries.get(id) ?? new Map<string, Retry>();
    this.#retries.set(id, retries);
    const { random } = this.#c;
    const backoff =
      retries.get(part)?.backoff ?? new Backoff({ initialMs: RETRY_INITIAL_MS, maxMs: RETRY_MAX_MS, random });
    const timer = this.#c.clock.after(backoff.next(), () => {
      retries.set(part, { backoff, timer: undefined });
      this.#mark(id);
    });
    retries.set(part, { backoff, timer });
  }

  #forgetRetries(id: string): void {
    for (const r of this.#retries.get(id)?.values() ?? []) r.timer?.cancel();
    this.#retries.delete(id);
  }

  /** The plugin has come to a node: it may be what was waited for. */
  #retryNow(id: string): void {
    this.#forgetRetries(id);
    this.#mark(id);
  }

  #nextCall(volume: Volume): Call | undefined {
    const { spec, info } = volume;
    if (!spec) return undefined;
    const due = (part: string) => !this.#retries.get(volume.id)?.get(part)?.timer;
    if (!info) return volume.pendingDelete || !due('') ? undefined : this.#create(volume);
    const made = () => ({ spec, info, secrets: this.#c.store.view((tx) => volumeSecretsOf(tx, spec)) });
    const statuses = volume.publishStatus.filter((s) => due(s.nodeId));
    const leaving = statuses.find((s) => s.state === PENDING_UNPUBLISH);
    if (leaving) return this.#unpublish(volume, made, leaving);
    const coming = statuses.find((s) => s.state === PENDING_PUBLISH);
    if (coming) return this.#publish(volume, made, coming);
    return volume.pendingDelete && volume.publishStatus.length === 0 && due('')
      ? this.#remove(volume, made)
      : undefined;
  }

  #create(volume: Volume): Call {
    return {
      part: '',
      run: async () => {
        const { spec } = volume;
        if (!spec) return () => undefined;
        const secrets = this.#c.store.view((tx) => volumeSecretsOf(tx, spec));
        const info = await this.#plugins.create(spec, secrets);
        return (tx) => updateVolume(tx, volume.id, (v) => ({ ...v, info, message: '' }));
      },
      failed: (tx, message) => updateVolume(tx, volume.id, (v) => ({ ...v, message })),
    };
  }

  #remove(volume: Volume, made: () => MadeVolume): Call {
    return {
      part: '',
      run: async () => {
        await this.#plugins.remove(made());
        return (tx) => removeVolume(tx, volume.id);
      },
      failed: (tx, message) => updateVolume(tx, volume.id, (v) => ({ ...v, message })),
    };
  }

  #publish(volume: Volume, made: () => MadeVolume, s: VolumePublishStatus): Call {
    return {
      part: s.nodeId,
      run: async () => {
        const { csi = [], hostname = s.nodeId } = this.#c.store.get('node', s.nodeId)?.description ?? {};
        const driver = volume.spec?.driver?.name ?? '';
        const csiNodeId = csi.find((c) => c.plugin === driver)?.nodeId;
        if (csiNodeId === undefined) throw new Error(`CSI plugin ${driver} does not answer on node ${hostname}`);
        const publishContext = await this.#plugins.publish(made(), csiNodeId);
        const state = PUBLISHED;
        return (tx) =>
          changePublishStatus(tx, volume.id, s.nodeId, (old) =>
            // Whoever has it taken away meanwhile needs the name that it was published by.
            old.state === PENDING_PUBLISH
              ? { ...old, state, publishContext, csiNodeId, message: '' }
              : { ...old, csiNodeId },
          );
      },
      failed: failedOn(volume.id, s.nodeId),
    };
  }

  #unpublish(volume: Volume, made: () => MadeVolume, s: VolumePublishStatus): Call {
    return {
      part: s.nodeId,
      run: async () => {
        // Without a name there was no plugin to publish it.
        const csi = this.#c.store.get('node', s.nodeId)?.description?.csi ?? [];
        const known = csi.find((c) => c.plugin === volume.spec?.driver?.name)?.nodeId;
        const csiNodeId = s.csiNodeId || known;
        if (csiNodeId !== undefined) await this.#plugins.unpublish(made(), csiNodeId);
        return (tx) => changePublishStatus(tx, volume.id, s.nodeId, () => undefined);
      },
      failed: failedOn(volume.id, s.nodeId),
    };
  }
}

function failedOn(volumeId: string, nodeId: string): Call['failed'] {
  return (tx, message) => changePublishStatus(tx, volumeId, nodeId, (s) => ({ ...s, message }));
}

/** Where the status goes by itself: on from a node without users, and past a node that is gone. */
function nextState(s: VolumePublishStatus, used: boolean, nodeKnown: boolean): VolumePublishState {
  if (!nodeKnown) return PENDING_UNPUBLISH;
  if (used) return s.state;
  if (s.state === PENDING_PUBLISH) return PENDING_UNPUBLISH;
  return s.state === PUBLISHED ? PENDING_NODE_UNPUBLISH : s.state;
}

const isOn = (v: Volume, nodeId: string) => v.publishStatus.some((s) => s.nodeId === nodeId);

function updateVolume(tx: WriteTx, id: string, change: (v: Volume) => Volume): void {
  const volume = tx.get('volume', id);
  if (volume) tx.update('volume', change(volume));
}

function removeVolume(tx: WriteTx, id: string): void {
  if (tx.get('volume', id)) tx.remove('volume', id);
}
