/**
 * Drives one task on this node, one transition at a time: asks `nextAction`, does it with the container engine, reports the
 * new state, and asks again. Everything it does is safe to repeat, so a restarted agent goes on where the old one stopped.
 */
import { type Clock, isSwarmtsError, type Logger, messageOf } from '@swarmts/lib';
import {
  ContainerStatus,
  containerName,
  isTerminal,
  observedState,
  PortProtocol,
  PublishMode,
  type Task,
  TaskState,
  TaskStatus,
} from '@swarmts/proto';
import type { ContainerInfo, ExitInfo } from '../engine/container-api.js';
import type { ContainerEngine } from '../engine/engine-api.js';
import type { RegistryAuth } from '../images/image-api.js';
import { noSuchImage } from '../images/image-store.js';
import type { SharedJobs } from '../images/shared-jobs.js';
import { containerConfigOf, hasAllFiles, TASK_ID_LABEL, type TaskFiles } from './container-config.js';
import { nextAction } from './task-machine.js';

export interface TaskRunnerOptions {
  readonly engine: ContainerEngine;
  readonly files: TaskFiles;
  /** The managers have said in this run what the node is to do. */
  readonly isCurrent: () => boolean;
  /** Resolves when the task's cluster volumes are mounted. */
  readonly volumesReady: (task: Task, signal: AbortSignal) => Promise<void>;
  /** Pulls under way for tasks, by image and credentials. */
  readonly pulls: SharedJobs<void, never>;
  readonly nodeHostname: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly report: (taskId: string, status: TaskStatus) => void;
  /** So long what fails while the container is taken down is tried again; then it stays. */
  readonly patienceMs: () => number;
  /** Resolves when no node sends new connections to the task any more. */
  readonly withdrawn: (taskId: string) => Promise<void>;
}

/** A broken engine call is tried again after this time when tearing down. */
const RETRY_MS = 1000;
/** How long the other nodes may take to have a task out of VIPs, names and published ports before it gets its stop signal. */
const WITHDRAWAL_MS = 2_000;
/** The managers have no word on a task that they do not know any more. */
const FORGOTTEN_WITHDRAWAL_MS = 300;

export class TaskRunner {
  readonly #o: TaskRunnerOptions;
  #task: Task;
  #status: TaskStatus;
  #removed = false;
  #closed = false;
  #withdrawn = false;
  /** Its container is ready to start: this run has made it, or looked after what an earlier one had made. */
  #made = false;
  /** On the monotonic clock. */
  #failingSince: number | undefined;
  #wake: (() => void) | undefined;
  /** Ends what is under way when the desired state changes. */
  #interrupt = new AbortController();
  readonly done: Promise<void>;

  constructor(task: Task, options: TaskRunnerOptions) {
    this.#o = options;
    this.#task = task;
    this.#status = task.status ?? TaskStatus.create({ state: TaskState.ASSIGNED });
    this.done = this.#run();
  }

  get task(): Task {
    return this.#task;
  }

  get status(): TaskStatus {
    return this.#status;
  }

  /** A new version from the managers; only the desired state matters to a task that is under way. */
  update(task: Task): void {
    const before = this.#task.desiredState;
    this.#task = task;
    this.#nudge(task.desiredState !== before && task.desiredState > TaskState.COMPLETE);
  }

  /** The managers do not know the task any more: stop it and remove its container. */
  remove(): void {
    this.#removed = true;
    this.#nudge(true);
  }

  /** Lets go without touching the container. */
  close(): void {
    this.#closed = true;
    this.#nudge(true);
  }

  #nudge(interrupt: boolean): void {
    if (interrupt) {
      this.#interrupt.abort();
      this.#interrupt = new AbortController();
    }
    this.#wake?.();
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const desired = this.#removed ? TaskState.REMOVE : this.#task.desiredState;
      const action = nextAction(observedState({ ...this.#task, status: this.#status }), desired);
      if (action === 'nothing') {
        if (this.#removed) {
          await this.#removeContainer();
          return;
        }
        await this.#sleep();
      } else if (action === 'wait') await this.#sleep();
      else await this.#do(action);
    }
  }

  async #do(action: 'accept' | 'prepare' | 'start' | 'watch' | 'stop' | 'give-up'): Promise<void> {
    switch (action) {
      case 'accept':
        return this.#report(TaskState.ACCEPTED, 'accepted');
      case 'prepare':
        return this.#prepare();
      case 'start':
        return this.#start();
      case 'watch':
        return this.#watch();
      case 'stop':
        return this.#stop();
      case 'give-up':
        await this.#removeContainer();
        return this.#report(TaskState.SHUTDOWN, 'shutdown');
    }
  }

