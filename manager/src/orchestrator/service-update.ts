/**
 * One rolling update of one service: replaces the slots that are not what the spec asks for, some at a time, watches the
 * new tasks, and pauses, goes on or rolls back when too many fail. Semantics: Docker's update and rollback settings.
 */
import { isSwarmtsError, sleep } from '@swarmts/lib';
import {
  defaults,
  FailureAction,
  isLive,
  isWanted,
  NodeAvailability,
  observedState,
  readExtensions,
  type Service,
  type Task,
  TaskState,
  UpdateConfig,
  UpdateOrder,
  UpdateState,
  UpdateStatus,
} from '@swarmts/proto';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { applyStep, setDesired } from './apply-step.js';
import { isDirty, isDrained, newTask } from './new-task.js';
import type { OrchestratorOptions } from './orchestrator-options.js';
import { groupBySeat, newest, wanted } from './slots.js';
import { pinsWith } from './volume-pins.js';

/** A slot to be replaced, by its tasks that are meant to run. */
type DirtySlot = readonly Task[];

/** Slots with a task that is not what the spec asks for, or with more than one live task. */
export function dirtySlots(tx: ReadTx, service: Service): readonly DirtySlot[] {
  const global = service.spec?.mode?.global !== undefined;
  return [...groupBySeat(tx.by('task', 'service', service.id)).values()].map(wanted).filter((slot) => {
    if (slot.length === 0) return false;
    // What a paused node has stays as it is: a new task would not be let in.
    if (global && tx.get('node', slot[0]?.nodeId ?? '')?.spec?.availability === NodeAvailability.PAUSE) return false;
    const dirty = slot.some((t) => isDirty(service, t, tx.get('node', t.nodeId)));
    // Two are there for a while when a task is moved, the new one first.
    return dirty || slot.filter((t) => isLive(t) && !isToLeave(tx, service, t)).length > 1;
  });
}

function isToLeave(tx: ReadTx, service: Service, t: Task): boolean {
  const node = tx.get('node', t.nodeId);
  return (node !== undefined && isDrained(node)) || service.movingTaskIds.includes(t.id);
}

export class ServiceUpdate {
  readonly specVersion: number;
  readonly #o: OrchestratorOptions;
  readonly #serviceId: string;
  readonly #config: UpdateConfig;
  readonly #rollingBack: boolean;
  /** A replacement that has not come up in this time counts as failed. */
  readonly #progressDeadlineMs: number;
  readonly #abort = new AbortController();
  readonly #updated = new Set<string>();
  readonly #failed = new Set<string>();
  readonly #runningSince = new Map<string, number>();
  #total = 0;
  #halted = false;

