/**
 * One container: what is done with it, and what becomes of it. What changes its state happens under its lock, one after the other; waiting for
 * its end does not, because the end needs the lock.
 */
import { messageOf, SwarmtsError, signalNumber } from '@swarmts/lib';
import { throwIfAborted, untilAborted } from '../images/shared-jobs.js';
import { changedLimits } from '../runtime/oci-config.js';
import { controlFifo, type MonitoredExit } from '../runtime/oci-runtime.js';
import { wasOomKilled } from '../runtime/oom.js';
import { isAlive } from '../runtime/process-identity.js';
import { rootfsPaths } from '../snapshots/rootfs.js';
import { changeBlockLimits, checkBlockDevices } from './block-limits.js';
import { cannotUpdate, changedResources } from './changed-resources.js';
import type { ContainerInfo, ContainerUpdate, ExitInfo, WaitCondition } from './container-api.js';
import { ContainerArchives } from './container-archives.js';
import { cgroupOf } from './container-bundle.js';
import type { ContainerResources, InjectedFile } from './container-config.js';
import type { ContainerContext } from './container-context.js';
import { ContainerCore, isRestarting, notRunning } from './container-core.js';
import { ContainerForwarding } from './container-forwarding.js';
import { describeContainer } from './container-info.js';
import type { LinkedNames } from './container-links.js';
import { ContainerMoments } from './container-moments.js';
import { ContainerNetworks } from './container-networks.js';
import { noteFrozen, tellOom } from './container-observations.js';
import { ContainerProcesses } from './container-processes.js';
import { type ContainerRecord, saveRecord } from './container-record.js';
import { createProcess, StartError } from './container-start.js';
import { eraseContainer, killMonitor, SIGKILL, tearDown } from './container-teardown.js';
import { liftCpuQuota } from './cpu-quota.js';
import { HealthMonitor } from './health-monitor.js';
import { type HealthState, initialHealth } from './health-state.js';
import { NO_RESTART, wantsRestart } from './restart-policy.js';
import { RestartTimer } from './restart-timer.js';
import { mounted, networkChanges, unmounted } from './use-events.js';

const DEFAULT_STOP_SECONDS = 10;
/** Docker's exit code for a container whose end nobody saw. */
const EXIT_UNSEEN = 255;
const EXIT_KILLED = 137;
/** `kill` waits so long for the end, as Docker's does. */
const KILL_WAIT_SECONDS = 10;
const NOT_RUNNING = { process: undefined, network: undefined };

export class Container {
  readonly archives: ContainerArchives;
  readonly networks: ContainerNetworks;
  readonly processes: ContainerProcesses;
  readonly #core: ContainerCore;
  readonly #moments = new ContainerMoments();
  readonly #forwarding: ContainerForwarding;
  readonly #restartTimer: RestartTimer;
  /** Contents of the injected files until they are placed; undefined for a container that was read from disk. */
  #files: readonly InjectedFile[] | undefined;
  #health: HealthMonitor | undefined;
  /** The next end is the last one, whatever the restart policy says. */
  #exitOnNext = false;
  #isClosed = false;
  /** Operations under way that want the container after its end: it is neither restarted nor removed by itself. */
  #keep = 0;