  async #prepare(): Promise<void> {
    if (!this.#made && !this.#mayBegin()) return this.#sleep();
    if (this.#status.state < TaskState.PREPARING) this.#report(TaskState.PREPARING, 'preparing');
    const { signal } = this.#interrupt;
    try {
      if (!this.#made) await this.#make(signal);
      if (signal.aborted) return;
      this.#report(TaskState.READY, 'prepared');
    } catch (e) {
      if (signal.aborted) return;
      this.#report(TaskState.REJECTED, 'preparing', messageOf(e));
    }
  }

  /**
   * What a restarted node finds in its file may be old, and has neither credentials nor the contents of secrets and configs: nothing is
   * begun before the managers have spoken.
   */
  #mayBegin(): boolean {
    return this.#o.isCurrent() && hasAllFiles(this.#task, this.#o.files);
  }

  /** The container with its volumes. One of an earlier run stays, unless the contents of its files are gone with that run. */
  async #make(signal: AbortSignal): Promise<void> {
    const left = this.#container();
    const stays = left !== undefined && (left.state !== 'created' || (left.config.files ?? []).length === 0);
    if (!left) await this.#pullImage(signal);
    await this.#o.volumesReady(this.#task, signal);
    if (signal.aborted) return;
    if (left && !stays) await this.#o.engine.remove(left.id, { force: true, volumes: true });
    if (!stays) await this.#create();
    this.#made = true;
  }

  async #create(): Promise<void> {
    const { engine } = this.#o;
    const config = containerConfigOf(this.#task, this.#o.nodeHostname, this.#o.files);
    try {
      await engine.create(config);
    } catch (e) {
      if (!isSwarmtsError(e, 'conflict')) throw e;
      // A container of this very task from an earlier run of the daemon is ours; any other keeps its name.
      const known = engine.find(config.name);
      if (known?.config.labels[TASK_ID_LABEL] !== this.#task.id) throw e;
    }
  }

  /**
   * An image that is pinned by digest and here already needs no registry; a failed pull matters only without local image. Tasks that
   * come together ask the registry once, and so get the same image.
   */
  async #pullImage(signal: AbortSignal): Promise<void> {
    const ref = this.#task.spec?.container?.image ?? '';
    const { images } = this.#o.engine;
    if (ref.includes('@') && (await images.find(ref))) return;
    const registryAuth = this.#task.spec?.container?.registryAuth ?? '';
    const auth = parseAuth(registryAuth);
    const pull = (end: AbortSignal) => images.pull(ref, { ...(auth ? { auth } : {}), signal: end });
    try {
      await this.#o.pulls.run(`${ref} ${registryAuth}`, async (end) => void (await pull(end)), { signal });
    } catch (e) {
      if (signal.aborted) throw e;
      if (await images.find(ref)) {
        this.#o.log.warn('image was not pulled, the local one is used', { image: ref, error: e });
        return;
      }
      if (isSwarmtsError(e, 'image-not-found')) throw noSuchImage(ref, e);
      throw e;
    }
  }

