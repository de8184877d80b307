/**
 * Drives the OCI runtime (runc or crun) and conmon through the helper. Knows their command lines and files, and nothing of
 * images, networks or container states.
 */
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type Clock, linkedSignal, messageOf, newHexId, SwarmtsError } from '@swarmts/lib';
import type { HelperApi, MonitorStarted, ProcessSpec, RunResult, TerminalSpec } from '../helper/helper-api.js';
import { releaseReader, releaseWriter } from './exec-fifo.js';
import { CONTAINER_ID } from './exit-watch.js';
import type { OciProcess, OciResources } from './oci-spec.js';
import type { ReadOnlyPrograms } from './read-only-programs.js';
import { runtimeMessage, startFailure } from './runtime-errors.js';

export interface OciRuntimeOptions {
  readonly helper: HelperApi;
  readonly clock: Clock;
  /** Absolute paths of the programs. */
  readonly runtimePath: string;
  readonly conmonPath: string;
  readonly execRoot: string;
  /** Where programs are called instead of by their own paths. */
  readonly programs?: Pick<ReadOnlyPrograms, 'pathOf'>;
  /** Puts the machine's cgroups in order again after the runtime refused them; false when there is nothing to be done. */
  readonly repairCgroups?: () => Promise<boolean>;
}

/** How crun refuses a machine whose cgroups have been mounted otherwise since it was looked at. */
const CGROUPS_REFUSED = /hybrid mode not supported/;

export interface CreateOptions {
  /** Undefined: the output is thrown away. */
  readonly logPath: string | undefined;
  readonly tty: boolean;
  readonly openStdin: boolean;
  /** The input ends when whoever types into it leaves. */
  readonly stdinOnce: boolean;
  /** Path of the OCI runtime. */
  readonly program: string;
}

export interface MonitoredExit {
  readonly exitCode: number;
  /** Undefined where nobody knows. */
  readonly finishedAtMs?: number;
}

