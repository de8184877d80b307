import { totalmem } from 'node:os';
import { messageOf, SwarmtsError, type TimerHandle } from '@swarmts/lib';
import { Exec } from '../exec/exec.js';
import { throwIfAborted, untilAborted } from '../images/shared-jobs.js';
import { resizeConsole } from '../logs/log-files.js';
import { LogForwarder } from '../logs/log-forwarder.js';
import { resourcesOf } from '../runtime/oci-config.js';
import { controlFifo, type MonitoredExit } from '../runtime/oci-runtime.js';
import type { OciProcess } from '../runtime/oci-spec.js';
import { wasOomKilled } from '../runtime/oom.js';
import { isAlive } from '../runtime/process-identity.js';
import { signalNumber } from '../runtime/signals.js';
import { rootfsPaths } from '../snapshots/rootfs.js';
import { ownerOnHost, ROOT } from '../userns/id-map.js';
import { ContainerArchives } from './container-archives.js';
import { ContainerAttachment } from './container-attachment.js';
import { bundleProcess, cgroupOf, moveHosts, moveNameServer } from './container-bundle.js';
import type { ContainerContext } from './container-context.js';
import { execProcess } from './container-exec.js';
import { describeContainer } from './container-info.js';
import { linkedPorts } from './container-links.js';
import { type ContainerPaths, containerPaths } from './container-paths.js';
import { type ContainerRecord, saveRecord, withoutContents } from './container-record.js';
import { attachRequest, createProcess, StartError } from './container-start.js';
import { isFrozen, pidsIn, readStats } from './container-stats.js';
import { attempt, eraseContainer, killMonitor, SIGKILL, tearDown } from './container-teardown.js';
import { idsOf } from './container-userns.js';
import type {
  ContainerInfo,
  ContainerStats,
  ContainerUpdate,
  ExecResult,
  ExitInfo,
  InjectedFile,
  NetworkWish,
  WaitCondition,
} from './engine-api.js';
import { HealthMonitor } from './health-monitor.js';
import { type HealthState, initialHealth } from './health-state.js';
import { NO_RESTART, nextRestartDelayMs, wantsRestart } from './restart-policy.js';
import { SerialLock } from './serial-lock.js';
import type { AttachOptions, ExecConfig, Session, TerminalSize } from './session-api.js';

const DEFAULT_STOP_SECONDS = 10;
/** Docker's exit code for a container whose end nobody saw. */
const EXIT_UNSEEN = 255;
const EXIT_KILLED = 137;
/** `kill` waits so long for the end, as Docker's does. */
const KILL_WAIT_SECONDS = 10;

export class Container {
  readonly archives: ContainerArchives;
  readonly #context: ContainerContext;
  readonly #lock = new SerialLock();
  readonly #paths: ContainerPaths;
  readonly #ended = new Set<() => void>();
  /** Those who wait for the end of a run: a start that failed is none. */
  readonly #nextExit = new Set<() => void>();
  readonly #started = new Set<() => void>();
  readonly #forwarders = new Set<LogForwarder>();
  readonly #onRemoved = new Set<() => void>();
  #record: ContainerRecord;
  /** Contents of the injected files until they are placed; undefined for a container that was read from disk. */
  #files: readonly InjectedFile[] | undefined;
  #health: HealthMonitor | undefined;
  #removed = false;
  #restartTimer: TimerHandle | undefined;
  #restartDelayMs = 0;
  /** The next end is the last one, whatever the restart policy says. */
  #exitOnNext = false;
  /** Operations under way that want the container after its end: it is neither restarted nor removed by itself. */
  #keep = 0;

  constructor(record: ContainerRecord, context: ContainerContext, files?: readonly InjectedFile[]) {
    this.#record = withoutContents(record);
    this.#files = files;
    this.#context = context;
    this.#paths = containerPaths(context, record.id);
    this.archives = new ContainerArchives({
      context,
      paths: this.#paths,
      lock: this.#lock,
      record: () => this.#record,
      isRunning: () => this.isRunning,
      onFilled: () => this.#save({ ...this.#record, volumesFilled: true }),
      mustExist: () => this.#mustExist(),
      emit: (action, attributes) => this.#emit(action, attributes),
    });
  }

