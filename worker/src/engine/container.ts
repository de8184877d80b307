/**
 * One container: its record, its operations one at a time, and the only place that moves it from state to state. Whatever
 * ends it (itself, a signal, a dead monitor, a reboot) goes through `#finish`.
 */
import { messageOf, SwarmtsError } from '@swarmts/lib';
import { throwIfAborted, untilAborted } from '../images/shared-jobs.js';
import { controlFifo } from '../runtime/oci-runtime.js';
import { wasOomKilled } from '../runtime/oom.js';
import { isAlive } from '../runtime/process-identity.js';
import { signalNumber } from '../runtime/signals.js';
import { rootfsPaths } from '../snapshots/rootfs.js';
import { bundleProcess, cgroupOf, lookUpUser } from './container-bundle.js';
import type { ContainerContext } from './container-context.js';
import { describeContainer } from './container-info.js';
import { type ContainerPaths, containerPaths } from './container-paths.js';
import { type ContainerRecord, saveRecord, withoutContents } from './container-record.js';
import { attachRequest, createProcess, StartError } from './container-start.js';
import { attempt, eraseContainer, killMonitor, SIGKILL, tearDown } from './container-teardown.js';
import type { ContainerInfo, ExecResult, ExitInfo, InjectedFile, NetworkWish } from './engine-api.js';
import { HealthMonitor } from './health-monitor.js';
import { type HealthState, initialHealth } from './health-state.js';
import { withVariables } from './merge-config.js';
import { SerialLock } from './serial-lock.js';

const DEFAULT_STOP_SECONDS = 10;
/** Docker's exit code for a container whose end nobody saw. */
const EXIT_UNSEEN = 255;
const EXIT_KILLED = 137;

export class Container {
  readonly #context: ContainerContext;
  readonly #lock = new SerialLock();
  readonly #paths: ContainerPaths;
  readonly #ended = new Set<() => void>();
  #record: ContainerRecord;
  /** Contents of the injected files until they are placed; undefined for a container that was read from disk. */
  #files: readonly InjectedFile[] | undefined;
  #health: HealthMonitor | undefined;
  #removed = false;

