/**
 * Network namespaces as files. A window into another namespace is synchronous: nothing else of this process runs
 * while it is open, and it ends back home, or the process aborts, because a thread that stays in the wrong namespace would apply
 * everything that follows to the wrong machine.
 */
import { closeSync, mkdirSync, openSync, statfsSync, statSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { SystemCallError } from './errors.js';
import { CLONE_NEWNET, closeFd, MNT_DETACH, mount, O_RDONLY, openFile, setNamespace, umount2, unshare } from './ffi.js';
import { MS_BIND } from './mount.js';

const OWN_NAMESPACE = '/proc/thread-self/ns/net';
/** statfs type of nsfs, the filesystem of namespace files. */
const NSFS_MAGIC = 0x6e736673;

/**
 * Runs `fn` in the namespace of `path` and returns its result. `fn` must be synchronous: returning a promise is a TypeError.
 * Sockets opened inside stay in that namespace;
 * `homeFd` is a file descriptor of the caller's own namespace, for links that have one end there.
 */
export function withNetns<T>(path: string, fn: (homeFd: number) => T): T {
  return withHome((homeFd) => {
    const fd = openFile(path, O_RDONLY);
    try {
      setNamespace(fd, CLONE_NEWNET);
    } finally {
      closeFd(fd);
    }
    return guardSynchronous(fn, homeFd);
  });
}

function guardSynchronous<T>(fn: (homeFd: number) => T, homeFd: number): T {
  const result = fn(homeFd);
  if (result instanceof Promise) throw new TypeError('a namespace window must be synchronous');
  return result;
}

/** Opens the way back first, runs `fn`, and goes back whatever happens. */
function withHome<T>(fn: (homeFd: number) => T): T {
  const homeFd = openFile(OWN_NAMESPACE, O_RDONLY);
  try {
    return fn(homeFd);
  } finally {
    try {
      setNamespace(homeFd, CLONE_NEWNET);
    } catch {
      process.abort();
    }
    closeFd(homeFd);
  }
}

/** Whether `path` is a namespace file, that is a bind mount of a namespace (an empty leftover file is not). */
export function isNamespaceFile(path: string): boolean {
  try {
    return statfsSync(path).type === NSFS_MAGIC;
  } catch {
    return false;
  }
}

/**
 * Creates a network namespace that lives as long as its file, running `inside` in it. EEXIST when the file is a namespace already. When `inside` throws,
 * nothing is left.
 */
export function createNetns<T>(path: string, inside?: (homeFd: number) => T): T | undefined {
  if (isNamespaceFile(path)) throw new SystemCallError('create namespace', EEXIST, path);
  mkdirSync(dirname(path), { recursive: true });
  closeSync(openSync(path, 'a', 0o444));
  try {
    return withHome((homeFd) => {
      unshare(CLONE_NEWNET);
      mount(OWN_NAMESPACE, path, null, MS_BIND, null);
      return inside === undefined ? undefined : guardSynchronous(inside, homeFd);
    });
  } catch (e) {
    deleteNetns(path);
    throw e;
  }
}

/** Removes a namespace file; the namespace goes with its last process. A file that is not there is no error. */
export function deleteNetns(path: string): void {
  try {
    umount2(path, MNT_DETACH);
  } catch (e) {
    if (!(e instanceof SystemCallError) || (e.code !== 'EINVAL' && e.code !== 'ENOENT')) throw e;
  }
  try {
    unlinkSync(path);
  } catch (e) {
    if (!(e instanceof Error && 'code' in e && e.code === 'ENOENT')) throw e;
  }
}

/** Inode number that identifies a namespace: equal numbers are the same one. */
export function netnsInode(path: string = OWN_NAMESPACE): number {
  return statSync(path).ino;
}

const EEXIST = 17;