  get record(): ContainerRecord {
    return this.#record;
  }

  get isRunning(): boolean {
    return this.#record.state === 'running' || this.#record.state === 'paused';
  }

  /** Running, or about to be again. */
  get isActive(): boolean {
    return this.isRunning || this.#record.state === 'restarting';
  }

  get logPath(): string {
    return this.#paths.log;
  }

  /** What the container has changed of its image. */
  get upperDirectory(): string {
    return rootfsPaths(this.#paths.container).upper;
  }

  get controlFifo(): string {
    return controlFifo(this.#paths.bundle);
  }

  info(): ContainerInfo {
    return describeContainer(this.#record, {
      logPath: this.logPath,
      health: this.#health?.state,
      links: this.#context.linksOf(this.#record),
      layers: this.#context.bundle.layers.directories(this.#record.chain),
      labels: this.#context.bundle.facts.labels,
    });
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
      this.#cancelRestart();
      this.#restartDelayMs = 0;
      await this.#startOrAbandon(0);
    });
  }

  /** Stop signal, grace, SIGKILL. Does not hold the lock while it waits: the exit needs it. */
  async stop(timeoutSeconds?: number, signal?: string): Promise<void> {
    await this.#lock.idle();
    if (!this.isActive) return;
    await this.#markStopped(true);
    if (!this.isRunning) return;
    const grace = timeoutSeconds ?? this.#record.config.stopTimeoutSeconds ?? DEFAULT_STOP_SECONDS;
    const wasPaused = this.#record.state === 'paused';
    await this.#signal(signalNumber(signal || this.#record.stopSignal));
    // A frozen process cannot act on its signal.
    if (wasPaused) await this.unpause();
    if (!(await this.#endsWithin(grace))) {
      await this.#signal(SIGKILL);
      await this.#untilEnded();
    }
    await this.#lock.idle();
    this.#emit('stop');
  }

  async restart(timeoutSeconds?: number, signal?: string): Promise<void> {
    this.#keep++;
    try {
      await this.stop(timeoutSeconds, signal);
      await this.start();
    } finally {
      this.#keep--;
    }
    this.#emit('restart');
  }

  async kill(signal: string): Promise<void> {
    const number = signalNumber(signal);
    await this.#lock.idle();
    const { id, state, stopSignal } = this.#record;
    if (!this.isActive) {
      throw new SwarmtsError('conflict', `cannot kill container: ${id}: container ${id} is not running`);
    }
    await this.#markStopped(number === SIGKILL || number === signalNumber(stopSignal));
    if (!this.isRunning) return;
    await this.#signal(number);
    if (number !== SIGKILL) return;
    if (state === 'paused') await this.unpause();
    await this.#endsWithin(KILL_WAIT_SECONDS);
  }

  async rename(name: string): Promise<void> {
    await this.#lock.run(async () => {
      this.#mustExist();
      const { config } = this.#record;
      await this.#save({ ...this.#record, config: { ...config, name } });
      this.#emit('rename', { oldName: `/${config.name}` });
    });
  }

  async update(change: ContainerUpdate): Promise<void> {
    await this.#lock.run(async () => {
      this.#mustExist();
      const { config } = this.#record;
      const resources = { ...config.resources, ...change.resources };
      const restart = change.restart ?? config.restart ?? NO_RESTART;
      if (config.autoRemove && restart.name !== 'no') {
        const why = 'Restart policy cannot be updated because AutoRemove is enabled for the container';
        throw new SwarmtsError('conflict', why);
      }
      if (this.isRunning && change.resources) {
        const { privileged = false } = config;
        const limits = resourcesOf(resources, privileged, this.#context.bundle.facts.support.swap);
        await this.#context.runtime.update(this.#record.id, this.#paths.bundle, limits);
      }
      await this.#save({ ...this.#record, config: { ...config, resources, restart } });
      this.#emit('update');
    });
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
      const networks = [...(config.networks ?? []).filter((n) => n.target !== wish.target), wish];
      const wished = { ...config, networks };
      if (!this.isRunning || !network) return this.#save({ ...this.#record, config: wished });
      if (!this.#context.network.connect) throw new SwarmtsError('unsupported', 'this network cannot be changed');
      const request = attachRequest(this.#record, this.#paths, [], this.#context.bundle.dns);
      try {
        const attached = await this.#context.network.connect(this.#record.id, network, request, wish, (planned) =>
          this.#save({ ...this.#record, config: wished, network: planned }),
        );
        if (attached.nameserver !== network.nameserver) {
          moveNameServer(this.#context.bundle, this.#record, this.#paths, attached);
        }
      } catch (e) {
        if (this.#record.config === wished) await this.#save({ ...this.#record, config, network });
        throw e;
      }
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

  /** One that it is linked to has been started or has ended. */
  async renewLinks(): Promise<void> {
    await this.#lock.run(async () => {
      const { network } = this.#record;
      if (!this.isRunning || !network) return;
      const linked = this.#context.linkedTo(this.#record, false);
      moveHosts(this.#paths, linked);
      const attached = await this.#context.network.link?.(this.#record.id, network, linkedPorts(linked));
      if (attached) await this.#save({ ...this.#record, network: attached });
    });
  }

  /** Resolves when nothing of the container is left. Volumes are the engine's. */
  async remove(force: boolean): Promise<void> {
    await this.#lock.idle();
    if (this.isActive) {
      if (!force) {
        const { state, config } = this.#record;
        const hint = `container is ${state}: stop the container before removing or force remove`;
        throw new SwarmtsError('conflict', `cannot remove container "/${config.name}": ${hint}`);
      }
      await this.#endForRemoval();
    }
    await this.#lock.run(() => this.#remove());
  }

  async #endForRemoval(): Promise<void> {
    this.#keep++;
    try {
      await this.#markStopped(true);
      if (this.#record.state === 'paused') await this.unpause();
      if (!this.isRunning) return;
      await this.#signal(SIGKILL);
      await this.#untilEnded();
    } finally {
      this.#keep--;
    }
  }

  async wait(signal?: AbortSignal, condition: WaitCondition = 'not-running'): Promise<ExitInfo> {
    throwIfAborted(signal);
    if (condition === 'next-exit') await untilAborted(this.#nextEnd(), signal);
    else if (condition === 'removed') await untilAborted(this.#untilRemoved(), signal);
    else {
      // A start that is under way counts as running.
      await untilAborted(this.#lock.idle(), signal);
      if (this.isActive) await untilAborted(this.#untilEnded(), signal);
    }
    const exit = this.#record.exit ?? { exitCode: 0, oomKilled: false, error: '', finishedAtMs: 0 };
    // Why one did not start is told to who has started it; its removal was no failure.
    return condition === 'removed' ? { ...exit, error: '' } : exit;
  }

  async exec(
    argv: readonly string[],
    options: { env?: readonly string[]; user?: string; timeoutMs?: number },
    signal?: AbortSignal,
  ): Promise<ExecResult> {
    const { env = [], user = '', timeoutMs } = options;
    const process = await this.#execProcess({ ...SIMPLE_EXEC, argv, env, user }, undefined);
    const run = { timeoutMs, signal };
    const { code, stdout, stderr } = await this.#context.runtime.exec(
      this.#record.id,
      this.#paths.bundle,
      process,
      run,
    );
    return { code, stdout, stderr };
  }

  createExec(config: ExecConfig): Exec {
    this.#mustTakeExec();
    const exec = new Exec(config, {
      containerId: this.#record.id,
      bundle: this.#paths.bundle,
      runtime: this.#context.runtime,
      clock: this.#context.clock,
      owner: ownerOnHost(idsOf(this.#context.bundle.layers.ids, this.#record.config), ROOT),
      processOf: (c, size) => this.#execProcess(c, size),
      emit: (action, attributes) => this.#emit(action, attributes),
    });
    this.#emit(`exec_create: ${config.argv.join(' ')}`, { execID: exec.id });
    return exec;
  }

  stats(): ContainerStats | undefined {
    if (!this.isRunning) return undefined;
    const { bundle, clock } = this.#context;
    return readStats({
      mounts: this.#context.cgroupMounts,
      cgroupsPath: cgroupOf(bundle, this.#record),
      pid: this.#record.process?.init.pid ?? 0,
      machineMemoryBytes: totalmem(),
      nowMs: clock.now(),
    });
  }

  /** Of everything that runs in it. */
  pids(): readonly number[] {
    const { id, state } = this.#record;
    if (state === 'restarting') {
      throw new SwarmtsError('conflict', `Container ${id} is restarting, wait until the container is running`);
    }
    if (!this.isRunning) throw notRunning(id);
    this.#emit('top');
    return pidsIn(this.#context.cgroupMounts, cgroupOf(this.#context.bundle, this.#record));
  }

  attach(options: AttachOptions): Session {
    if (this.#record.state === 'paused') {
      const hint = 'is paused. Unpause the container before attach';
      throw new SwarmtsError('conflict', `container ${this.#record.id} ${hint}`);
    }
    const { tty = false, openStdin = false } = this.#record.config;
    const target = {
      tty,
      openStdin,
      logPath: this.logPath,
      attachSocket: this.#context.runtime.attachSocket(this.#record.id),
      isRunning: () => this.isRunning,
      onStart: (fn: () => void) => {
        this.#started.add(fn);
        return () => this.#started.delete(fn);
      },
      onEnd: (fn: () => void) => this.onEnd(fn),
    };
    this.#emit('attach');
    return new ContainerAttachment(target, options, this.#context.helper, this.#context.clock);
  }

  async resize(size: TerminalSize): Promise<void> {
    if (!this.isRunning) throw notRunning(this.#record.id);
    await resizeConsole(this.controlFifo, size);
    this.#emit('resize', { height: String(size.rows), width: String(size.columns) });
  }

  async #execProcess(config: ExecConfig, size: TerminalSize | undefined): Promise<OciProcess> {
    this.#mustTakeExec();
    const base = await bundleProcess(this.#paths.bundle);
    return execProcess(base, config, size, this.#context.bundle.facts, rootfsPaths(this.#paths.container).target);
  }

  #mustTakeExec(): void {
    const { id, state } = this.#record;
    if (state === 'paused') {
      throw new SwarmtsError('conflict', `container ${id} is paused, unpause the container before exec`);
    }
    if (state === 'restarting') {
      throw new SwarmtsError('conflict', `Container ${id} is restarting, wait until the container is running`);
    }
    if (state !== 'running') throw notRunning(id);
  }

  /** The monitor has left an exit file. Called at least once per exit, maybe repeatedly. */
  async onExitFile(): Promise<void> {
    await this.#lock.run(async () => {
      if (!this.isRunning) return;
      const exit = await this.#context.runtime.exit(this.#record.id);
      if (exit) await this.#finish({ ...exit, error: '' });
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
        await this.#resume();
        return;
      }
      // What it wrote since then is passed on also where it has ended meanwhile.
      this.#forwardLog();
      const exit = await this.#context.runtime.exit(this.#record.id);
      if (exit) await this.#finish({ ...exit, error: '' });
      else if (!isAlive(this.#record.process?.monitor)) await this.#finishWithoutMonitor();
      else {
        await this.#noteFrozen();
        await this.#context.runtime.resumeStart(this.#record.id);
        this.#watchHealth();
      }
    });
  }

  /** A daemon that died between freezing and writing it down. What is frozen does not even die from SIGKILL. */
  async #noteFrozen(): Promise<void> {
    const frozen = isFrozen(this.#context.cgroupMounts, cgroupOf(this.#context.bundle, this.#record));
    const state = frozen ? 'paused' : 'running';
    if (frozen !== undefined && state !== this.#record.state) await this.#save({ ...this.#record, state });
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
    this.#cancelRestart();
    await Promise.all([...this.#forwarders].map((f) => f.close()));
    await this.#health?.stop();
    await this.#lock.idle();
    await this.#health?.stop();
  }

  async #startOrAbandon(restartCount: number): Promise<void> {
    try {
      await this.#start(restartCount);
    } catch (e) {
      await this.#abandonStart(e);
      throw e;
    }
  }

  async #start(restartCount: number): Promise<void> {
    // What the last end could not take down.
    await this.#tearDown();
    const { process, attachment } = await createProcess(this.#context, this.#record, this.#paths, this.#files);
    // From here on they live on their tmpfs alone.
    this.#files = undefined;
    const { exit: _exit, network: _network, health: _health, stoppedByUser: _by, ...kept } = this.#record;
    const started: ContainerRecord = {
      ...kept,
      state: 'running',
      startedAtMs: this.#context.clock.now(),
      startCount: this.#record.startCount + 1,
      restartCount,
      volumesFilled: true,
      process,
      ...(attachment ? { network: attachment } : {}),
    };
    // Before the process runs: whoever opens the engine after a crash must not start a second time what has been at work already.
    await saveRecord(this.#paths.container, started);
    // Hooks come with devices that are described by CDI.
    await this.#context.runtime.start(started.id, (started.config.cdiDevices ?? []).length > 0);
    this.#record = started;
    this.#exitOnNext = false;
    this.#forwardLog();
    this.#watchHealth();
    this.#emit('start');
    fireOnce(this.#started);
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
    if (kept.config.autoRemove) this.#context.autoRemove(kept.id);
  }

  /** Nobody holds the container any more: what still runs of it is killed. */
  async #finishWithoutMonitor(): Promise<void> {
    const { runtime, helper, logger } = this.#context;
    const { id, process } = this.#record;
    const exit = await runtime.exit(id);
    if (exit) {
      await this.#finish({ ...exit, error: '' });
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
  async #finish(how: MonitoredExit & { readonly error: string }): Promise<void> {
    const { network, logger, bundle, clock } = this.#context;
    const oomKilled = wasOomKilled(this.#paths.bundle, cgroupOf(bundle, this.#record));
    await this.#guarded('detach the network', () => network.detach(this.#record.id));
    const { process: _process, network: _network, ...kept } = this.#record;
    // The kernel's clock for files is a few milliseconds behind.
    const finishedAtMs = Math.max(how.finishedAtMs ?? clock.now(), kept.startedAtMs);
    const exit: ExitInfo = { ...how, oomKilled, finishedAtMs };
    await this.#health?.stop();
    this.#health = undefined;
    const again = this.#restartsAfter(exit);
    const ended: ContainerRecord = { ...kept, state: again ? 'restarting' : 'exited', exit };
    try {
      await this.#save(ended);
    } catch (e) {
      // The disk may be full: the container has ended all the same, and the next open finds that out again.
      this.#record = ended;
      logger.error('cannot save the state of a container', { container: kept.id, error: e });
    }
    if (oomKilled) this.#emit('oom');
    const seconds = Math.max(0, Math.round((exit.finishedAtMs - kept.startedAtMs) / 1000));
    this.#emit('die', { exitCode: String(how.exitCode), execDuration: String(seconds) });
    fireOnce(this.#nextExit);
    this.#fireEnded();
    await this.#tearDown();
    if (again) this.#scheduleRestart(exit.finishedAtMs - kept.startedAtMs);
    else if (kept.config.autoRemove && this.#keep === 0) this.#context.autoRemove(kept.id);
  }

  #restartsAfter(exit: ExitInfo): boolean {
    const { config, stoppedByUser = false, restartCount = 0 } = this.#record;
    if (this.#exitOnNext || this.#keep > 0) return false;
    return wantsRestart(config.restart ?? NO_RESTART, { exitCode: exit.exitCode, stoppedByUser, restartCount });
  }

  #scheduleRestart(ranMs: number): void {
    this.#restartDelayMs = nextRestartDelayMs(this.#restartDelayMs, ranMs);
    this.#startLater(this.#restartDelayMs);
  }

  #startLater(delayMs: number): void {
    this.#restartTimer = this.#context.clock.after(delayMs, () => {
      this.#restartTimer = undefined;
      const work = this.#lock.run(async () => {
        if (this.#record.state === 'restarting') await this.#startOrAbandon((this.#record.restartCount ?? 0) + 1);
      });
      work.catch((e: unknown) => {
        this.#context.logger.error('cannot restart a container', { container: this.#record.id, error: messageOf(e) });
      });
    });
  }

  #cancelRestart(): void {
    this.#restartTimer?.cancel();
    this.#restartTimer = undefined;
  }

  /** After the engine was opened: what its policy wants to run, runs again; what was to be removed goes. */
  async #resume(): Promise<void> {
    const { state, config, exit, startCount, stoppedByUser = false, restartCount = 0 } = this.#record;
    if (startCount === 0 || (state !== 'exited' && state !== 'restarting')) return;
    const run = { exitCode: exit?.exitCode ?? 0, stoppedByUser, restartCount };
    if (wantsRestart(config.restart ?? NO_RESTART, run)) {
      await this.#save({ ...this.#record, state: 'restarting' });
      this.#startLater(0);
    } else if (state === 'restarting') await this.#save({ ...this.#record, state: 'exited' });
    else if (config.autoRemove) this.#context.autoRemove(this.#record.id);
  }

  /** Somebody wants it to end; `surely` ends the work of its restart policy as well. */
  async #markStopped(surely: boolean): Promise<void> {
    this.#exitOnNext ||= surely;
    if ((this.#record.config.restart ?? NO_RESTART).name === 'no') return;
    await this.#lock.run(async () => {
      if (surely) this.#cancelRestart();
      const state = surely && this.#record.state === 'restarting' ? 'exited' : this.#record.state;
      await this.#save({ ...this.#record, state, stoppedByUser: true });
    });
  }

  async #remove(): Promise<void> {
    if (this.#removed) return;
    this.#record = { ...this.#record, state: 'dead' };
    await Promise.all([...this.#forwarders].map((f) => f.finish()));
    await eraseContainer(this.#context, this.#record, this.#paths);
    this.#removed = true;
    this.#emit('destroy');
    fireOnce(this.#nextExit);
    fireOnce(this.#onRemoved);
  }

  async #signal(signal: number): Promise<void> {
    const init = this.#record.process?.init;
    this.#emit('kill', { signal: String(signal) });
    if (init && isAlive(init)) await this.#context.helper.kill(init.pid, signal);
  }

  #nextEnd(): Promise<void> {
    return new Promise((resolve) => this.#nextExit.add(resolve));
  }

  #untilRemoved(): Promise<void> {
    if (this.#removed) return Promise.resolve();
    return new Promise((resolve) => this.#onRemoved.add(resolve));
  }

  #endsWithin(seconds: number): Promise<boolean> {
    if (!this.isActive) return Promise.resolve(true);
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

  /** Passes the log on, where its driver wants that. */
  #forwardLog(): void {
    const { config, id } = this.#record;
    const driver = config.log?.driver;
    if (driver !== 'syslog' && driver !== 'journald') return;
    const { helper, clock, logger, journalSocket } = this.#context;
    const source = {
      logPath: this.logPath,
      isLive: () => this.isRunning,
      onEnd: (fn: () => void) => this.onEnd(fn),
      clock,
    };
    const { name, image, labels } = config;
    const origin = { id, name, image, labels, env: this.#record.env, options: config.log?.options ?? {} };
    const forwarder = new LogForwarder({ driver, journalSocket, source, origin }, helper, clock, logger);
    this.#forwarders.add(forwarder);
    void forwarder.done.finally(() => this.#forwarders.delete(forwarder));
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
    fireOnce(this.#ended);
  }

  #emit(action: string, attributes?: Readonly<Record<string, string>>): void {
    this.#context.emit(action, this.#record, attributes);
  }
}

/** A command that nobody talks to. */
const SIMPLE_EXEC: Omit<ExecConfig, 'argv' | 'env' | 'user'> = {
  workingDir: '',
  privileged: false,
  tty: false,
  attachStdin: false,
  attachStdout: true,
  attachStderr: true,
  detachKeys: '',
};

function fireOnce(listeners: Set<() => void>): void {
  const all = [...listeners];
  listeners.clear();
  for (const fn of all) fn();
}

function notRunning(id: string): SwarmtsError {
  return new SwarmtsError('conflict', `container ${id} is not running`);
}