  constructor(options: OrchestratorOptions, service: Service) {
    this.#o = options;
    this.#serviceId = service.id;
    this.specVersion = service.specVersion?.index ?? 0;
    this.#progressDeadlineMs = readExtensions(service.spec?.annotations?.labels ?? {}).progressDeadlineMs;
    this.#rollingBack = service.updateStatus?.state === UpdateState.ROLLBACK_STARTED;
    this.#config =
      (this.#rollingBack ? service.spec?.rollback : service.spec?.update) ??
      UpdateConfig.create({ parallelism: defaults.updateParallelism });
  }

  cancel(): void {
    this.#abort.abort(new Error('update cancelled'));
  }

  async run(): Promise<void> {
    const service = this.#o.store.get('service', this.#serviceId);
    if (!service) return;
    const work = [...this.#o.store.view((tx) => dirtySlots(tx, service))];
    this.#total = work.length;
    const watch = this.#o.store.watch({ change: (c) => c.kind === 'task' && this.#observe(c.object) });
    try {
      if (work.length > 0) await this.#begin();
      const workers = this.#config.parallelism === 0 ? work.length : Math.min(this.#config.parallelism, work.length);
      await Promise.all(Array.from({ length: workers }, () => this.#worker(work)));
      if (!this.#halted && this.#total > 0) await this.#lastWatch();
      if (!this.#halted) await this.#complete();
    } catch (e) {
      if (!this.#abort.signal.aborted) throw e;
    } finally {
      watch.close();
    }
  }

  async #worker(work: DirtySlot[]): Promise<void> {
    for (;;) {
      const slot = work.shift();
      if (!slot || this.#halted) return;
      await this.#replace(slot);
      if (this.#config.delayNs > 0 && work.length > 0) await this.#sleep(this.#config.delayNs / 1e6);
    }
  }

  async #replace(slot: DirtySlot): Promise<void> {
    const startFirst = this.#config.order === UpdateOrder.START_FIRST;
    const created = await this.#o.store.update((tx) => this.#writeReplacement(tx, slot, startFirst));
    if (!created) return;
    this.#updated.add(created);
    await this.#until(created);
    if (startFirst && !this.#failed.has(created)) {
      await this.#o.store.update((tx) => this.#shutDown(tx, slot));
    }
  }

  /** Creates the new task (and, stop-first, lets the old ones go); undefined when a clean task is in the slot already. */
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
    const clean = current.find((t) => !isDirty(service, t, tx.get('node', t.nodeId)) && isLive(t));
    if (clean) {
      this.#shutDown(
        tx,
        current.filter((t) => t.id !== clean.id),
      );
      return undefined;
    }
    const seat = { slot: sample.slot, nodeId: service.spec?.mode?.global ? sample.nodeId : '' };
    const desired = startFirst ? TaskState.RUNNING : TaskState.READY;
    const task = newTask(service, seat, desired, this.#o.clock.now());
    applyStep(tx, { type: 'create', task });
    if (!startFirst) this.#shutDown(tx, current);
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
      const deadline = clock.after(this.#progressDeadlineMs, () =>
        end(() => {
          this.#failed.add(taskId);
          resolve();
        }),
      );
      this.#abort.signal.addEventListener('abort', onAbort, { once: true });
      if (this.#abort.signal.aborted) onAbort();
    });
    await this.#judge();
  }

  /** An updated task that ended counts as failed, once, if it ended before or within `monitor` of running. */
  #observe(task: Task): void {
    if (!this.#updated.has(task.id) || this.#failed.has(task.id)) return;
    const state = observedState(task);
    const nowMs = this.#o.clock.now();
    if (state === TaskState.RUNNING && !this.#runningSince.has(task.id)) this.#runningSince.set(task.id, nowMs);
    if (state <= TaskState.RUNNING) return;
    // A task that the system itself shut down (scale, drain) did not fail.
    if (state === TaskState.SHUTDOWN && !isWanted(task)) return;
    const since = this.#runningSince.get(task.id);
    if (since === undefined || nowMs - since <= this.#monitorMs) this.#failed.add(task.id);
  }

  get #monitorMs(): number {
    return (this.#config.hasMonitor ? this.#config.monitorNs : defaults.updateMonitorNs) / 1e6;
  }

  async #lastWatch(): Promise<void> {
    if (this.#config.failureAction === FailureAction.FAILURE_CONTINUE) return;
    const delayMs = this.#config.delayNs / 1e6;
    await this.#sleep(delayMs >= this.#monitorMs ? delayMs + 1000 : this.#monitorMs);
    await this.#judge();
  }

  async #judge(): Promise<void> {
    if (this.#halted || this.#config.failureAction === FailureAction.FAILURE_CONTINUE) return;
    if (this.#failed.size === 0 || this.#failed.size / this.#total <= this.#config.maxFailureRatio) return;
    this.#halted = true;
    const [taskId] = this.#failed;
    const rollBack = !this.#rollingBack && this.#config.failureAction === FailureAction.FAILURE_ROLLBACK;
    if (rollBack) await this.#rollBack(taskId ?? '');
    else await this.#pause(taskId ?? '');
  }

  async #sleep(ms: number): Promise<void> {
    await sleep(this.#o.clock, ms, this.#abort.signal);
  }

  #begin(): Promise<void> {
    const state = this.#rollingBack ? UpdateState.ROLLBACK_STARTED : UpdateState.UPDATING;
    const message = this.#rollingBack ? 'rollback in progress' : 'update in progress';
    return this.#status((old) =>
      old?.state === state ? old : UpdateStatus.create({ state, message, startedAtMs: this.#o.clock.now() }),
    );
  }

  #complete(): Promise<void> {
    const state = this.#rollingBack ? UpdateState.ROLLBACK_COMPLETED : UpdateState.UPDATE_COMPLETED;
    const message = this.#rollingBack ? 'rollback completed' : 'update completed';
    return this.#status((old) => old && { ...old, state, message, completedAtMs: this.#o.clock.now() });
  }

  #pause(taskId: string): Promise<void> {
    const state = this.#rollingBack ? UpdateState.ROLLBACK_PAUSED : UpdateState.UPDATE_PAUSED;
    const what = this.#rollingBack ? 'rollback' : 'update';
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
        const updateStatus = UpdateStatus.create({
          state: service.previousSpec ? UpdateState.ROLLBACK_STARTED : UpdateState.UPDATE_PAUSED,
          startedAtMs: this.#o.clock.now(),
          message: service.previousSpec
            ? `update rolled back due to failure or early termination of task ${taskId}`
            : `update paused due to failure or early termination of task ${taskId}: there is no previous spec to roll back to`,
        });
        if (!service.previousSpec) tx.update('service', { ...service, updateStatus });
        else {
          const specVersion = { index: this.specVersion + 1 };
          tx.update('service', {
            ...service,
            spec: service.previousSpec,
            specVersion,
            previousSpec: undefined,
            volumePins: pinsWith(tx, service, service.previousSpec),
            updateStatus,
          });
        }
      });
    } catch (e) {
      if (!isSwarmtsError(e, 'not-found')) throw e;
    }
  }
}
