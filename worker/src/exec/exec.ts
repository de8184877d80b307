/**
 * One exec: a command in a running container that somebody may talk to. Without a terminal its streams are named pipes between the
 * daemon and the process, so no byte passes through the helper; with one the helper holds the terminal. The container does not
 * depend on any of it.
 */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, messageOf, newHexId, SwarmtsError, type TimerHandle } from '@swarmts/lib';
import type { ExecConfig, ExecInfo, Session, TerminalSize } from '../engine/session-api.js';
import type { OciRuntime } from '../runtime/oci-runtime.js';
import type { OciProcess } from '../runtime/oci-spec.js';
import { execFailure } from '../runtime/runtime-errors.js';
import { type Owner, ROOT } from '../userns/id-map.js';
import type { ExecStreams } from './exec-streams.js';
import { giveTerminal } from './give-terminal.js';
import { PipeStreams } from './pipe-streams.js';
import { HASTY_LOOK_MS, startedOrEnded } from './started.js';
import { TerminalStreams } from './terminal-streams.js';

/** What an exec needs of its container and machine. */
export interface ExecHost {
  readonly containerId: string;
  readonly bundle: string;
  readonly runtime: OciRuntime;
  readonly clock: Clock;
  /** A user of the container on the machine. */
  readonly ownerOf: (user: Owner) => Owner;
  /** Throws as Docker does when the container cannot take an exec now. */
  readonly processOf: (config: ExecConfig, size: TerminalSize | undefined) => Promise<OciProcess>;
  readonly emit: (action: string, attributes: Readonly<Record<string, string>>) => void;
}

const DEFAULT_SIZE: TerminalSize = { rows: 24, columns: 80 };
const EXIT_NOT_STARTED = 126;
/** Clients ask for the size of their terminal at the same time as for the start. */
const RESIZE_WAIT_MS = 10_000;

export class Exec {
  readonly id = newHexId();
  readonly config: ExecConfig;
  readonly #host: ExecHost;
  #state: ExecInfo['state'] = 'created';
  #pid = 0;
  #exitCode: number | undefined;
  #endedAtMs = 0;
  #streams: ExecStreams | undefined;
  #onBegun: () => void = () => undefined;
  readonly #begun = new Promise<void>((resolve) => {
    this.#onBegun = resolve;
  });
  #onEnded: () => void = () => undefined;
  readonly #ended = new Promise<void>((resolve) => {
    this.#onEnded = resolve;
  });

  constructor(config: ExecConfig, host: ExecHost) {
    this.config = config;
    this.#host = host;
  }

  get info(): ExecInfo {
    const ended = this.#exitCode === undefined ? {} : { exitCode: this.#exitCode };
    const { id, config } = this;
    return { id, containerId: this.#host.containerId, config, state: this.#state, pid: this.#pid, ...ended };
  }

  /** 0 until it has ended. */
  get endedAtMs(): number {
    return this.#endedAtMs;
  }

  /** Resolves when the process runs. One that cannot be started throws Docker's message and has ended. */
  async start(options: { readonly detach: boolean; readonly size?: TerminalSize }): Promise<Session> {
    if (this.#state !== 'created') {
      const word = this.#state === 'running' ? 'already running' : 'already ran';
      throw new SwarmtsError('conflict', `Error: Exec command ${this.id} has ${word}`);
    }
    this.#state = 'running';
    const directory = join(this.#host.bundle, `exec-${this.id.slice(0, 12)}`);
    try {
      const size = this.config.tty ? (options.size ?? DEFAULT_SIZE) : undefined;
      const process = await this.#host.processOf(this.config, size);
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      const streams = await this.#openStreams(directory, options.detach, size);
      this.#streams = streams;
      await this.#run(streams, process, directory);
      return this.#session(streams);
    } catch (e) {
      if (this.#exitCode === undefined) this.#finish(EXIT_NOT_STARTED, directory);
      throw e;
    }
  }

  /** The output ends after the exit code is known: whoever has read it all may ask for the code. */
  #session(streams: ExecStreams): Session {
    let leave: () => void = () => undefined;
    const left = new Promise<void>((resolve) => {
      leave = resolve;
    });
    const close = async () => {
      leave();
      await streams.close();
    };
    return {
      tty: streams.tty,
      pump: async (sink) => {
        await streams.pump(sink);
        await Promise.race([this.#ended, left]);
      },
      write: (bytes) => streams.write(bytes),
      end: () => streams.end(),
      close,
      detach: async () => {
        this.#host.emit('exec_detach', { execID: this.id });
        await close();
      },
    };
  }

  /** Waits for the start. Throws 'conflict' where there is no terminal. */
  async resize(size: TerminalSize): Promise<void> {
    if (this.config.tty && this.#pid === 0 && this.#state !== 'ended') {
      let timer: TimerHandle | undefined;
      const late = new Promise<void>((resolve) => {
        timer = this.#host.clock.after(RESIZE_WAIT_MS, resolve);
      });
      await Promise.race([this.#begun, this.#ended, late]);
      timer?.cancel();
    }
    if (this.#pid === 0 || !(this.#streams instanceof TerminalStreams)) {
      throw new SwarmtsError('conflict', `exec ${this.id} is not running in a terminal`);
    }
    await this.#streams.resize(this.#pid, size);
  }

  #openStreams(directory: string, detach: boolean, size: TerminalSize | undefined): Promise<ExecStreams> {
    const { runtime, containerId, ownerOf } = this.#host;
    const { attachStdin, attachStdout, attachStderr } = this.config;
    if (size) return TerminalStreams.open({ runtime, containerId, name: this.id, size, stdin: !detach && attachStdin });
    const wanted = detach
      ? { stdin: false, stdout: false, stderr: false }
      : { stdin: attachStdin, stdout: attachStdout, stderr: attachStderr };
    return PipeStreams.open({ runtime, containerId, directory, owner: ownerOf(ROOT), ...wanted });
  }

  async #run(streams: ExecStreams, process: OciProcess, directory: string): Promise<void> {
    const command = this.config.argv.join(' ');
    this.#host.emit(`exec_start: ${command}`, { execID: this.id });
    const running = streams.run(process, directory);
    const pid = await startedOrEnded(join(directory, 'pid'), running, this.config.tty ? HASTY_LOOK_MS : undefined);
    if (pid === undefined) {
      const result = await running.catch((e: unknown) => messageOf(e));
      const text = await streams.leftover();
      const failure = execFailure(typeof result === 'string' ? result : text, this.config.argv[0]);
      this.#finish(failure.exitCode, directory);
      throw failure.error;
    }
    this.#pid = pid;
    if (this.config.tty) giveTerminal(pid, this.#host.ownerOf(process.user).uid);
    this.#onBegun();
    streams.begin();
    void running.then(
      (result) => this.#finish(result.code, directory),
      // The helper has gone, and the exit code with it.
      () => this.#finish(EXIT_NOT_STARTED, directory),
    );
  }

  #finish(exitCode: number, directory: string): void {
    this.#exitCode = exitCode < 0 ? 137 : exitCode;
    this.#state = 'ended';
    this.#pid = 0;
    this.#endedAtMs = this.#host.clock.now();
    this.#onEnded();
    rmSync(directory, { recursive: true, force: true });
    this.#host.emit('exec_die', { execID: this.id, exitCode: String(this.#exitCode) });
  }
}
