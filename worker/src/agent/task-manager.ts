/**
 * All tasks of this node: takes full sets and increments of assignments and keeps one runner per task. A gap in the
 * increments is told to the session, which reconnects for a full set.
 */
import type { Clock, Logger } from '@swarmts/lib';
import {
  type Assignments,
  AssignmentsKind,
  type Config,
  isTerminal,
  type NetworkState,
  observedState,
  type Secret,
  type Task,
  TaskState,
  type TaskStatus,
} from '@swarmts/proto';
import { ClusterVolumes } from '../csi/cluster-volumes.js';
import type { CsiPlugins } from '../csi/csi-plugins.js';
import type { ContainerInfo } from '../engine/container-api.js';
import type { ContainerConfig } from '../engine/container-config.js';
import type { ContainerEngine } from '../engine/engine-api.js';
import { SharedJobs } from '../images/shared-jobs.js';
import { AssignmentFile } from './assignment-file.js';
import { TASK_ID_LABEL } from './container-config.js';
import { TaskRunner } from './task-runner.js';

export interface TaskManagerOptions {
  readonly dir: string;
  readonly engine: ContainerEngine;
  readonly nodeHostname: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly networks: NetworkReceiver;
  readonly csiPlugins: CsiPlugins;
  /** Where cluster volumes are mounted. */
  readonly volumesDir: string;
  readonly volumesUnpublished: (volumeIds: readonly string[]) => void;
  readonly report: (taskId: string, status: TaskStatus) => void;
}

/** Where the agent hands on what the managers say of networks. */
export interface NetworkReceiver {
  apply(change: {
    readonly complete: boolean;
    readonly networks: readonly NetworkState[];
    readonly removedNetworkIds: readonly string[];
    readonly dataPathPort: number;
  }): void;
  /** Resolves when what was applied is in force: routes, rules and names. */
  inForce(): Promise<void>;
  /** What is known, to be kept over a restart. */
  states(): readonly NetworkState[];
}

const NOTHING_YET = -1;
/** So long the removal of a container is tried again when the node leaves the swarm. */
const LEAVE_PATIENCE_MS = 30_000;

export class TaskManager {
  readonly #o: TaskManagerOptions;
  readonly #file: AssignmentFile;
  readonly #pulls = new SharedJobs<void, never>();
  readonly #runners = new Map<string, TaskRunner>();
  /** What is being stopped and removed, by task. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #secrets = new Map<string, Secret>();
  readonly #configs = new Map<string, Config>();
  /** Tasks that no node sends new connections to any more, and those that wait for that. */
  readonly #withdrawn = new Set<string>();
  readonly #waiting = new Map<string, () => void>();
  readonly #volumes: ClusterVolumes;
  /** Of the last assignments in this run. */
  #sequence = NOTHING_YET;
  /** How long what fails is tried again: for ever while the node is at work. */
  #patienceMs = Number.POSITIVE_INFINITY;
  #leavesSwarm = false;