  constructor(record: ContainerRecord, context: ContainerContext, files?: readonly InjectedFile[]) {
    this.#record = withoutContents(record);
    this.#files = files;
    this.#context = context;
    this.#paths = containerPaths(context, record.id);
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get isRunning(): boolean {
    return this.#record.state === 'running' || this.#record.state === 'paused';
  }

  get logPath(): string {
    return this.#paths.log;
  }

  get controlFifo(): string {
    return controlFifo(this.#paths.bundle);
  }

  info(): ContainerInfo {
    return describeContainer(this.#record, this.logPath, this.#health?.state);
  }

  /** Calls back once when the container is not running any more; returns the unsubscribe function. */
  onEnd(fn: () => void): () => void {
    this.#ended.add(fn);
    return () => this.#ended.delete(fn);
  }

  async start(): Promise<void> {
    await this.#lock.run(async () => {
      this.#mustExist();
      if (this.#record.state === 'running') return;
      if (this.#record.state === 'paused') {
        throw new SwarmtsError('conflict', 'cannot start a paused container, try unpause instead');
      }
      if (this.#record.state === 'dead')
        throw new SwarmtsError('conflict', 'container is marked for removal and cannot be started');
      try {
        await this.#start();
      } catch (e) {
        await this.#abandonStart(e);
        throw e;
      }
    });
  }

  /** Stop signal, grace, SIGKILL. Does not hold the lock while it waits: the exit needs it. */
  async stop(timeoutSeconds?: number): Promise<void> {
    await this.#lock.idle();
    if (!this.isRunning) return;
    const grace = timeoutSeconds ?? this.#record.config.stopTimeoutSeconds ?? DEFAULT_STOP_SECONDS;
    const wasPaused = this.#record.state === 'paused';
    await this.#signal(signalNumber(this.#record.stopSignal));
    // A frozen process cannot act on its signal.
    if (wasPaused) await this.unpause();
    if (!(await this.#endsWithin(grace))) {
      await this.#signal(SIGKILL);
      await this.#untilEnded();
    }
    await this.#lock.idle();
    this.#emit('stop');
  }

  async kill(signal: string): Promise<void> {
    const number = signalNumber(signal);
    await this.#lock.idle();
    if (!this.isRunning) {
      const { id } = this.#record;
      throw new SwarmtsError('conflict', `cannot kill container: ${id}: container ${id} is not running`);
    }
    const wasPaused = this.#record.state === 'paused';
    await this.#signal(number);
    if (wasPaused && number === SIGKILL) await this.unpause();
  }

  async pause(): Promise<void> {
    await this.#lock.run(async () => {
      if (this.#record.state === 'paused')
        throw new SwarmtsError('conflict', `container ${this.#record.id} is already paused`);
      if (this.#record.state !== 'running') throw notRunning(this.#record.id);
      await this.#context.runtime.pause(this.#record.id);
      await this.#save({ ...this.#record, state: 'paused' });
      this.#emit('pause');
    });
  }

  async unpause(): Promise<void> {
    await this.#lock.run(async () => {
      if (this.#record.state !== 'paused')
        throw new SwarmtsError('conflict', `container ${this.#record.id} is not paused`);
      await this.#context.runtime.resume(this.#record.id);
      await this.#save({ ...this.#record, state: 'running' });
      this.#emit('unpause');
    });
  }

  async connect(wish: NetworkWish): Promise<void> {
    await this.#lock.run(async () => {
      this.#mustExist();
      const { config, network } = this.#record;
      if (config.networkMode !== 'local') {
        throw new SwarmtsError(
          'failed-precondition',
          `a container with network mode ${config.networkMode} cannot be connected to others`,
        );
      }
      let attached = network;
      if (this.isRunning && network) {
        if (!this.#context.network.connect) throw new SwarmtsError('unsupported', 'this network cannot be changed');
        const request = attachRequest(this.#record, this.#paths);
        attached = await this.#context.network.connect(this.#record.id, network, request, wish);
      }
      const networks = [...(config.networks ?? []).filter((n) => n.target !== wish.target), wish];
      await this.#save({
        ...this.#record,
        config: { ...config, networks },
        ...(attached ? { network: attached } : {}),
      });
    });
  }

  async disconnect(gone: { readonly id: string; readonly name: string }): Promise<void> {
    await this.#lock.run(async () => {
      this.#mustExist();
      const { config, network } = this.#record;
      const isIt = (n: NetworkWish) =>
        n.target === gone.id || n.target === gone.name || n.given?.attachment.network?.id === gone.id;
      if (!config.networks?.some(isIt)) {
        throw new SwarmtsError('not-found', `container ${this.#record.id} is not connected to network ${gone.name}`);
      }
      const attached =
        this.isRunning && network && this.#context.network.disconnect
          ? await this.#context.network.disconnect(this.#record.id, network, gone.id)
          : network;
      const networks = config.networks.filter((n) => !isIt(n));
      await this.#save({
        ...this.#record,
        config: { ...config, networks },
        ...(attached ? { network: attached } : {}),
      });
    });
  }

  /** Resolves when nothing of the container is left. Volumes are the engine's. */
  async remove(force: boolean): Promise<void> {
    await this.#lock.idle();
    if (this.isRunning) {
      if (!force) {
        const hint = 'container is running: stop the container before removing or force remove';
        throw new SwarmtsError('conflict', `cannot remove container "/${this.#record.config.name}": ${hint}`);
      }
      if (this.#record.state === 'paused') await this.unpause();
      await this.#signal(SIGKILL);
      await this.#untilEnded();
    }
    await this.#lock.run(() => this.#remove());
  }

  async wait(signal?: AbortSignal): Promise<ExitInfo> {
    throwIfAborted(signal);
    // A start that is under way counts as running.
    await untilAborted(this.#lock.idle(), signal);
    if (this.isRunning) await untilAborted(this.#untilEnded(), signal);
    return this.#record.exit ?? { exitCode: 0, oomKilled: false, error: '', finishedAtMs: 0 };
  }

  async exec(
    argv: readonly string[],
    options: { env?: readonly string[]; user?: string; timeoutMs?: number },
    signal?: AbortSignal,
  ): Promise<ExecResult> {
    if (this.#record.state === 'paused') {
      throw new SwarmtsError('conflict', `container ${this.#record.id} is paused, unpause the container before exec`);
    }
    if (this.#record.state !== 'running') throw notRunning(this.#record.id);
    const base = await bundleProcess(this.#paths.bundle);
    const rootfs = rootfsPaths(this.#paths.container).target;
    const user = options.user ? lookUpUser(rootfs, options.user, []) : undefined;
    const process = {
      ...base,
      terminal: false,
      args: argv,
      env: withVariables(base.env, options.env ?? []),
      ...(user ? { user: { uid: user.uid, gid: user.gid, additionalGids: user.additionalGids } } : {}),
    };
    const run = { timeoutMs: options.timeoutMs, signal };
    const { code, stdout, stderr } = await this.#context.runtime.exec(
      this.#record.id,
      this.#paths.bundle,
      process,
      run,
    );
    return { code, stdout, stderr };
  }

  /** The monitor has left an exit file. Called at least once per exit, maybe repeatedly. */
  async onExitFile(): Promise<void> {
    await this.#lock.run(async () => {
      if (!this.isRunning) return;
      const code = await this.#context.runtime.exitCode(this.#record.id);
      if (code !== undefined) await this.#finish({ exitCode: code, error: '' });
    });
  }

  /** Looks after the monitor: one that is gone without an exit file takes its container with it. */
  async checkMonitor(): Promise<void> {
    if (!this.isRunning || isAlive(this.#record.process?.monitor)) return;
    await this.#lock.run(async () => {
      if (!this.isRunning || isAlive(this.#record.process?.monitor)) return;
      await this.#finishWithoutMonitor();
    });
  }

  /** After the engine was opened: finds out what became of the container meanwhile. */
  async adopt(): Promise<void> {
    await this.#lock.run(async () => {
      if (!this.isRunning) {
        // A start that was cut short left its bundle behind.
        await killMonitor(this.#context, this.#record.id, this.#paths);
        await this.#tearDown();
        return;
      }
      const code = await this.#context.runtime.exitCode(this.#record.id);
      if (code !== undefined) await this.#finish({ exitCode: code, error: '' });
      else if (!isAlive(this.#record.process?.monitor)) await this.#finishWithoutMonitor();
      else this.#watchHealth();
    });
  }

  /** Kills a container that cannot go on; `reason` becomes its error. */
  async abort(reason: string): Promise<void> {
    await this.#lock.run(async () => {
      if (!this.isRunning) return;
      await killMonitor(this.#context, this.#record.id, this.#paths);
      const init = this.#record.process?.init;
      if (init && isAlive(init)) await this.#context.helper.kill(init.pid, SIGKILL);
      await this.#finish({ exitCode: EXIT_KILLED, error: reason });
    });
  }

  /** Lets go of everything in memory; the container runs on. */
  async close(): Promise<void> {
    await this.#health?.stop();
    await this.#lock.idle();
    await this.#health?.stop();
  }

  async #start(): Promise<void> {
    // What the last end could not take down.
    await this.#tearDown();
    const { process, attachment } = await createProcess(this.#context, this.#record, this.#paths, this.#files);
    // From here on they live on their tmpfs alone.
    this.#files = undefined;
    const { exit: _exit, network: _network, health: _health, ...kept } = this.#record;
    const started: ContainerRecord = {
      ...kept,
      state: 'running',
      startedAtMs: this.#context.clock.now(),
      startCount: this.#record.startCount + 1,
      volumesFilled: true,
      process,
      ...(attachment ? { network: attachment } : {}),
    };
    // Written while the runtime works: whoever opens the engine after a crash finds the process either way.
    const [saved, running] = await Promise.allSettled([
      saveRecord(this.#paths.container, started),
      this.#context.runtime.start(started.id),
    ]);
    if (running.status === 'rejected') throw running.reason;
    if (saved.status === 'rejected') throw saved.reason;
    this.#record = started;
    this.#watchHealth();
    this.#emit('start');
  }

  /** Takes down what a failed start left and remembers why. */
  async #abandonStart(e: unknown): Promise<void> {
    const failure = e instanceof StartError ? e.failure : undefined;
    await killMonitor(this.#context, this.#record.id, this.#paths);
    await this.#tearDown();
    const exit: ExitInfo = {
      exitCode: failure?.exitCode ?? 128,
      oomKilled: false,
      error: messageOf(e),
      finishedAtMs: this.#context.clock.now(),
    };
    const { process: _process, network: _network, ...kept } = this.#record;
    const state = kept.startCount > 0 ? 'exited' : 'created';
    await this.#guarded('save the state', () => this.#save({ ...kept, state, exit }));
    this.#fireEnded();
  }

  /** Nobody holds the container any more: what still runs of it is killed. */
  async #finishWithoutMonitor(): Promise<void> {
    const { runtime, helper, logger } = this.#context;
    const { id, process } = this.#record;
    const code = await runtime.exitCode(id);
    if (code !== undefined) {
      await this.#finish({ exitCode: code, error: '' });
      return;
    }
    if (process && isAlive(process.init)) {
      await helper.kill(process.init.pid, SIGKILL);
      logger.error('the monitor of a container died; the container was killed', { container: id });
      await this.#finish({ exitCode: EXIT_KILLED, error: 'monitor died' });
      return;
    }
    await this.#finish({ exitCode: EXIT_UNSEEN, error: 'monitor died; nobody saw how the container ended' });
  }

  /** The container has ended. The network goes first, so that whoever waits may reuse its ports. */
  async #finish(how: { exitCode: number; error: string }): Promise<void> {
    const { network, logger, bundle, clock } = this.#context;
    const oomKilled = wasOomKilled(this.#paths.bundle, cgroupOf(bundle, this.#record.id));
    await this.#guarded('detach the network', () => network.detach(this.#record.id));
    const { process: _process, network: _network, ...kept } = this.#record;
    const exit: ExitInfo = { ...how, oomKilled, finishedAtMs: clock.now() };
    await this.#health?.stop();
    this.#health = undefined;
    try {
      await this.#save({ ...kept, state: 'exited', exit });
    } catch (e) {
      // The disk may be full: the container has ended all the same, and the next open finds that out again.
      this.#record = { ...kept, state: 'exited', exit };
      logger.error('cannot save the state of a container', { container: kept.id, error: e });
    }
    if (oomKilled) this.#emit('oom');
    this.#emit('die', { exitCode: String(how.exitCode) });
    this.#fireEnded();
    await this.#tearDown();
  }

  async #remove(): Promise<void> {
    if (this.#removed) return;
    this.#record = { ...this.#record, state: 'dead' };
    await eraseContainer(this.#context, this.#record, this.#paths);
    this.#removed = true;
    this.#emit('destroy');
  }

  async #signal(signal: number): Promise<void> {
    const init = this.#record.process?.init;
    this.#emit('kill', { signal: String(signal) });
    if (init && isAlive(init)) await this.#context.helper.kill(init.pid, signal);
  }

  #endsWithin(seconds: number): Promise<boolean> {
    if (!this.isRunning) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (ended: boolean) => {
        timer?.cancel();
        unsubscribe();
        resolve(ended);
      };
      const unsubscribe = this.onEnd(() => done(true));
      // Docker: a negative timeout waits for ever.
      const timer = seconds < 0 ? undefined : this.#context.clock.after(seconds * 1000, () => done(false));
    });
  }

  #untilEnded(): Promise<void> {
    return this.#endsWithin(-1).then(() => undefined);
  }

  #watchHealth(): void {
    const health = this.#record.healthCheck;
    if (!health) return;
    this.#health = new HealthMonitor({
      config: health.config,
      shell: health.shell,
      startedAtMs: this.#record.startedAtMs,
      initial: this.#record.health ?? initialHealth,
      clock: this.#context.clock,
      run: (argv, timeoutMs, signal) => this.exec(argv, { timeoutMs }, signal),
      isPaused: () => this.#record.state !== 'running',
      onChange: (state) => this.#onHealthChange(state),
    });
  }

  /** Kept on disk, so that a restarted engine does not take a healthy container for one that is starting. */
  async #onHealthChange(health: HealthState): Promise<void> {
    this.#emit(`health_status: ${health.status}`);
    await this.#guarded('save the health', () => this.#save({ ...this.#record, health }));
  }

  async #save(record: ContainerRecord): Promise<void> {
    await saveRecord(this.#paths.container, record);
    this.#record = record;
  }

  async #guarded(what: string, work: () => Promise<void>): Promise<void> {
    await attempt(this.#context, this.#record, what, work);
  }

  async #tearDown(): Promise<void> {
    await tearDown(this.#context, this.#record, this.#paths);
  }

  #mustExist(): void {
    if (this.#removed) throw new SwarmtsError('not-found', `No such container: ${this.#record.id}`);
  }

  #fireEnded(): void {
    const listeners = [...this.#ended];
    this.#ended.clear();
    for (const fn of listeners) fn();
  }

  #emit(action: string, attributes?: Readonly<Record<string, string>>): void {
    this.#context.emit(action, this.#record, attributes);
  }
}

function notRunning(id: string): SwarmtsError {
  return new SwarmtsError('conflict', `container ${id} is not running`);
}
