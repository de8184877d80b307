/**
 * A user namespace together with the network namespace that belongs to it. A process with several threads cannot enter a user namespace,
 * so a child makes both (unshare(1), nsenter(1)), waits until its ids are mapped and the namespaces have their files, and ends.
 */
import { closeSync, mkdirSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { dirname } from 'node:path';
import { SwarmtsError } from '@swarmts/lib';
import { closeFd, deleteNetns, isNamespaceFile, mount, pipe, type Reaper, spawn } from 'vxlan-tools';
import type { IdRange } from '../userns/id-map.js';
import type { UserNetnsSpec } from './helper-api.js';

/** The child has nothing else to do than to come up. */
const READY_TIMEOUT_MS = 10_000;
const ENV = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin' };
/** Its echo tells that the namespaces are there. */
const READY = 'r';

/** Repeating it makes the network namespace anew; a user namespace that has a file already is the one that owns it. */
export async function createUserNetns(spec: UserNetnsSpec, reaper: Reaper): Promise<void> {
  deleteNetns(spec.netns);
  const isKnown = isNamespaceFile(spec.userns);
  const enter = isKnown
    ? ['nsenter', `--user=${spec.userns}`, 'unshare', '--net', 'cat']
    : ['unshare', '--user', '--net', 'cat'];
  const [inputFd, toChild] = pipe();
  const [fromChild, outputFd] = pipe();
  let pid: number;
  try {
    pid = spawn({
      argv: enter,
      env: ENV,
      fds: new Map([
        [0, inputFd],
        [1, outputFd],
      ]),
    });
  } finally {
    closeFd(inputFd);
    closeFd(outputFd);
  }
  const ended = reaper.wait(pid);
  try {
    writeSync(toChild, READY);
    if (!(await echoed(fromChild)))
      throw new SwarmtsError('internal', `no user namespace could be made: ${USUAL_REASON}`);
    if (!isKnown) {
      writeMap(`/proc/${pid}/uid_map`, spec.ids.uids);
      writeMap(`/proc/${pid}/gid_map`, spec.ids.gids);
      keep(`/proc/${pid}/ns/user`, spec.userns);
    }
    keep(`/proc/${pid}/ns/net`, spec.netns);
  } catch (e) {
    if (!isKnown) deleteNetns(spec.userns);
    deleteNetns(spec.netns);
    throw e;
  } finally {
    // The end of its input is the child's end.
    closeFd(toChild);
    await ended;
  }
}

const USUAL_REASON = 'look whether user.max_user_namespaces is 0 (sysctl)';

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

function writeMap(path: string, ranges: readonly IdRange[]): void {
  // The kernel takes a map as one write.
  writeFileSync(path, ranges.map((r) => `${r.containerId} ${r.hostId} ${r.size}\n`).join(''));
}

function keep(namespace: string, path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, 'a', 0o444));
  mount({ source: namespace, target: path, fstype: '', flags: ['bind'] });
}
