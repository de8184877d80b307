/**
 * One rolling update of one service: replaces the slots that are not what the spec asks for, some at a time, watches the
 * new tasks, and pauses, goes on or rolls back when too many fail. Semantics: Docker's update and rollback settings.
 */
import { isSwarmtsError, SwarmtsError, sleep, together, underSignals } from '@swarmts/lib';
import {
  defaults,
  extensionsOf,
  FailureAction,
  isLive,
  isWanted,
  NodeAvailability,
  observedState,
  type Service,
  type Task,
  TaskState,
  UpdateConfig,
  UpdateOrder,
  UpdateState,
  UpdateStatus,
} from '@swarmts/proto';
import { endpointOf } from '../allocator/service-endpoint.js';
import { referring } from '../control/service-references.js';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { applyStep, setDesired } from './apply-step.js';
import { earlierWork, hasFailed } from './earlier-work.js';
import { dirtyCheck, isDirty, isDrained, newTask } from './new-task.js';
import type { OrchestratorOptions } from './orchestrator-options.js';
import { autoscaleStatusWith } from './replicas.js';
import { groupBySeat, newest, seatOf, wanted } from './slots.js';
import { isRollingBack } from './update-state.js';
import { pinsWith } from './volume-pins.js';

/** A slot to be replaced, by its tasks that are meant to run. */
type DirtySlot = readonly Task[];

interface Plan {
  readonly work: DirtySlot[];
  /** How long each worker waits before its first slot. */
  readonly delaysMs: readonly number[];
}

/** Slots with a task that is not what the spec asks for, or with more than one live task. */
export function dirtySlots(tx: ReadTx, service: Service): readonly DirtySlot[] {
  const global = service.spec?.mode?.global !== undefined;
  const isReplaced = dirtyCheck(service);
  return [...groupBySeat(tx.by('task', 'service', service.id)).values()].map(wanted).filter((slot) => {
    if (slot.length === 0) return false;
    // What a paused node has stays as it is: a new task would not be let in.
    if (global && tx.get('node', slot[0]?.nodeId ?? '')?.spec?.availability === NodeAvailability.PAUSE) return false;
    const dirty = slot.some((t) => isReplaced(t, tx.get('node', t.nodeId)));
    // Two are there for a while when a task is moved, the new one first.
    return dirty || slot.filter((t) => isLive(t) && !isToLeave(tx, service, t)).length > 1;
  });
}

function isToLeave(tx: ReadTx, service: Service, t: Task): boolean {
  const node = tx.get('node', t.nodeId);
  return (node !== undefined && isDrained(node)) || service.movingTaskIds.includes(t.id);
}

function without(tasks: readonly Task[], id: string): readonly Task[] {
  return tasks.filter((t) => t.id !== id);
}

/** One that runs, else any. */
function bestOf(tasks: readonly Task[]): Task | undefined {
  return tasks.find((t) => observedState(t) === TaskState.RUNNING) ?? tasks[0];
}

export class ServiceUpdate {
  readonly specVersion: number;
  readonly rollingBack: boolean;
  readonly #o: OrchestratorOptions;
  readonly #serviceId: string;
  readonly #config: UpdateConfig;
  /** A replacement that has not come up in this time counts as failed. */
  readonly #progressDeadlineMs: number;
  readonly #abort = new AbortController();
  /** Ends waiting between slots when too many have failed. */
  readonly #halt = new AbortController();
  readonly #updated = new Set<string>();
  readonly #failed = new Set<string>();
  #cancelled = false;
  #total = 0;
  #startedAtMs = 0;
  /** The pause or rollback, once it was decided. */
  #verdict: Promise<void> | undefined;

  constructor(options: OrchestratorOptions, service: Service) {
    this.#o = options;
    this.#serviceId = service.id;
    this.specVersion = service.specVersion?.index ?? 0;
    this.#progressDeadlineMs = extensionsOf(service.spec?.annotations?.labels ?? {}).progressDeadlineMs;
    this.rollingBack = isRollingBack(service);
    this.#config =
      (this.rollingBack ? service.spec?.rollback : service.spec?.update) ??
      UpdateConfig.create({ parallelism: defaults.updateParallelism });
  }

