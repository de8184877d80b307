/**
 * Runs one process to its end inside of the helper: output captured through pipes that never block the loop, input from
 * a memory file, started in a network namespace when one is named. Every descriptor opened here is closed here.
 */
import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import {
  closeFd,
  createMemoryFile,
  type ExitStatus,
  O_NONBLOCK,
  openFile,
  pipe,
  type Reaper,
  rewind,
  setStatusFlags,
  spawn,
  withNetns,
} from 'vxlan-tools';
import type { ProcessSpec } from './helper-api.js';

/** What stdout and stderr may hold each; bytes beyond are read and dropped, so that the process does not stall. */
export const MAX_CAPTURE_BYTES = 8 * 1024 * 1024;
/** A process that left its output to a child of its own that goes on is not waited for longer than this. */
const OUTPUT_GRACE_MS = 1000;

export interface RunningProcess {
  readonly pid: number;
  readonly done: Promise<FinishedProcess>;
  /** SIGKILL to the whole process group. */
  kill(): void;
}

export interface FinishedProcess extends ExitStatus {
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

const O_RDONLY = 0;
const O_APPEND = 0o2000;
const APPEND = 0o1 | 0o100 | 0o2000; // O_WRONLY | O_CREAT | O_APPEND

/** Where an output goes: a file that it appends to, or a pipe that is captured. */
interface Output {
  readonly childFd: number;
  readonly capture: Capture | undefined;
}

export function runProcess(spec: ProcessSpec, reaper: Reaper): RunningProcess {
  const childFds: number[] = [];
  const outputs: Output[] = [];
  let pid: number;
  try {
    const fds = new Map<number, number>();
    if (spec.stdin !== undefined) {
      const fd = inputFile(spec.stdin);
      childFds.push(fd);
      fds.set(0, fd);
    } else if (spec.stdinFile !== undefined) {
      const fd = openBlocking(spec.stdinFile, O_RDONLY);
      childFds.push(fd);
      fds.set(0, fd);
    }
    for (const [target, file] of [
      [1, spec.stdoutFile],
      [2, spec.stderrFile],
    ] as const) {
      const output = openOutput(file);
      outputs.push(output);
      childFds.push(output.childFd);
      fds.set(target, output.childFd);
    }
    pid = startIn(spec, fds);
  } catch (e) {
    for (const output of outputs) output.capture?.abandon();
    throw e;
  } finally {
    for (const fd of childFds) closeFd(fd);
  }
  let ended = false;
  const captures = outputs.map((o) => o.capture);
  const done = finish(reaper.wait(pid), captures).finally(() => {
    ended = true;
  });
  return { pid, done, kill: () => (ended ? undefined : killGroup(pid)) };
}

/** Starts the process in the namespace that `spec` names, with an environment that is its whole one. */
export function startIn(
  spec: ProcessSpec,
  fds: ReadonlyMap<number, number>,
  extraEnv: Record<string, string> = {},
): number {
  const start = () =>
    spawn({
      argv: spec.argv,
      env: { ...spec.env, ...extraEnv },
      fds,
      ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
    });
  return spec.netns === undefined ? start() : withNetns(spec.netns, start);
}

/** Starts a process that nobody waits for; the reaper alone takes note of its end. */
export function startDetached(spec: ProcessSpec, reaper: Reaper): number {
  const opened: number[] = [];
  try {
    const fds = new Map<number, number>();
    for (const [target, file] of [
      [1, spec.stdoutFile],
      [2, spec.stderrFile],
    ] as const) {
      if (file === undefined) continue;
      const fd = openFile(file, APPEND, 0o640);
      opened.push(fd);
      fds.set(target, fd);
    }
    const pid = startIn(spec, fds);
    void reaper.wait(pid);
    return pid;
  } finally {
    for (const fd of opened) closeFd(fd);
  }
}

async function finish(exit: Promise<ExitStatus>, captures: readonly (Capture | undefined)[]): Promise<FinishedProcess> {
  const status = await exit;
  const [stdout, stderr] = await Promise.all(captures.map((c) => c?.drain(OUTPUT_GRACE_MS)));
  return { ...status, stdout: stdout ?? Buffer.alloc(0), stderr: stderr ?? Buffer.alloc(0) };
}

/** SIGKILL for a process that was started here and all that it has started. */
export function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It ended in the meantime.
  }
}

/** A memory file with the bytes, at its start. */
export function inputFile(bytes: Uint8Array): number {
  const fd = createMemoryFile('stdin');
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at);
  rewind(fd);
  return fd;
}

/** The open of a pipe whose other end is gone must not wait for it; what the child gets does wait. */
function openBlocking(file: string, flags: number): number {
  const fd = openFile(file, flags | O_NONBLOCK, 0o640);
  setStatusFlags(fd, flags & O_APPEND);
  return fd;
}

function openOutput(file: string | undefined): Output {
  if (file !== undefined) return { childFd: openBlocking(file, APPEND), capture: undefined };
  const [readFd, childFd] = pipe();
  return { childFd, capture: new Capture(readFd) };
}

/** Reads a pipe to its end and keeps the first MAX_CAPTURE_BYTES. */
class Capture {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  readonly #closed: Promise<void>;
  #bytes = 0;

  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#closed = new Promise((resolve) => this.#socket.once('close', () => resolve()));
    this.#socket.on('data', (chunk: Buffer) => this.#keep(chunk));
    // A read error on a pipe ends the capture as the end of the stream does: 'close' follows.
    this.#socket.on('error', () => undefined);
    this.#socket.resume();
  }

  async drain(graceMs: number): Promise<Buffer> {
    const timer = setTimeout(() => this.#socket.destroy(), graceMs);
    await this.#closed;
    clearTimeout(timer);
    return Buffer.concat(this.#chunks);
  }

  abandon(): void {
    this.#socket.destroy();
  }

  #keep(chunk: Buffer): void {
    const room = MAX_CAPTURE_BYTES - this.#bytes;
    if (room <= 0) return;
    const kept = chunk.length > room ? chunk.subarray(0, room) : chunk;
    this.#chunks.push(kept);
    this.#bytes += kept.length;
  }
}