  constructor(options: TaskManagerOptions) {
    this.#o = options;
    this.#file = new AssignmentFile(options.dir, options.clock);
    this.#volumes = new ClusterVolumes({
      dir: options.volumesDir,
      plugins: options.csiPlugins,
      clock: options.clock,
      log: options.log,
      inUse: (id, path) => this.#usesVolume(id, path),
      unpublished: options.volumesUnpublished,
    });
  }

  /** Takes up the tasks of the last run; their containers are running, perhaps. */
  async restore(): Promise<void> {
    await this.#volumes.restore();
    const { tasks, networks } = await this.#file.load();
    this.#o.networks.apply({ complete: true, networks, removedNetworkIds: [], dataPathPort: 0 });
    for (const task of tasks) this.#start(task);
  }

  /** The newest status of every task, for a manager that may have missed some. */
  statuses(): readonly { readonly taskId: string; readonly status: TaskStatus }[] {
    return [...this.#runners.values()].map((r) => ({ taskId: r.task.id, status: r.status }));
  }

  /** All tasks with their newest status. */
  list(): readonly Task[] {
    return [...this.#runners.values()].map((r) => ({ ...r.task, status: newer(r.task, r.status) }));
  }

  /** The container of a task, for its logs. */
  containerOf(taskId: string): string | undefined {
    return this.#o.engine.list().find((c) => c.config.labels[TASK_ID_LABEL] === taskId)?.id;
  }

  /** The task has ended, or is not of this node any more. */
  isOver(taskId: string): boolean {
    const runner = this.#runners.get(taskId);
    return runner === undefined || isTerminal(newer(runner.task, runner.status).state);
  }

  /** False when increments were lost: the caller must ask for the full set. */
  apply(a: Assignments): boolean {
    // What the managers put in the place of what is being removed would stay behind.
    if (this.#leavesSwarm) return true;
    const complete = a.kind === AssignmentsKind.COMPLETE_SET;
    if (!complete && a.appliesTo !== this.#sequence) return false;
    this.#sequence = a.resultsIn;
    // Before the tasks that need them.
    const { networks, removedNetworkIds, dataPathPort } = a;
    this.#o.networks.apply({ complete, networks, removedNetworkIds, dataPathPort });
    this.#volumes.apply({ complete, volumes: a.volumes, removedVolumeIds: a.removedVolumeIds });
    if (complete) this.#startOver(a);
    for (const s of a.secrets) this.#secrets.set(s.id, s);
    for (const c of a.configs) this.#configs.set(c.id, c);
    for (const task of a.tasks) {
      const runner = this.#runners.get(task.id);
      if (runner) runner.update(task);
      else this.#start(task);
    }
    for (const id of a.removedTaskIds) this.#remove(id);
    for (const id of a.removedSecretIds) this.#secrets.delete(id);
    for (const id of a.removedConfigIds) this.#configs.delete(id);
    this.save();
    return true;
  }

  #startOver(a: Assignments): void {
    this.#secrets.clear();
    this.#configs.clear();
    const known = new Set(a.tasks.map((t) => t.id));
    for (const id of [...this.#runners.keys()]) if (!known.has(id)) this.#remove(id);
    this.#removeStrays(known);
  }

  /** Containers of tasks that neither the managers nor we know: left over by a lost assignment file. */
  #removeStrays(known: ReadonlySet<string>): void {
    for (const c of this.#o.engine.list()) {
      const id = c.config.labels[TASK_ID_LABEL];
      // One that leaves is given its time to stop.
      if (id === undefined || known.has(id) || this.#leaving.has(id)) continue;
      this.#leave(id, this.#removeStray(c.id));
    }
  }

  async #removeStray(container: string): Promise<void> {
    const { engine, log } = this.#o;
    try {
      await engine.stop(container);
      await engine.remove(container, { force: true, volumes: true });
    } catch (e) {
      log.warn('container of an unknown task was not removed', { container, error: e });
    }
  }

  #start(task: Task): void {
    const runner = new TaskRunner(task, {
      ...this.#o,
      withdrawn: (id) => this.#untilWithdrawn(id),
      pulls: this.#pulls,
      files: {
        secret: (id) => this.#secrets.get(id),
        config: (id) => this.#configs.get(id),
        volume: (id) => this.#volumes.placeOf(id),
      },
      isCurrent: () => this.#sequence !== NOTHING_YET,
      patienceMs: () => this.#patienceMs,
      volumesReady: (t, signal) => this.#volumes.ready(t, signal),
      report: (id, status) => {
        this.#o.report(id, status);
        this.save();
      },
    });
    this.#runners.set(task.id, runner);
  }

  /** A task that has not ended, or a container that is still there. */
  #usesVolume(id: string, path: string): boolean {
    const tasks = [...this.#runners.values()].filter((r) => r.status.state <= TaskState.RUNNING);
    if (tasks.some((r) => r.task.volumes.some((v) => v.volumeId === id))) return true;
    // One that could not be started stays as it was created.
    const ended = (c: ContainerInfo) => c.state === 'exited' || c.state === 'dead' || (c.state === 'created' && c.exit);
    const has = ({ mounts, devices = [] }: ContainerConfig) =>
      mounts.some((m) => m.source === path) || devices.some((d) => d.hostPath === path);
    return this.#o.engine.list().some((c) => !ended(c) && has(c.config));
  }

  /** The managers say that these tasks may be stopped. */
  withdraw(taskIds: readonly string[]): void {
    for (const id of taskIds) {
      if (this.#runners.has(id)) this.#withdrawn.add(id);
      this.#waiting.get(id)?.();
    }
  }

  #untilWithdrawn(id: string): Promise<void> {
    if (this.#withdrawn.has(id)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.set(id, () => {
        this.#waiting.delete(id);
        resolve();
      });
    });
  }

  #remove(id: string): void {
    this.#withdrawn.delete(id);
    this.#waiting.delete(id);
    const runner = this.#runners.get(id);
    if (!runner) return;
    this.#runners.delete(id);
    runner.remove();
    this.#leave(id, runner.done);
  }

  #leave(id: string, gone: Promise<void>): void {
    this.#leaving.set(id, gone);
    gone
      .finally(() => this.#leaving.delete(id))
      .catch((e: unknown) => this.#o.log.error('task could not be removed', { error: e }));
  }

  save(): void {
    this.#file.save(this.list(), this.#o.networks.states(), (e) =>
      this.#o.log.error('assignments were not written', { error: e }),
    );
  }

  /** Lets go of all tasks; their containers go on. */
  async close(): Promise<void> {
    this.#patienceMs = 0;
    this.#volumes.close();
    for (const r of this.#runners.values()) r.close();
    await Promise.all([...this.#runners.values()].map((r) => r.done));
    await Promise.all(this.#leaving.values());
    await this.#file.flushed();
  }

  /** The node leaves the swarm: all tasks are stopped and removed, as far as that can be done, and none is taken any more. */
  async removeAll(): Promise<void> {
    this.#leavesSwarm = true;
    this.#patienceMs = LEAVE_PATIENCE_MS;
    for (const id of [...this.#runners.keys()]) this.#remove(id);
    await Promise.all(this.#leaving.values());
    await this.#volumes.removeAll();
    await this.#file.flushed();
  }
}

function newer(task: Task, status: TaskStatus): TaskStatus {
  return observedState(task) > status.state && task.status ? task.status : status;
}