  cancel(): void {
    this.#cancelled = true;
    this.#abort.abort(new Error('update cancelled'));
  }

  /** Whether replacements have failed, also where the update goes on all the same. */
  get hasFailures(): boolean {
    return this.#failed.size > 0;
  }

  async run(): Promise<void> {
    const service = this.#o.store.get('service', this.#serviceId);
    if (!service) return;
    const { work, delaysMs } = this.#o.store.view((tx) => this.#plan(tx, service));
    const watch = this.#o.store.watch({ change: (c) => c.kind === 'task' && this.#observe(c.object) });
    try {
      if (this.#total > 0) await this.#begin();
      this.#judge();
      const workers = this.#config.parallelism === 0 ? work.length : Math.min(this.#config.parallelism, work.length);
      const supervised = Array.from({ length: workers }, (_, i) => this.#supervised(work, delaysMs[i] ?? 0));
      await together(Promise.resolve(), ...supervised);
      if (!this.#verdict && this.#total > 0) await this.#lastWatch();
      await (this.#verdict ?? this.#complete());
    } catch (e) {
      if (!this.#cancelled) throw e;
    } finally {
      watch.close();
    }
  }

  /** The slots to look after: first those that an earlier leader has begun, so that there are never more at a time than asked for. */
  #plan(tx: ReadTx, service: Service): Plan {
    const dirty = dirtySlots(tx, service);
    const { made, underWay } = earlierWork(tx, service);
    for (const t of made) {
      this.#updated.add(t.id);
      if (hasFailed(t, this.#monitorMs)) this.#failed.add(t.id);
    }
    const dirtySeats = new Set(dirty.flatMap((slot) => slot.map(seatOf)));
    this.#total = dirty.length + made.filter((t) => !dirtySeats.has(seatOf(t))).length;
    const begunSeats = new Set(underWay.map(seatOf));
    const isBegun = (slot: DirtySlot) => slot.some((t) => begunSeats.has(seatOf(t)));
    const begun = [...underWay.filter((t) => !dirtySeats.has(seatOf(t))).map((t) => [t]), ...dirty.filter(isBegun)];
    const delaysMs = [...begun.map(() => 0), ...this.#delaysAfter(made)];
    return { work: [...begun, ...dirty.filter((slot) => !isBegun(slot))], delaysMs };
  }

  /** What is left of the delays after the slots that were done last, the longest first. */
  #delaysAfter(made: readonly Task[]): readonly number[] {
    const nowMs = this.#o.clock.now();
    const delayMs = this.#config.delayNs / 1e6;
    return made
      .map((t) => t.status?.runningSinceMs ?? 0)
      .filter((sinceMs) => sinceMs > 0)
      .map((sinceMs) => Math.min(delayMs, sinceMs + delayMs - nowMs))
      .sort((a, b) => b - a);
  }

  /** One that fails ends the others: they are not to go on beside the next attempt. */
  async #supervised(work: DirtySlot[], delayMs: number): Promise<void> {
    try {
      await this.#worker(work, delayMs);
    } catch (e) {
      this.#abort.abort(e);
      throw e;
    }
  }

  async #worker(work: DirtySlot[], delayMs: number): Promise<void> {
    if (delayMs > 0) await this.#sleep(delayMs);
    for (;;) {
      const slot = work.shift();
      if (!slot || this.#verdict) return;
      await this.#replace(slot);
      if (this.#config.delayNs > 0 && work.length > 0) await this.#sleep(this.#config.delayNs / 1e6);
    }
  }

  async #replace(slot: DirtySlot): Promise<void> {
    const startFirst = this.#config.order === UpdateOrder.START_FIRST;
    const taskId = await this.#o.store.update((tx) => this.#writeReplacement(tx, slot, startFirst));
    if (taskId === undefined) return;
    await this.#until(taskId);
    const task = this.#o.store.get('task', taskId);
    const runs = task !== undefined && isLive(task) && observedState(task) === TaskState.RUNNING;
    if (startFirst && runs) await this.#o.store.update((tx) => this.#shutDown(tx, without(slot, taskId)));
  }

  /** The task to wait for: a new one (and, stop-first, the old ones are let go), or the one that is in the slot already. */
  #writeReplacement(tx: WriteTx, slot: DirtySlot, startFirst: boolean): string | undefined {
    const service = tx.get('service', this.#serviceId);
    if (!service || service.specVersion?.index !== this.specVersion)
      throw this.#abort.signal.reason ?? new Error('spec changed');
    const sample = newest(slot);
    if (!sample) return undefined;
    const current = tx
      .by(
        'task',
        'slot',
        sample.slot > 0 ? `${sample.serviceId}.${sample.slot}` : `${sample.serviceId}.${sample.nodeId}`,
      )
      .filter(isWanted);
    if (current.length === 0) return undefined;
    const clean = bestOf(current.filter((t) => !isDirty(service, t, tx.get('node', t.nodeId)) && isLive(t)));
    if (clean) {
      const runs = observedState(clean) === TaskState.RUNNING;
      if (runs || !startFirst) this.#shutDown(tx, without(current, clean.id));
      return runs ? undefined : clean.id;
    }
    const seat = { slot: sample.slot, nodeId: service.spec?.mode?.global ? sample.nodeId : '' };
    const desired = startFirst ? TaskState.RUNNING : TaskState.READY;
    const task = newTask(service, seat, desired, this.#o.clock.now());
    applyStep(tx, { type: 'create', task });
    if (!startFirst) this.#shutDown(tx, current);
    this.#updated.add(task.id);
    return task.id;
  }

  #shutDown(tx: WriteTx, tasks: readonly Task[]): void {
    for (const t of tasks) {
      const current = tx.get('task', t.id);
      if (current) setDesired(tx, current, TaskState.SHUTDOWN);
    }
  }

  /** Waits until the task runs, has ended, or its time is up. */
  async #until(taskId: string): Promise<void> {
    const { store, clock } = this.#o;
    const reached = () => {
      const t = store.get('task', taskId);
      return !t || observedState(t) >= TaskState.RUNNING || !isWanted(t);
    };
    if (reached()) return;
    await new Promise<void>((resolve, reject) => {
      const end = (fn: () => void) => {
        watch.close();
        deadline.cancel();
        this.#abort.signal.removeEventListener('abort', onAbort);
        fn();
      };
      const onAbort = () => end(() => reject(this.#abort.signal.reason));
      const watch = store.watch({ commit: () => reached() && end(resolve) });
      const deadline = clock.after(this.#timeLeftMs(taskId), () => {
        this.#note(taskId);
        end(resolve);
      });
      this.#abort.signal.addEventListener('abort', onAbort, { once: true });
      if (this.#abort.signal.aborted) onAbort();
    });
  }

  /** A task that this update has made, under whichever leader, has no more time than it had then. */
  #timeLeftMs(taskId: string): number {
    const createdAtMs = this.#o.store.get('task', taskId)?.meta?.createdAtMs ?? 0;
    if (createdAtMs < this.#startedAtMs) return this.#progressDeadlineMs;
    const leftMs = createdAtMs + this.#progressDeadlineMs - this.#o.clock.now();
    return Math.min(this.#progressDeadlineMs, Math.max(0, leftMs));
  }

  /** An updated task that ended counts as failed, once, if it ended before or within `monitor` of running. */
  #observe(task: Task): void {
    if (this.#updated.has(task.id) && hasFailed(task, this.#monitorMs)) this.#note(task.id);
  }

  #note(failedTaskId: string): void {
    if (this.#failed.has(failedTaskId)) return;
    this.#failed.add(failedTaskId);
    this.#judge();
  }

  get #monitorMs(): number {
    return (this.#config.hasMonitor ? this.#config.monitorNs : defaults.updateMonitorNs) / 1e6;
  }

  async #lastWatch(): Promise<void> {
    if (this.#config.failureAction === FailureAction.FAILURE_CONTINUE) return;
    const delayMs = this.#config.delayNs / 1e6;
    await this.#sleep(delayMs >= this.#monitorMs ? delayMs + 1000 : this.#monitorMs);
  }

  /** Decides at once when too many have failed, also between two slots. */
  #judge(): void {
    if (this.#verdict || this.#config.failureAction === FailureAction.FAILURE_CONTINUE) return;
    if (this.#failed.size === 0 || this.#failed.size / this.#total <= this.#config.maxFailureRatio) return;
    const last = [...this.#failed].at(-1) ?? '';
    const rollBack = !this.rollingBack && this.#config.failureAction === FailureAction.FAILURE_ROLLBACK;
    this.#verdict = rollBack ? this.#rollBack(last) : this.#pause(last);
    // It is waited for at the end; until then nobody hears it fail.
    this.#verdict.catch(() => undefined);
    this.#halt.abort();
  }

  /** Not longer than until it is decided that there are no more slots to come. */
  async #sleep(ms: number): Promise<void> {
    const signals = [this.#abort.signal, this.#halt.signal];
    await underSignals(signals, (s) => sleep(this.#o.clock, ms, s)).catch((e: unknown) => {
      if (!this.#verdict || this.#abort.signal.aborted) throw e;
    });
  }

  async #begin(): Promise<void> {
    const state = this.rollingBack ? UpdateState.ROLLBACK_STARTED : UpdateState.UPDATING;
    const message = this.rollingBack ? 'rollback in progress' : 'update in progress';
    await this.#status((old) =>
      old?.state === state || old?.state === UpdateState.ROLLBACK_STARTED
        ? old
        : UpdateStatus.create({ state, message, startedAtMs: this.#o.clock.now() }),
    );
    this.#startedAtMs = this.#o.store.get('service', this.#serviceId)?.updateStatus?.startedAtMs ?? 0;
  }

  #complete(): Promise<void> {
    const state = this.rollingBack ? UpdateState.ROLLBACK_COMPLETED : UpdateState.UPDATE_COMPLETED;
    const message = this.rollingBack ? 'rollback completed' : 'update completed';
    return this.#status((old) => old && { ...old, state, message, completedAtMs: this.#o.clock.now() });
  }

  #pause(taskId: string): Promise<void> {
    const state = this.rollingBack ? UpdateState.ROLLBACK_PAUSED : UpdateState.UPDATE_PAUSED;
    const what = this.rollingBack ? 'rollback' : 'update';
    const message = `${what} paused due to failure or early termination of task ${taskId}`;
    return this.#status((old) => UpdateStatus.create({ ...old, state, message }));
  }

  async #status(change: (old: UpdateStatus | undefined) => UpdateStatus | undefined): Promise<void> {
    await this.#o.store.update((tx) => {
      const service = tx.get('service', this.#serviceId);
      if (!service || service.specVersion?.index !== this.specVersion) return;
      const updateStatus = change(service.updateStatus);
      if (updateStatus !== service.updateStatus) tx.update('service', { ...service, updateStatus });
    });
  }

  /** Puts the previous spec back; an automatic rollback clears it, so that it is not undone. */
  async #rollBack(taskId: string): Promise<void> {
    try {
      await this.#o.store.update((tx) => {
        const service = tx.get('service', this.#serviceId);
        if (!service || service.specVersion?.index !== this.specVersion) return;
        tx.update('service', this.#rolledBack(tx, service, taskId));
      });
    } catch (e) {
      if (!isSwarmtsError(e, 'not-found')) throw e;
    }
  }

  /** With the previous spec, and the ports of that one; paused where that cannot be. */
  #rolledBack(tx: ReadTx, service: Service, taskId: string): Service {
    const because = `due to failure or early termination of task ${taskId}`;
    const status = (state: UpdateState, message: string) =>
      UpdateStatus.create({ state, message, startedAtMs: this.#o.clock.now() });
    const paused = (why: string) => ({
      ...service,
      updateStatus: status(UpdateState.UPDATE_PAUSED, `update paused ${because}: ${why}`),
    });
    const { previousSpec: spec } = service;
    if (!spec) return paused('there is no previous spec to roll back to');
    try {
      return {
        ...service,
        spec: referring(tx, spec),
        endpoint: endpointOf(tx, spec, service),
        specVersion: { index: this.specVersion + 1 },
        previousSpec: undefined,
        volumePins: pinsWith(tx, service, spec),
        autoscaleStatus: autoscaleStatusWith(service, spec),
        updateStatus: status(UpdateState.ROLLBACK_STARTED, `update rolled back ${because}`),
      };
    } catch (e) {
      if (!(e instanceof SwarmtsError)) throw e;
      return paused(`it cannot be rolled back: ${e.message}`);
    }
  }
}