  async #start(): Promise<void> {
    const container = this.#container();
    if (!container) return this.#report(TaskState.FAILED, 'starting', 'the container is gone');
    if (container.state === 'created' && !this.#made) return this.#mayBegin() ? this.#takeUp() : this.#sleep();
    if (this.#status.state < TaskState.STARTING) this.#report(TaskState.STARTING, 'starting');
    try {
      if (container.state === 'created') await this.#o.engine.start(container.id);
    } catch (e) {
      const exit = this.#o.engine.find(container.id)?.exit;
      return this.#report(TaskState.FAILED, 'starting', messageOf(e), exit);
    }
    const now = this.#o.engine.find(container.id);
    if (now?.state === 'exited' || now?.state === 'dead') return this.#ended(now.exit);
    if (now && now.health !== 'none') {
      const verdict = await this.#untilHealthy(container.id);
      if (verdict === 'interrupted') return;
      if (verdict === 'unhealthy') return this.#stopUnhealthy(container.id);
      if (verdict === 'exited') return this.#ended(this.#o.engine.find(container.id)?.exit);
    }
    this.#report(TaskState.RUNNING, 'started');
  }

  /** A container that an earlier run has made and not started. */
  async #takeUp(): Promise<void> {
    const { signal } = this.#interrupt;
    try {
      await this.#make(signal);
    } catch (e) {
      if (!signal.aborted) this.#report(TaskState.FAILED, 'starting', messageOf(e));
    }
  }

  /** Waits for the container to end, to turn unhealthy, or for a new desired state. */
  async #watch(): Promise<void> {
    const container = this.#container();
    if (!container) return this.#report(TaskState.FAILED, 'started', 'the container is gone');
    const { signal } = this.#interrupt;
    let unhealthy = container.state === 'running' && container.health === 'unhealthy';
    const stopListening = this.#o.engine.onEvent((e) => {
      if (e.id !== container.id || e.action !== 'health_status: unhealthy') return;
      unhealthy = true;
      this.#nudge(true);
    });
    try {
      if (!unhealthy) {
        const exit = await this.#o.engine.wait(container.id, signal);
        return this.#ended(exit);
      }
    } catch (e) {
      if (!signal.aborted) return this.#report(TaskState.FAILED, 'started', messageOf(e));
    } finally {
      stopListening();
    }
    if (unhealthy) await this.#stopUnhealthy(container.id);
  }

  /** Whatever its exit code, a container that was stopped for being unhealthy has failed. */
  async #stopUnhealthy(id: string): Promise<void> {
    await this.#o.engine
      .stop(id)
      .catch((e: unknown) => this.#o.log.warn('unhealthy container was not stopped', { container: id, error: e }));
    const exit = this.#o.engine.find(id)?.exit;
    // The words of Docker, which some look for.
    const err = `task: non-zero exit (${exit?.exitCode ?? -1}): dockerexec: unhealthy container`;
    this.#report(TaskState.FAILED, 'started', err, exit);
  }

  async #untilHealthy(id: string): Promise<'healthy' | 'unhealthy' | 'exited' | 'interrupted'> {
    const { signal } = this.#interrupt;
    const { engine } = this.#o;
    return new Promise((resolve) => {
      const look = () => {
        const c = engine.find(id);
        if (signal.aborted) finish('interrupted');
        else if (!c || c.state === 'exited' || c.state === 'dead') finish('exited');
        else if (c.health === 'healthy' || c.health === 'none') finish('healthy');
        else if (c.health === 'unhealthy') finish('unhealthy');
      };
      const stopListening = engine.onEvent((e) => {
        if (e.id === id) look();
      });
      const finish = (v: 'healthy' | 'unhealthy' | 'exited' | 'interrupted') => {
        stopListening();
        signal.removeEventListener('abort', look);
        resolve(v);
      };
      signal.addEventListener('abort', look, { once: true });
      look();
    });
  }

  #ended(exit: ExitInfo | undefined): void {
    if (exit?.exitCode === 0 && exit.error === '') this.#report(TaskState.COMPLETE, 'finished', '', exit);
    else {
      const err =
        exit?.error ||
        (exit?.oomKilled
          ? `task: non-zero exit (${exit.exitCode}): OOM killed`
          : `task: non-zero exit (${exit?.exitCode ?? -1})`);
      this.#report(TaskState.FAILED, this.#status.state >= TaskState.RUNNING ? 'started' : 'starting', err, exit);
    }
  }

  async #stop(): Promise<void> {
    const container = this.#container();
    if (this.#task.networks.length > 0 && this.#status.state === TaskState.RUNNING && !this.#withdrawn) {
      // The managers tell everybody at the same time; only when nobody sends new connections it is asked to stop.
      this.#withdrawn = true;
      await this.#untilWithdrawn();
    }
    try {
      if (container) await this.#o.engine.stop(container.id);
      this.#report(TaskState.SHUTDOWN, 'shutdown', '', container && this.#o.engine.find(container.id)?.exit);
    } catch (e) {
      await this.#retryLater('container was not stopped', e);
    }
  }

  async #removeContainer(): Promise<void> {
    while (!this.#closed) {
      const container = this.#container();
      if (!container) return;
      try {
        await this.#o.engine.stop(container.id);
        await this.#o.engine.remove(container.id, { force: true, volumes: true });
        return;
      } catch (e) {
        await this.#retryLater('container was not removed', e);
      }
    }
  }

  async #retryLater(what: string, e: unknown): Promise<void> {
    const { clock, log, patienceMs } = this.#o;
    this.#failingSince ??= clock.monotonic();
    const again = clock.monotonic() - this.#failingSince < patienceMs();
    log.error(`${what}${again ? ', trying again' : ' and stays'}`, { task: this.#task.id, error: e });
    if (again) await this.#sleep(RETRY_MS);
    else this.#closed = true;
  }

  #container(): ContainerInfo | undefined {
    const found = this.#o.engine.find(containerName(this.#task));
    return found?.config.labels[TASK_ID_LABEL] === this.#task.id ? found : undefined;
  }

  /** Waits whatever else happens, but for the end of the agent. */
  #untilWithdrawn(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    const longestMs = this.#removed ? FORGOTTEN_WITHDRAWAL_MS : WITHDRAWAL_MS;
    return new Promise((resolve) => {
      const timer = this.#o.clock.after(longestMs, resolve);
      this.#o.withdrawn(this.#task.id).then(
        () => {
          timer.cancel();
          resolve();
        },
        (e: unknown) => this.#o.log.error('a withdrawal cannot be waited for', { task: this.#task.id, error: e }),
      );
    });
  }

  #sleep(ms?: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = ms === undefined ? undefined : this.#o.clock.after(ms, () => this.#wake?.());
      this.#wake = () => {
        timer?.cancel();
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #report(state: TaskState, message: string, err = '', exit?: ExitInfo): void {
    if (isTerminal(this.#status.state) || state < this.#status.state) return;
    const container = this.#container();
    this.#status = TaskStatus.create({
      state,
      timestampMs: this.#o.clock.now(),
      message,
      err,
      container: ContainerStatus.create({
        containerId: container?.id ?? '',
        pid: container?.state === 'running' ? container.pid : 0,
        exitCode: exit?.exitCode ?? 0,
        oomKilled: exit?.oomKilled ?? false,
      }),
      portStatus: state === TaskState.RUNNING && container ? { ports: chosenPorts(this.#task, container) } : undefined,
    });
    this.#o.report(this.#task.id, this.#status);
  }
}

