/**
 * A user namespace together with the network namespace that belongs to it. A process with several threads cannot enter a user namespace,
 * so a child makes both (unshare(1), nsenter(1)), waits until its ids are mapped and the namespaces have their files, and ends.
 */
import { closeSync, mkdirSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import { messageOf, SwarmtsError } from '@swarmts/lib';
import { closeFd, createMemoryFile, deleteNetns, isNamespaceFile, mount, pipe, type Reaper, spawn } from 'vxlan-tools';
import type { IdRange } from '../userns/id-map.js';
import type { UserNetnsSpec } from './helper-api.js';
import { killGroup } from './run-process.js';

/** The child has nothing else to do than to come up. */
const READY_TIMEOUT_MS = 10_000;
const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' };
/** Its echo tells that the namespaces are there. */
const READY = 'r';
const MAX_STDERR_BYTES = 4096;

/** Repeating it makes the network namespace anew; a user namespace that has a file already is the one that owns it. */
export async function createUserNetns(spec: UserNetnsSpec, reaper: Reaper): Promise<void> {
  deleteNetns(spec.netns);
  const isKnown = isNamespaceFile(spec.userns);
  const enter = isKnown ? ['nsenter', `--user=${spec.userns}`, 'unshare'] : ['unshare', '--user'];
  const child = startChild([...enter, '--net', 'cat'], reaper);
  try {
    await child.up();
    if (!isKnown) {
      writeMap(`/proc/${child.pid}/uid_map`, spec.ids.uids);
      writeMap(`/proc/${child.pid}/gid_map`, spec.ids.gids);
      keep(`/proc/${child.pid}/ns/user`, spec.userns);
    }
    keep(`/proc/${child.pid}/ns/net`, spec.netns);
  } catch (e) {
    if (!isKnown) deleteNetns(spec.userns);
    deleteNetns(spec.netns);
    throw e;
  } finally {
    await child.end();
  }
}

interface Child {
  readonly pid: number;
  /** Resolves when its namespaces are there. Throws SwarmtsError 'internal' with what it says. */
  up(): Promise<void>;
  end(): Promise<void>;
}

function startChild(argv: readonly string[], reaper: Reaper): Child {
  const [inputFd, toChild] = pipe();
  const [fromChild, outputFd] = pipe();
  const stderrFd = createMemoryFile('stderr');
  let pid: number;
  try {
    const fds = [inputFd, outputFd, stderrFd].map((fd, i): [number, number] => [i, fd]);
    pid = spawn({ argv, env: ENV, fds: new Map(fds) });
  } catch (e) {
    for (const fd of [toChild, fromChild, stderrFd]) closeFd(fd);
    throw e;
  } finally {
    closeFd(inputFd);
    closeFd(outputFd);
  }
  let isAlive = true;
  const ended = reaper.wait(pid).then(() => {
    isAlive = false;
  });
  const echo = echoed(fromChild);
  const up = async () => {
    tryWrite(toChild);
    if (await echo) return;
    const why = textIn(stderrFd) || 'it did not come up';
    throw new SwarmtsError('internal', `no user namespace could be made: ${why} (sysctl user.max_user_namespaces?)`);
  };
  const end = async () => {
    closeFd(toChild);
    if (isAlive) killGroup(pid);
    await ended;
    closeFd(stderrFd);
  };
  return { pid, up, end };
}

/** A child that has ended already says why itself. */
function tryWrite(fd: number): void {
  try {
    writeSync(fd, READY);
  } catch {
    // Its output has ended as well.
  }
}

/** Whether the child said that it is up; takes the descriptor. */
function echoed(fd: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new Socket({ fd, readable: true, writable: false });
    const done = (isUp: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(isUp);
    };
    const timer = setTimeout(() => done(false), READY_TIMEOUT_MS);
    socket.on('error', () => done(false));
    socket.once('data', () => done(true));
    socket.once('close', () => done(false));
  });
}

function textIn(fd: number): string {
  const bytes = Buffer.alloc(MAX_STDERR_BYTES);
  return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, 0)).trim();
}

/** The kernel takes a map as one write. */
function writeMap(path: string, ranges: readonly IdRange[]): void {
  const lines = ranges.map((r) => `${r.containerId} ${r.hostId} ${r.size}\n`);
  try {
    writeFileSync(path, lines.join(''));
  } catch (e) {
    const what = `the kernel does not take these ids for a user namespace: ${lines.join(', ').replaceAll('\n', '')}`;
    throw new SwarmtsError('internal', `${what}: ${messageOf(e)}`, { cause: e });
  }
}

function keep(namespace: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, 'a', 0o444));
  mount({ source: namespace, target: path, fstype: '', flags: ['bind'] });
}
