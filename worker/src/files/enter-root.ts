/**
 * Makes a container's "/" the calling thread's own. Whatever links the container makes, now or while we work, lead within it: the kernel
 * resolves every path below the new root. Only synchronous file calls are made afterwards, because other threads stay outside.
 */
import { chownSync, closeSync, existsSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import koffi from 'koffi';
import { mount, SystemCallError } from 'vxlan-tools';
import { byteString, bytesOf, resolveScoped } from '../snapshots/scoped-path.js';
import { makeWorkingDir } from '../snapshots/working-dir.js';
import type { RootRequest } from './files-request.js';

const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x20000;

const libc = koffi.load('libc.so.6');
const unshareCall = libc.func('int unshare(int flags)');
const setnsCall = libc.func('int setns(int fd, int type)');
const chrootCall = libc.func('int chroot(const char *path)');
const chdirCall = libc.func('int chdir(const char *path)');

export function enterRoot(root: RootRequest): void {
  switch (root.kind) {
    case 'process': {
      const fd = openSync(`/proc/${root.pid}/ns/mnt`, 'r');
      check(unshareCall(CLONE_FS), 'unshare', 'file system attributes');
      check(setnsCall(fd, CLONE_NEWNS), 'setns', `mounts of process ${root.pid}`);
      check(chdirCall('/'), 'chdir', '/');
      return;
    }
    case 'directory':
      check(unshareCall(CLONE_FS), 'unshare', 'file system attributes');
      changeRoot(root.path);
      return;
    case 'overlay':
      // What is mounted from here on is seen by this child alone, and goes with it however it ends.
      check(unshareCall(CLONE_FS | CLONE_NEWNS), 'unshare', 'mounts');
      mount({ source: 'none', target: '/', fstype: '', flags: ['rslave'] });
      check(chdirCall(root.cwd), 'chdir', root.cwd);
      mount({ source: 'overlay', target: root.target, fstype: 'overlay', data: root.data });
      makeWorkingDir(root.target, root.workingDir, root.owner);
      for (const b of root.binds) bind(root.target, b, root.owner);
      changeRoot(root.target);
  }
}

type Overlay = Extract<RootRequest, { kind: 'overlay' }>;
type Bind = Overlay['binds'][number];

/** Nothing runs in the container: its links do not change meanwhile. */
function bind(root: string, b: Bind, owner: Overlay['owner']): void {
  // What is not there any more hides nothing; the next start says so.
  if (!existsSync(b.source)) return;
  const inside = resolveScoped(byteString(root), byteString(b.target), { followLast: true });
  const target = bytesOf(`${byteString(root)}/${inside}`).toString('utf8');
  if (!existsSync(target)) makePlace(target, b.source, owner);
  mount({ source: b.source, target, fstype: 'none', flags: ['bind', 'rec', ...(b.readOnly ? ['ro'] : [])] });
}

/** The place to mount on, as the runtime makes it when the container starts. */
function makePlace(target: string, source: string, owner: Overlay['owner']): void {
  const isDirectory = statSync(source).isDirectory();
  const first = mkdirSync(isDirectory ? target : dirname(target), { recursive: true, mode: 0o755 });
  if (!isDirectory) closeSync(openSync(target, 'wx', 0o755));
  const made = isDirectory ? [] : [target];
  for (let d = isDirectory ? target : dirname(target); first !== undefined && d.length >= first.length; d = dirname(d))
    made.push(d);
  for (const path of made) chownSync(path, owner.uid, owner.gid);
}

function changeRoot(path: string): void {
  check(chrootCall(path), 'chroot', path);
  check(chdirCall('/'), 'chdir', '/');
}

function check(result: number, call: string, subject: string): void {
  if (result !== 0) throw new SystemCallError(call, koffi.errno(), subject);
}