export interface ExecRunOptions {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const SIGKILL = 9;
/** A runtime that has not started the container after this time is stuck, as one that has not created it. */
const START_TIMEOUT_MS = 120_000;
const PROGRAM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export class OciRuntime {
  readonly exitDir: string;
  readonly #options: OciRuntimeOptions;
  readonly #stateRoot: string;
  readonly #attachDir: string;

  constructor(options: OciRuntimeOptions) {
    this.#options = options;
    this.exitDir = join(options.execRoot, 'exits');
    this.#stateRoot = join(options.execRoot, 'runtime');
    this.#attachDir = join(options.execRoot, 'attach');
  }

  get helper(): HelperApi {
    return this.#options.helper;
  }

  /** Path of the program that new containers get. */
  get program(): string {
    return this.#options.runtimePath;
  }

  async prepare(): Promise<void> {
    const root = this.#rootOf(this.#options.runtimePath);
    for (const dir of [this.exitDir, root, this.#attachDir]) await mkdir(dir, { recursive: true, mode: 0o700 });
    // Pipes and sockets of what an earlier daemon had under way.
    for (const name of await readdir(this.#attachDir))
      if (!CONTAINER_ID.test(name)) await rm(join(this.#attachDir, name), { recursive: true, force: true });
  }

  /** The container exists afterwards and waits for `start`; its processes are held by a monitor that outlives us. */
  async create(id: string, bundle: string, options: CreateOptions): Promise<MonitorStarted> {
    // An exit file of an earlier run must not end this one.
    await this.forgetExit(id);
    const persist = join(bundle, 'persist');
    mkdirSync(persist, { recursive: true, mode: 0o700 });
    const { program } = options;
    if (program !== this.program) await mkdir(this.#rootOf(program), { recursive: true, mode: 0o700 });
    const argv = [
      this.#options.conmonPath,
      ...['--api-version', '1', '-c', id, '-u', id, '-r', this.#pathOf(program), '-b', bundle],
      ...['-p', join(bundle, 'pidfile'), '-P', monitorPidFile(bundle), '--exit-dir', this.exitDir],
      ...['--persist-dir', persist, '--socket-dir-path', this.#attachDir, '--no-sync-log'],
      ...['-l', options.logPath === undefined ? 'none' : `k8s-file:${options.logPath}`],
      ...['--runtime-arg', '--root', '--runtime-arg', this.#rootOf(program)],
      ...(options.tty ? ['-t'] : []),
      ...(options.openStdin ? ['-i'] : []),
      ...(options.openStdin && (options.tty || !options.stdinOnce) ? ['--leave-stdin-open'] : []),
    ];
    const spec = { argv, cwd: bundle, env: { PATH: PROGRAM_PATH } };
    try {
      return await this.#options.helper.startMonitor(spec);
    } catch (e) {
      if (!CGROUPS_REFUSED.test(messageOf(e)) || !(await this.#options.repairCgroups?.())) throw e;
      return await this.#options.helper.startMonitor(spec);
    }
  }

  /** Where `program` keeps what it knows of a container. */
  stateDirectory(id: string, program: string): string {
    return join(this.#rootOf(program), id);
  }

  /** `hasHooks`: the runtime's own `start` has more to do than to release the process. */
  async start(id: string, hasHooks: boolean): Promise<void> {
    const program = this.#programOf(id);
    if (!hasHooks && (await this.#release(id, program))) return;
    const result = await this.#runWithin(START_TIMEOUT_MS, id, ['start', id]);
    if (result.code !== 0) throw startFailure(textOf(result.stderr)).error;
  }

  /** Goes on with a start whose daemon died between making the process and releasing it, or before the pipe was taken away. */
  async resumeStart(id: string): Promise<void> {
    const program = this.#programOf(id);
    const fifo = this.#fifoOf(id, program);
    if (existsSync(fifo) && !(await this.#release(id, program))) rmSync(fifo, { force: true });
  }

  async #release(id: string, program: string): Promise<boolean> {
    const fifo = this.#fifoOf(id, program);
    const name = basename(program);
    if (name === 'crun') return releaseReader(fifo);
    return name === 'runc' && releaseWriter(fifo, this.#options.clock);
  }

  #fifoOf(id: string, program: string): string {
    return join(this.stateDirectory(id, program), 'exec.fifo');
  }

  async pause(id: string): Promise<void> {
    await this.#must(id, ['pause', id], 'cannot pause container');
  }

  async resume(id: string): Promise<void> {
    await this.#must(id, ['resume', id], 'cannot unpause container');
  }

  /** Kills what still runs and removes the container with its cgroup. One that does not exist is no error. */
  async delete(id: string): Promise<void> {
    await this.#must(id, ['delete', '--force', id], 'cannot delete container');
  }

  /** Gives a running container other limits. */
  async update(id: string, bundle: string, limits: Omit<OciResources, 'devices'>): Promise<void> {
    const file = join(bundle, `update-${newHexId().slice(0, 12)}.json`);
    try {
      await writeFile(file, JSON.stringify(limits), { mode: 0o600 });
      const result = await this.#run(id, ['update', '--resources', file, id]);
      if (result.code === 0) return;
      const why = runtimeMessage(textOf(result.stderr));
      throw new SwarmtsError('internal', `Cannot update container ${id}: OCI runtime update failed: ${why}: unknown`);
    } finally {
      await rm(file, { force: true });
    }
  }

  async forgetExit(id: string): Promise<void> {
    rmSync(join(this.exitDir, id), { force: true });
    rmSync(join(this.#attachDir, id), { recursive: true, force: true });
  }

  /** Pid of the container's monitor while it lives. Its command line is checked: the pid may be somebody else's by now. */
  async monitorOf(id: string, bundle: string): Promise<number | undefined> {
    const pid = Number(await readFile(monitorPidFile(bundle), 'utf8').catch(() => ''));
    if (!Number.isInteger(pid) || pid <= 1) return undefined;
    const commandLine = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    return commandLine.split('\0').includes(id) ? pid : undefined;
  }

  /** How the container ended, and when, as the monitor left it; undefined while it has not. */
  async exit(id: string): Promise<MonitoredExit | undefined> {
    const file = join(this.exitDir, id);
    const text = await readFile(file, 'utf8').catch(() => '');
    if (!/^-?\d+$/.test(text.trim())) return undefined;
    const written = await stat(file).catch(() => undefined);
    return { exitCode: Number(text), ...(written ? { finishedAtMs: Math.round(written.mtimeMs) } : {}) };
  }

  /** Runs a process in the container to its end. A timeout kills it and throws 'timeout'. */
  async exec(id: string, bundle: string, process: OciProcess, options: ExecRunOptions): Promise<RunResult> {
    const base = join(bundle, `exec-${newHexId().slice(0, 12)}`);
    const [processFile, pidFile] = [`${base}.json`, `${base}.pid`];
    const abort = new AbortController();
    const { signal, release } = linkedSignal(options.signal, abort.signal);
    const timer =
      options.timeoutMs === undefined
        ? undefined
        : this.#options.clock.after(options.timeoutMs, () =>
            abort.abort(new SwarmtsError('timeout', `exec timed out after ${options.timeoutMs} ms`)),
          );
    try {
      await writeFile(processFile, JSON.stringify(process), { mode: 0o600 });
      return await this.#run(id, ['exec', '--process', processFile, '--pid-file', pidFile, id], signal);
    } finally {
      timer?.cancel();
      release();
      // The runtime's client is dead by now; the process in the container is not.
      if (signal.aborted) await this.#killPidFile(pidFile);
      await rm(processFile, { force: true });
      await rm(pidFile, { force: true });
      if (signal.aborted) signal.throwIfAborted();
    }
  }

  /** Runs a process with these files for its streams; `directory` gets its configuration and, once it runs, `pid`. */
  async runExec(
    id: string,
    directory: string,
    process: OciProcess,
    files: Pick<ProcessSpec, 'stdinFile' | 'stdoutFile' | 'stderrFile'>,
  ): Promise<RunResult> {
    return this.helper.run({ ...(await this.#execSpec(id, directory, process)), ...files });
  }

  async runExecInTerminal(
    id: string,
    directory: string,
    process: OciProcess,
    terminal: Omit<TerminalSpec, 'process'>,
  ): Promise<RunResult> {
    return this.helper.runInTerminal({ ...terminal, process: await this.#execSpec(id, directory, process) });
  }

  /** Where a socket with a short path can be made. */
  socketPath(name: string): string {
    return join(this.#attachDir, name);
  }

  /** The socket through which the monitor takes input for the container. */
  attachSocket(id: string): string {
    return join(this.#attachDir, id, 'attach');
  }

  async #execSpec(id: string, directory: string, process: OciProcess): Promise<ProcessSpec> {
    const file = join(directory, 'process.json');
    await writeFile(file, JSON.stringify(process), { mode: 0o600 });
    const args = ['exec', '--process', file, '--pid-file', join(directory, 'pid'), id];
    return { argv: this.#command(id, args), env: { PATH: PROGRAM_PATH } };
  }

  async #killPidFile(path: string): Promise<void> {
    const pid = Number(await readFile(path, 'utf8').catch(() => ''));
    if (Number.isInteger(pid) && pid > 1) await this.#options.helper.kill(pid, SIGKILL);
  }

  async #must(id: string, args: readonly string[], what: string): Promise<void> {
    const result = await this.#run(id, args);
    if (result.code !== 0) throw new SwarmtsError('internal', `${what}: ${textOf(result.stderr)}`);
  }

  /** Each program keeps its states apart from the others', so that a container stays with the one that made it. */
  #rootOf(program: string): string {
    return join(this.#stateRoot, encodeURIComponent(program));
  }

  /** The program that made the container; the present one for containers that have no state. */
  #programOf(id: string): string {
    const made = readdirSync(this.#stateRoot).find((name) => existsSync(join(this.#stateRoot, name, id)));
    return made === undefined ? this.#options.runtimePath : decodeURIComponent(made);
  }

  /** Throws 'timeout' when the runtime is not done by then; it is killed. */
  async #runWithin(timeoutMs: number, id: string, args: readonly string[]): Promise<RunResult> {
    const abort = new AbortController();
    const timer = this.#options.clock.after(timeoutMs, () =>
      abort.abort(new SwarmtsError('timeout', `the OCI runtime was not done with '${args[0]}' in ${timeoutMs} ms`)),
    );
    try {
      return await this.#run(id, args, abort.signal);
    } finally {
      timer.cancel();
      abort.signal.throwIfAborted();
    }
  }

  #run(id: string, args: readonly string[], signal?: AbortSignal): Promise<RunResult> {
    return this.helper.run({ argv: this.#command(id, args), env: { PATH: PROGRAM_PATH } }, signal);
  }

  #command(id: string, args: readonly string[]): string[] {
    const program = this.#programOf(id);
    return [this.#pathOf(program), '--root', this.#rootOf(program), ...args];
  }

  #pathOf(program: string): string {
    return this.#options.programs?.pathOf(program) ?? program;
  }
}

/** conmon writes its own pid here before it does anything else. */
export function monitorPidFile(bundle: string): string {
  return join(bundle, 'conmon.pid');
}

/** conmon's control pipe. */
export function controlFifo(bundle: string): string {
  return join(bundle, 'ctl');
}

/** conmon leaves this file when the kernel's OOM killer struck. */
export function oomMarker(bundle: string): string {
  return join(bundle, 'persist', 'oom');
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8').trim();
}
