/**
 * Starting processes with posix_spawn: a tenth of a millisecond where a fork of Node takes several, at any size of the heap.
 * libuv knows nothing of these children, so each must be reaped by its pid: `Reaper` does that on SIGCHLD.
 */

import { accessSync, constants as fsConstants, statSync } from 'node:fs';
import { constants } from 'node:os';
import { SystemCallError } from './errors.js';
import { type FileAction, posixSpawn, WNOHANG, waitPid } from './ffi.js';

export interface ExitStatus {
  /** Exit code, or -1 when a signal ended it. */
  readonly code: number;
  /** 'SIGKILL', ... or '' when it exited. */
  readonly signal: string;
}

const signalNames = new Map<number, string>(Object.entries(constants.signals).map(([name, n]) => [n, name]));

export function decodeStatus(status: number): ExitStatus {
  const signal = status & 0x7f;
  if (signal === 0) return { code: (status >> 8) & 0xff, signal: '' };
  return { code: -1, signal: signalNames.get(signal) ?? `SIG${signal}` };
}

export interface Spawn {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** File descriptors of this process by the number that they get in the child. 0, 1 and 2 that are not named are /dev/null. */
  readonly fds?: ReadonlyMap<number, number>;
}

/** Directories searched for a program that is not given by path. */
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The path of a program, looked up in `searchPath`. Throws ENOENT when there is no such executable. */
export function findProgram(name: string, searchPath: string = process.env.PATH ?? DEFAULT_PATH): string {
  const candidates = name.includes('/')
    ? [name]
    : searchPath.split(':').map((dir) => `${dir === '' ? '.' : dir}/${name}`);
  for (const candidate of candidates) {
    try {
      accessSync(candidate, fsConstants.X_OK);
      if (statSync(candidate).isFile()) return candidate;
    } catch {
      // The next directory may have it.
    }
  }
  throw new SystemCallError('exec', ENOENT, name);
}

/** Starts a process, the leader of its own session and process group. Returns its pid. */
export function spawn(spec: Spawn): number {
  const [program = ''] = spec.argv;
  const path = findProgram(program);
  const env = Object.entries(spec.env).map(([name, value]) => `${name}=${value}`);
  return posixSpawn(path, spec.argv, env, fileActions(spec));
}

/**
 * Sources are first moved above every target, so that no dup2 overwrites a source that a later one needs; those copies are
 * closed again in the child.
 */
function fileActions(spec: Spawn): FileAction[] {
  const fds = [...(spec.fds ?? [])];
  const base = Math.max(2, ...fds.flat()) + 1;
  const actions: FileAction[] = [];
  for (const [i, [, fd]] of fds.entries()) actions.push({ kind: 'dup2', fd, target: base + i });
  for (const [i, [target]] of fds.entries()) actions.push({ kind: 'dup2', fd: base + i, target });
  for (let i = 0; i < fds.length; i++) actions.push({ kind: 'close', target: base + i });
  for (const target of [0, 1, 2]) {
    if (spec.fds?.has(target) === true) continue;
    actions.push({ kind: 'open', target, path: '/dev/null', flags: target === 0 ? O_RDONLY : O_WRONLY });
  }
  if (spec.cwd !== undefined) actions.push({ kind: 'chdir', path: spec.cwd });
  return actions;
}

const O_RDONLY = 0;
const O_WRONLY = 1;
const ENOENT = 2;

/** Collects the exit statuses of children that posix_spawn started. Children of libuv are never touched. */
export class Reaper {
  readonly #waiting = new Map<number, (status: ExitStatus) => void>();
  readonly #onChild = () => this.reap();

  constructor() {
    process.on('SIGCHLD', this.#onChild);
  }

  /** Resolves when the child has ended. Call it in the same turn as the spawn. */
  wait(pid: number): Promise<ExitStatus> {
    return new Promise((resolve) => {
      this.#waiting.set(pid, resolve);
      this.#reapOne(pid, resolve);
    });
  }

  /** Children that are still running. */
  get pids(): readonly number[] {
    return [...this.#waiting.keys()];
  }

  /** Looks at every child once. SIGCHLD of several children may come as one. */
  reap(): void {
    for (const [pid, resolve] of [...this.#waiting]) this.#reapOne(pid, resolve);
  }

  close(): void {
    process.off('SIGCHLD', this.#onChild);
  }

  #reapOne(pid: number, resolve: (status: ExitStatus) => void): void {
    const status = statusOf(pid);
    if (status === undefined) return;
    this.#waiting.delete(pid);
    resolve(status);
  }
}

/** undefined while the child runs. A child that somebody else has reaped is gone, with a status that nobody knows. */
function statusOf(pid: number): ExitStatus | undefined {
  try {
    const [got, status] = waitPid(pid, WNOHANG);
    return got === 0 ? undefined : decodeStatus(status);
  } catch (e) {
    if (e instanceof SystemCallError && e.code === 'ECHILD') return { code: -1, signal: '' };
    throw e;
  }
}