function chosenPorts(task: Task, container: ContainerInfo) {
  const protocols = { tcp: PortProtocol.TCP, udp: PortProtocol.UDP, sctp: PortProtocol.SCTP } as const;
  const hostMode = (task.endpoint?.ports ?? []).filter((p) => p.publishMode === PublishMode.HOST);
  return hostMode.map((p) => {
    if (p.publishedPort !== 0) return p;
    const chosen = container.ports.find((c) => c.targetPort === p.targetPort && protocols[c.protocol] === p.protocol);
    return { ...p, publishedPort: chosen?.publishedPort ?? 0 };
  });
}

/** The credentials in X-Registry-Auth's form; undefined where there are none. */
export function parseAuth(encoded: string): RegistryAuth | undefined {
  if (encoded === '') return undefined;
  try {
    const o = JSON.parse(Buffer.from(encoded, 'base64').toString()) as Record<string, unknown>;
    const text = (k: string) => (typeof o[k] === 'string' ? o[k] : '');
    const [user = '', ...rest] = Buffer.from(text('auth'), 'base64').toString().split(':');
    const username = text('username') || user;
    const password = text('password') || rest.join(':');
    const identityToken = text('identitytoken');
    if (username === '' && identityToken === '') return undefined;
    return { username, password, ...(identityToken ? { identityToken } : {}), serverAddress: text('serveraddress') };
  } catch {
    return undefined;
  }
}