  constructor(record: ContainerRecord, context: ContainerContext, files?: readonly InjectedFile[]) {
    this.#core = new ContainerCore(record, context);
    this.#files = files;
    this.archives = new ContainerArchives(this.#core);
    this.networks = new ContainerNetworks(this.#core);
    this.processes = new ContainerProcesses(this.#core, this.#moments);
    this.#forwarding = new ContainerForwarding(this.#core, this.#moments);
    this.#restartTimer = new RestartTimer(context.clock, () => this.#startAgain());
  }

  get record(): ContainerRecord {
    return this.#core.record;
  }

  get isRunning(): boolean {
    return this.#core.isRunning;
  }

  get logPath(): string {
    return this.#core.paths.log;
  }

  /** What the container has changed of its image. */
  get upperDirectory(): string {
    return rootfsPaths(this.#core.paths.container).upper;
  }

  get controlFifo(): string {
    return controlFifo(this.#core.paths.bundle);
  }

  info(): ContainerInfo {
    return describeContainer(this.#core.record, {
      logPath: this.logPath,
      netns: this.#core.paths.netns,
      health: this.#health?.state,
      links: this.#core.context.linksOf(this.#core.record),
      layers: this.#core.context.bundle.layers.directories(this.#core.record.chain),
      labels: this.#core.context.bundle.facts.labels,
      runtimeProgram: this.#core.context.runtime.program,
    });
  }

  /** Calls back once when the container is not running any more; returns the unsubscribe function. */
  onEnd(fn: () => void): () => void {
    return this.#moments.ended.on(fn);
  }

  async start(): Promise<void> {
    await this.#core.lock.run(async () => {
      this.#core.mustExist();
      if (this.#core.record.state === 'running') return;
      if (this.#core.record.state === 'paused') {
        throw new SwarmtsError('conflict', 'cannot start a paused container, try unpause instead');
      }
      if (this.#core.record.state === 'dead')
        throw new SwarmtsError('conflict', 'container is marked for removal and cannot be started');
      this.#restartTimer.reset();
      await this.#startOrAbandon(0);
    });
  }

  /** Stop signal, grace, SIGKILL. Does not hold the lock while it waits: the exit needs it. */
  async stop(timeoutSeconds?: number, signal?: string): Promise<void> {
    await this.#core.lock.idle();
    if (!this.#core.isActive) return;
    await this.#markStopped(true);
    if (!this.#core.isRunning) return;
    const grace = timeoutSeconds ?? this.#core.record.config.stopTimeoutSeconds ?? DEFAULT_STOP_SECONDS;
    const wasPaused = this.#core.record.state === 'paused';
    await this.#signal(signalNumber(signal || this.#core.record.stopSignal));
    // A frozen process cannot act on its signal.
    if (wasPaused) await this.resume();
    if (!(await this.#endsWithin(grace))) {
      await this.#killSurely();
      await this.#untilEnded();
    }
    await this.#core.lock.idle();
    this.#core.emit('stop');
  }

  async restart(timeoutSeconds?: number, signal?: string): Promise<void> {
    this.#keep++;
    try {
      await this.stop(timeoutSeconds, signal);
      await this.start();
    } finally {
      this.#keep--;
    }
    this.#core.emit('restart');
  }

  async kill(signal: string): Promise<void> {
    const number = signalNumber(signal);
    await this.#core.lock.idle();
    const { id, stopSignal } = this.#core.record;
    if (!this.#core.isActive) throw notRunning(id);
    await this.#markStopped(number === SIGKILL || number === signalNumber(stopSignal));
    if (!this.#core.isRunning) return;
    if (number !== SIGKILL) return this.#signal(number);
    await this.#killSurely();
    await this.#endsWithin(KILL_WAIT_SECONDS);
  }

  /** Some kernels do not let what is frozen die: also what was frozen since somebody looked. */
  async #killSurely(): Promise<void> {
    await this.#signal(SIGKILL);
    await this.resume();
  }

  async rename(name: string): Promise<void> {
    await this.#core.lock.run(async () => {
      this.#core.mustExist();
      const { config, network } = this.#core.record;
      await this.#core.change({ config: { ...config, name } });
      const renamed = network && (await this.#core.context.network.rename?.(this.#core.id, network, name));
      if (renamed) await this.#core.change({ network: renamed });
      this.#core.emit('rename', { oldName: `/${config.name}` });
    });
  }

  async removeLink(gone: LinkedNames): Promise<void> {
    await this.#core.lock.run(async () => {
      this.#core.mustExist();
      const { config } = this.#core.record;
      const links = (config.links ?? []).filter((l) => l.alias !== gone.alias);
      await this.#core.change({ config: { ...config, links } });
    });
    await this.networks.renewLinks(gone);
  }

  /** `allow` is asked for what is left of the limits on this machine, as they come to together with those that stay. */
  async update(change: ContainerUpdate, allow: (r: ContainerResources) => ContainerResources): Promise<void> {
    await this.#core.lock.run(async () => {
      this.#core.mustExist();
      checkBlockDevices(change.resources ?? {});
      const { config } = this.#core.record;
      const resources = change.resources
        ? allow(changedResources(this.#core.record, change.resources))
        : config.resources;
      const restart = change.restart ?? config.restart ?? NO_RESTART;
      if (config.autoRemove && restart.name !== 'no') {
        const why = 'Restart policy cannot be updated because AutoRemove is enabled for the container';
        throw cannotUpdate(this.#core.id, why);
      }
      if (this.#core.isRunning && change.resources) {
        const { runtime, bundle, cgroupMounts } = this.#core.context;
        const limits = changedLimits(config.resources, resources, bundle.facts.support.swap);
        await runtime.update(this.#core.id, this.#core.paths.bundle, limits);
        const group = cgroupOf(bundle, this.#core.record);
        if ((resources.cpuQuotaUs ?? 0) < 0) liftCpuQuota(cgroupMounts, group);
        changeBlockLimits(cgroupMounts, group, config.resources, resources);
      }
      await this.#core.change({ config: { ...config, resources, restart } });
      this.#core.emit('update');
    });
  }

  /** `byEngine`: until it is resumed, or the engine begins anew. */
  async pause(byEngine = false): Promise<void> {
    await this.#core.lock.run(async () => {
      if (this.#core.record.state === 'paused')
        throw new SwarmtsError('conflict', `container ${this.#core.id} is already paused`);
      if (this.#core.record.state === 'restarting') throw isRestarting(this.#core.id);
      if (this.#core.record.state !== 'running') throw notRunning(this.#core.id);
      await this.#core.context.runtime.pause(this.#core.id);
      await this.#core.change({ state: 'paused', pausedByEngine: byEngine });
      this.#core.emit('pause');
    });
  }

  async unpause(): Promise<void> {
    await this.#core.lock.run(async () => {
      if (this.#core.record.state !== 'paused')
        throw new SwarmtsError('conflict', `container ${this.#core.id} is not paused`);
      await this.#resumeProcesses();
    });
  }

  /** One that is not paused any more, or has just died, needs no help. */
  async resume(): Promise<void> {
    await this.#core.lock.run(async () => {
      if (this.#core.record.state !== 'paused') return;
      try {
        await this.#resumeProcesses();
      } catch (e) {
        if (isAlive(this.#core.record.process?.init)) throw e;
      }
    });
  }

  async #resumeProcesses(): Promise<void> {
    await this.#core.context.runtime.resume(this.#core.id);
    await this.#core.change({ state: 'running' });
    this.#core.emit('unpause');
  }

  /** Resolves when nothing of the container is left. Volumes are the engine's. */
  async remove(force: boolean): Promise<void> {
    let gone = false;
    while (!gone) {
      await this.#core.lock.idle();
      if (this.#core.isActive) {
        if (!force) throw this.#stillActive();
        await this.#endForRemoval();
      }
      // Somebody may have started it meanwhile.
      gone = await this.#core.lock.run(async () => {
        if (!this.#core.isActive) await this.#remove();
        return this.#core.isRemoved;
      });
    }
  }

  #stillActive(): SwarmtsError {
    const { state, config } = this.#core.record;
    const hint =
      state === 'paused'
        ? 'container is paused and must be unpaused first'
        : `container is ${state}: stop the container before removing or force remove`;
    return new SwarmtsError('conflict', `cannot remove container "/${config.name}": ${hint}`);
  }

  async #endForRemoval(): Promise<void> {
    this.#keep++;
    try {
      await this.#markStopped(true);
      if (!this.#core.isRunning) return;
      await this.#killSurely();
      await this.#untilEnded();
    } finally {
      this.#keep--;
    }
  }

  async wait(signal?: AbortSignal, condition: WaitCondition = 'not-running'): Promise<ExitInfo> {
    throwIfAborted(signal);
    if (condition === 'next-exit') await this.#moments.exited.next(signal);
    else if (condition === 'removed') {
      if (!this.#core.isRemoved) await this.#moments.removed.next(signal);
    } else {
      // A start that is under way counts as running.
      await untilAborted(this.#core.lock.idle(), signal);
      if (this.#core.isActive) await this.#moments.ended.next(signal);
    }
    const exit = this.#core.record.exit ?? { exitCode: 0, oomKilled: false, error: '', finishedAtMs: 0 };
    // Why one did not start is told to who has started it; its removal was no failure.
    return condition === 'removed' ? { ...exit, error: '' } : exit;
  }

  /** The monitor has left an exit file. Called at least once per exit, maybe repeatedly. */
  async onExitFile(): Promise<void> {
    await this.#core.lock.run(async () => {
      if (!this.#core.isRunning) return;
      const exit = await this.#core.context.runtime.exit(this.#core.id);
      if (exit) await this.#finish({ ...exit, error: '' });
    });
  }

  /** Looks after the monitor: one that is gone without an exit file takes its container with it; others tell of want of memory. */
  async checkMonitor(): Promise<void> {
    if (!this.#core.isRunning) return;
    if (isAlive(this.#core.record.process?.monitor)) {
      await tellOom(this.#core);
      return;
    }
    await this.#core.lock.run(async () => {
      if (!this.#core.isRunning || isAlive(this.#core.record.process?.monitor)) return;
      await this.#finishWithoutMonitor();
    });
  }

  /** After the engine was opened: finds out what became of the container meanwhile. */
  async adopt(): Promise<void> {
    await this.#core.lock.run(async () => {
      if (!this.#core.isRunning) {
        // A start that was cut short left its bundle behind.
        await killMonitor(this.#core.context, this.#core.id, this.#core.paths);
        await this.#tearDown();
        await this.#resume();
        return;
      }
      // What it wrote since then is passed on also where it has ended meanwhile.
      this.#forwarding.begin();
      const exit = await this.#core.context.runtime.exit(this.#core.id);
      if (exit) await this.#finish({ ...exit, error: '' });
      else if (!isAlive(this.#core.record.process?.monitor)) await this.#finishWithoutMonitor();
      else {
        await noteFrozen(this.#core);
        if (this.#core.record.state === 'paused' && this.#core.record.pausedByEngine) await this.#resumeProcesses();
        await this.#core.context.runtime.resumeStart(this.#core.id);
        this.#watchHealth();
      }
    });
  }

  /** Kills a container that cannot go on; `reason` becomes its error. */
  async abort(reason: string): Promise<void> {
    await this.#core.lock.run(async () => {
      if (!this.#core.isRunning) return;
      await killMonitor(this.#core.context, this.#core.id, this.#core.paths);
      const init = this.#core.record.process?.init;
      if (init && isAlive(init)) await this.#core.context.helper.kill(init.pid, SIGKILL);
      await this.#finish({ exitCode: EXIT_KILLED, error: reason });
    });
  }

  /** Lets go of everything in memory; the container runs on. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#restartTimer.cancel();
    await this.#forwarding.close();
    await this.#health?.stop();
    await this.#core.lock.idle();
    // An end that was under way.
    this.#restartTimer.cancel();
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
    const { context, record: before, paths } = this.#core;
    const { process, attachment } = await createProcess(context, before, paths, this.#files);
    // From here on they live on their tmpfs alone.
    this.#files = undefined;
    const {
      exit: _exit,
      network: _network,
      health: _health,
      stoppedByUser: _by,
      oomTold: _oom,
      ...kept
    } = this.#core.record;
    const started: ContainerRecord = {
      ...kept,
      state: 'running',
      startedAtMs: this.#core.context.clock.now(),
      startCount: this.#core.record.startCount + 1,
      restartCount,
      volumesFilled: true,
      process,
      ...(attachment ? { network: attachment } : {}),
    };
    // Before the process runs: whoever opens the engine after a crash must not start a second time what has been at work already.
    await saveRecord(this.#core.paths.container, started);
    // Hooks come with devices that are described by CDI.
    await this.#core.context.runtime.start(started.id, (started.config.cdiDevices ?? []).length > 0);
    this.#core.set(started);
    this.#exitOnNext = false;
    this.#forwarding.begin();
    this.#watchHealth();
    this.#core.context.emitUses([...networkChanges(undefined, started), ...mounted(started)]);
    this.#core.emit('start');
    this.#moments.started.fire();
  }

  /** Takes down what a failed start left and remembers why. */
  async #abandonStart(e: unknown): Promise<void> {
    const failure = e instanceof StartError ? e.failure : undefined;
    await killMonitor(this.#core.context, this.#core.id, this.#core.paths);
    await this.#tearDown();
    const exit: ExitInfo = {
      exitCode: failure?.exitCode ?? 128,
      oomKilled: false,
      error: messageOf(e),
      finishedAtMs: this.#core.context.clock.now(),
    };
    const { id, config, startCount } = this.#core.record;
    const ended = { ...NOT_RUNNING, state: startCount > 0 ? 'exited' : 'created', exit } as const;
    await this.#core.guarded('save the state', () => this.#core.change(ended));
    this.#moments.ended.fire();
    if (config.autoRemove) this.#core.context.autoRemove(id);
  }

  /** Nobody holds the container any more: what still runs of it is killed. */
  async #finishWithoutMonitor(): Promise<void> {
    const { runtime, helper, logger } = this.#core.context;
    const { id, process } = this.#core.record;
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
    const { network, logger, bundle, clock } = this.#core.context;
    const { record, paths } = this.#core;
    const oomKilled = record.oomTold || wasOomKilled(paths.bundle, cgroupOf(bundle, record));
    await this.#core.guarded('detach the network', () => network.detach(this.#core.id));
    const health = await this.#health?.stop();
    this.#health = undefined;
    const ran = this.#core.record;
    // The kernel's clock for files is a few milliseconds behind.
    const finishedAtMs = Math.max(how.finishedAtMs ?? clock.now(), ran.startedAtMs);
    const exit: ExitInfo = { ...how, oomKilled, finishedAtMs };
    const again = this.#restartsAfter(exit);
    const ended = { ...NOT_RUNNING, ...(health && { health }), state: again ? 'restarting' : 'exited', exit } as const;
    try {
      await this.#core.change(ended);
    } catch (e) {
      // The disk may be full: the container has ended all the same, and the next open finds that out again.
      this.#core.set({ ...ran, ...ended });
      logger.error('cannot save the state of a container', { container: ran.id, error: e });
    }
    if (oomKilled && !ran.oomTold) this.#core.emit('oom');
    const seconds = Math.max(0, Math.round((exit.finishedAtMs - ran.startedAtMs) / 1000));
    this.#core.emit('die', { exitCode: String(how.exitCode), execDuration: String(seconds) });
    this.#core.context.emitUses(networkChanges(ran, undefined));
    this.#moments.exited.fire();
    this.#moments.ended.fire();
    await this.#tearDown();
    this.#core.context.emitUses(unmounted(ran));
    if (again) this.#restartTimer.schedule(exit.finishedAtMs - ran.startedAtMs);
    else if (ran.config.autoRemove && this.#keep === 0) this.#core.context.autoRemove(ran.id);
  }

  #restartsAfter(exit: ExitInfo): boolean {
    const { config, stoppedByUser = false, restartCount = 0 } = this.#core.record;
    if (this.#exitOnNext || this.#keep > 0) return false;
    return wantsRestart(config.restart ?? NO_RESTART, { exitCode: exit.exitCode, stoppedByUser, restartCount });
  }

  #startAgain(): void {
    const again = async () => {
      const { state, restartCount = 0 } = this.#core.record;
      if (state === 'restarting' && !this.#isClosed) await this.#startOrAbandon(restartCount + 1);
    };
    const { swept, untilNeededRun } = this.#core.context;
    const work = swept.then(() => untilNeededRun(this.#core.record)).then(() => this.#core.lock.run(again));
    work.catch((e: unknown) => {
      this.#core.context.logger.error('cannot restart a container', { container: this.#core.id, error: messageOf(e) });
    });
  }

  /** After the engine was opened: what its policy wants to run, runs again; what was to be removed goes. */
  async #resume(): Promise<void> {
    const { state, config, exit, startCount, stoppedByUser = false, restartCount = 0 } = this.#core.record;
    if (startCount === 0 || (state !== 'exited' && state !== 'restarting')) return;
    const run = { exitCode: exit?.exitCode ?? 0, stoppedByUser, restartCount };
    if (wantsRestart(config.restart ?? NO_RESTART, run)) {
      await this.#core.change({ state: 'restarting' });
      this.#restartTimer.now();
    } else if (state === 'restarting') await this.#core.change({ state: 'exited' });
    else if (config.autoRemove) this.#core.context.autoRemove(this.#core.id);
  }

  /** Somebody wants it to end; `surely` ends the work of its restart policy as well, and is all that one for failures heeds. */
  async #markStopped(surely: boolean): Promise<void> {
    this.#exitOnNext ||= surely;
    const { name } = this.#core.record.config.restart ?? NO_RESTART;
    if (name === 'no' || (name === 'on-failure' && !surely)) return;
    await this.#core.lock.run(async () => {
      if (surely) this.#restartTimer.cancel();
      const ends = surely && this.#core.record.state === 'restarting';
      await this.#core.change({ ...(ends ? { state: 'exited' } : {}), stoppedByUser: true });
      // Whoever waits for the end of its restarts has it.
      if (ends) this.#moments.ended.fire();
    });
  }

  async #remove(): Promise<void> {
    if (this.#core.isRemoved) return;
    this.#core.set({ ...this.#core.record, state: 'dead' });
    await this.#forwarding.finish();
    await eraseContainer(this.#core.context, this.#core.record, this.#core.paths);
    this.#core.setRemoved();
    this.#core.emit('destroy');
    this.#moments.exited.fire();
    this.#moments.removed.fire();
  }

  async #signal(signal: number): Promise<void> {
    const init = this.#core.record.process?.init;
    this.#core.emit('kill', { signal: String(signal) });
    if (init && isAlive(init)) await this.#core.context.helper.kill(init.pid, signal);
  }

  #endsWithin(seconds: number): Promise<boolean> {
    if (!this.#core.isActive) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (ended: boolean) => {
        timer?.cancel();
        unsubscribe();
        resolve(ended);
      };
      const unsubscribe = this.onEnd(() => done(true));
      // Docker: a negative timeout waits for ever.
      const timer = seconds < 0 ? undefined : this.#core.context.clock.after(seconds * 1000, () => done(false));
    });
  }

  #untilEnded(): Promise<void> {
    return this.#endsWithin(-1).then(() => undefined);
  }

  #watchHealth(): void {
    const health = this.#core.record.healthCheck;
    if (!health) return;
    this.#health = new HealthMonitor({
      config: health.config,
      shell: health.shell,
      startedAtMs: this.#core.record.startedAtMs,
      initial: this.#core.record.health ?? initialHealth,
      clock: this.#core.context.clock,
      run: (argv, timeoutMs, signal) => this.processes.exec(argv, { timeoutMs }, signal),
      isPaused: () => this.#core.record.state !== 'running',
      onChange: (state) => this.#onHealthChange(state),
    });
  }

  /** Kept on disk, so that a restarted engine does not take a healthy container for one that is starting. */
  async #onHealthChange(health: HealthState): Promise<void> {
    this.#core.emit(`health_status: ${health.status}`);
    await this.#core.guarded('save the health', () => this.#core.change({ health }));
  }

  async #tearDown(): Promise<void> {
    await tearDown(this.#core.context, this.#core.record, this.#core.paths);
  }
}
