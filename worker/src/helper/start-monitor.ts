/**
 * Starts conmon, which forks itself away into a session of its own and then reports the container's pid, or why there is
 * none, as one JSON line over a sync pipe. conmon spins when one of fds 0, 1 and 2 is missing, so they are always there; none of
 * them leads back to this process, so conmon outlives helper and daemon.
 */
import { readFileSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import { closeFd, createMemoryFile, openFile, pipe, type Reaper } from 'vxlan-tools';
import type { MonitorStarted, ProcessSpec } from './helper-api.js';
import { inputFile, startIn } from './run-process.js';

/** An OCI runtime that has not created the container after this time is stuck. */
const START_TIMEOUT_MS = 120_000;
/** A report is one short line; the message in it is cut by conmon itself. */
const MAX_REPORT_BYTES = 256 * 1024;
const MAX_STDERR_BYTES = 64 * 1024;
/** The number that the pipe has in conmon. */
const SYNC_FD = 3;
const APPEND = 0o1 | 0o100 | 0o2000; // O_WRONLY | O_CREAT | O_APPEND

export async function startMonitor(spec: ProcessSpec, reaper: Reaper): Promise<MonitorStarted> {
  const [readFd, writeFd] = pipe();
  // A memory file instead of a pipe: nobody has to read it, and it stays valid when the helper is gone.
  const stderrFd =
    spec.stderrFile === undefined ? createMemoryFile('stderr') : openFile(spec.stderrFile, APPEND, 0o640);
  const report = new SyncPipe(readFd);
  try {
    let firstPid: number;
    try {
      firstPid = spawnMonitor(spec, stderrFd, writeFd);
    } finally {
      closeFd(writeFd);
    }
    const exit = reaper.wait(firstPid);
    const line = await report.line(START_TIMEOUT_MS);
    if (line === undefined) throw startError(spec, await exit, readStderr(spec, stderrFd));
    return parseReport(line, spec);
  } finally {
    report.close();
    closeFd(stderrFd);
  }
}

function spawnMonitor(spec: ProcessSpec, stderrFd: number, syncFd: number): number {
  const opened: number[] = [];
  try {
    const fds = new Map([
      [2, stderrFd],
      [SYNC_FD, syncFd],
    ]);
    if (spec.stdin !== undefined) {
      const fd = inputFile(spec.stdin);
      opened.push(fd);
      fds.set(0, fd);
    }
    if (spec.stdoutFile !== undefined) {
      const fd = openFile(spec.stdoutFile, APPEND, 0o640);
      opened.push(fd);
      fds.set(1, fd);
    }
    return startIn(spec, fds, { _OCI_SYNCPIPE: String(SYNC_FD) });
  } finally {
    for (const fd of opened) closeFd(fd);
  }
}

/** The key is `pid` for old interfaces of conmon and `data` for its API version 1. */
export function parseReport(line: string, spec: ProcessSpec): MonitorStarted {
  const report: unknown = JSON.parse(line);
  const fields: Record<string, unknown> = typeof report === 'object' && report !== null ? { ...report } : {};
  const pid = Number(fields.pid ?? fields.data ?? -1);
  if (!Number.isInteger(pid) || pid <= 0) {
    const message = typeof fields.message === 'string' ? fields.message.trim() : '';
    throw new SwarmtsError(
      'failed-precondition',
      message === '' ? `the OCI runtime failed: ${line}` : sentenceOf(message),
    );
  }
  return { pid, monitorPid: monitorPid(spec.argv, pid) };
}

/** conmon passes the runtime's log line on; its sentence is the last `msg`, in logfmt or JSON. */
export function sentenceOf(message: string): string {
  const sentences = [...message.matchAll(/\bmsg"?[=:]\s*("(?:[^"\\]|\\.)*")/g)];
  const quoted = sentences.at(-1)?.[1];
  if (quoted === undefined) return message;
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted.slice(1, -1);
  }
}

/**
 * conmon's own pid: from its pid file when it was told to write one, else the parent of the container's init. The file is written by
 * the process that forked conmon away, which may be later than conmon's report.
 */
function monitorPid(argv: readonly string[], containerPid: number): number {
  const file = pidFileArgument(argv);
  if (file !== undefined) {
    const pid = Number(textIfThere(file));
    if (Number.isInteger(pid) && pid > 0) return pid;
  }
  const stat = readFileSync(`/proc/${containerPid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

function textIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (e) {
    if (errnoOf(e) === 'ENOENT') return '';
    throw e;
  }
}

export function pidFileArgument(argv: readonly string[]): string | undefined {
  for (const [i, arg] of argv.entries()) {
    if (arg === '-P' || arg === '--conmon-pidfile') return argv[i + 1];
    if (arg.startsWith('--conmon-pidfile=')) return arg.slice('--conmon-pidfile='.length);
  }
  return undefined;
}

function readStderr(spec: ProcessSpec, fd: number): string {
  if (spec.stderrFile !== undefined) return '';
  const bytes = Buffer.alloc(MAX_STDERR_BYTES);
  return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0)).trim();
}

function startError(spec: ProcessSpec, exit: { code: number; signal: string }, stderr: string): SwarmtsError {
  const how = exit.signal === '' ? `exit code ${exit.code}` : exit.signal;
  return new SwarmtsError(
    'failed-precondition',
    `${spec.argv[0]} ended (${how}) before the container was created${stderr === '' ? '' : `: ${stderr}`}`,
  );
}

/** The reading end of the sync pipe. */
class SyncPipe {
  readonly #socket: Socket;

  constructor(fd: number) {
    this.#socket = new Socket({ fd, readable: true, writable: false });
    this.#socket.on('error', () => undefined);
  }

  /** The first line; undefined when the pipe ends without one. */
  line(timeoutMs: number): Promise<string | undefined> {
    return new Promise((resolve, reject) => {
      let text = '';
      const timer = setTimeout(
        () => reject(new SwarmtsError('timeout', `no report from the container monitor in ${timeoutMs} ms`)),
        timeoutMs,
      );
      this.#socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('utf8');
        const end = text.indexOf('\n');
        if (end < 0 && text.length < MAX_REPORT_BYTES) return;
        clearTimeout(timer);
        resolve(end < 0 ? text : text.slice(0, end));
      });
      this.#socket.once('close', () => {
        clearTimeout(timer);
        resolve(text.trim() === '' ? undefined : text);
      });
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}
