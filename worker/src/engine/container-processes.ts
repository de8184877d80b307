/** Those who are at the processes of one container: execs, attachments to its own process, and who counts what they use. */
import { totalmem } from 'node:os';
import { SwarmtsError } from '@swarmts/lib';
import { Exec } from '../exec/exec.js';
import { resizeConsole } from '../logs/log-files.js';
import { controlFifo } from '../runtime/oci-runtime.js';
import type { OciProcess } from '../runtime/oci-spec.js';
import { rootfsPaths } from '../snapshots/rootfs.js';
import { ownerOnHost } from '../userns/id-map.js';
import type { ContainerStats, ExecResult } from './container-api.js';
import { ContainerAttachment } from './container-attachment.js';
import { bundleProcess, cgroupOf, ownVariables } from './container-bundle.js';
import { type ContainerCore, isRestarting, notRunning } from './container-core.js';
import { execProcess } from './container-exec.js';
import type { ContainerMoments } from './container-moments.js';
import { pidsIn, readStats } from './container-stats.js';
import { idsOf } from './container-userns.js';
import type { AttachOptions, ExecConfig, Session, TerminalSize } from './session-api.js';

export class ContainerProcesses {
  readonly #core: ContainerCore;
  readonly #moments: ContainerMoments;

  constructor(core: ContainerCore, moments: ContainerMoments) {
    this.#core = core;
    this.#moments = moments;
  }

  async exec(
    argv: readonly string[],
    options: { env?: readonly string[]; user?: string; timeoutMs?: number },
    signal?: AbortSignal,
  ): Promise<ExecResult> {
    const { env = [], user = '', timeoutMs } = options;
    const { id, paths, context } = this.#core;
    const process = await this.#execProcess({ ...SIMPLE_EXEC, argv, env, user }, undefined);
    const { code, stdout, stderr } = await context.runtime.exec(id, paths.bundle, process, { timeoutMs, signal });
    return { code, stdout, stderr };
  }

  createExec(config: ExecConfig): Exec {
    this.#mustTakeExec();
    const { id, paths, context, record } = this.#core;
    const exec = new Exec(config, {
      containerId: id,
      bundle: paths.bundle,
      runtime: context.runtime,
      clock: context.clock,
      ownerOf: (user) => ownerOnHost(idsOf(context.bundle.layers.ids, record.config), user),
      processOf: (c, size) => this.#execProcess(c, size),
      emit: (action, attributes) => this.#core.emit(action, attributes),
    });
    this.#core.emit(`exec_create: ${config.argv.join(' ')}`, { execID: exec.id });
    return exec;
  }

  /** Undefined when it does not run. */
  stats(): ContainerStats | undefined {
    if (!this.#core.isRunning) return undefined;
    const { context, record } = this.#core;
    return readStats({
      mounts: context.cgroupMounts,
      cgroupsPath: cgroupOf(context.bundle, record),
      pid: record.process?.init.pid ?? 0,
      machineMemoryBytes: totalmem(),
      nowMs: context.clock.now(),
    });
  }

  /** Of everything that runs in it. */
  pids(): readonly number[] {
    const { context, record } = this.#core;
    if (record.state === 'restarting') throw isRestarting(record.id);
    if (!this.#core.isRunning) throw notRunning(record.id);
    this.#core.emit('top');
    return pidsIn(context.cgroupMounts, cgroupOf(context.bundle, record));
  }

  attach(options: AttachOptions): Session {
    const { context, record, paths } = this.#core;
    if (record.state === 'paused') {
      const hint = 'is paused. Unpause the container before attach';
      throw new SwarmtsError('conflict', `container ${record.id} ${hint}`);
    }
    const { tty = false, openStdin = false } = record.config;
    const target = {
      tty,
      openStdin,
      logPath: paths.log,
      attachSocket: context.runtime.attachSocket(record.id),
      isRunning: () => this.#core.isRunning,
      onStart: (fn: () => void) => this.#moments.started.on(fn),
      onEnd: (fn: () => void) => this.#moments.ended.on(fn),
      onDetach: () => this.#core.emit('detach'),
    };
    this.#core.emit('attach');
    return new ContainerAttachment(target, options, context.helper, context.clock);
  }

  async resize(size: TerminalSize): Promise<void> {
    if (!this.#core.isRunning) throw notRunning(this.#core.id);
    await resizeConsole(controlFifo(this.#core.paths.bundle), size);
    this.#core.emit('resize', { height: String(size.rows), width: String(size.columns) });
  }

  async #execProcess(config: ExecConfig, size: TerminalSize | undefined): Promise<OciProcess> {
    this.#mustTakeExec();
    const { context, record, paths } = this.#core;
    const base = await bundleProcess(paths.bundle);
    const { target: rootfs } = rootfsPaths(paths.container);
    const own = { rootfs, groups: record.config.groups ?? [], ownEnv: ownVariables(record) };
    return execProcess(base, config, size, context.bundle.facts, own);
  }

  #mustTakeExec(): void {
    const { id, state } = this.#core.record;
    if (state === 'paused') {
      throw new SwarmtsError('conflict', `container ${id} is paused, unpause the container before exec`);
    }
    if (state === 'restarting') throw isRestarting(id);
    if (state !== 'running') throw notRunning(id);
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
