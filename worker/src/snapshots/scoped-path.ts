/**
 * Resolves paths inside of a root directory that somebody else filled, as if that root were "/": symbolic links are
 * followed within it, ".." stops at it. The answer never leaves the root. Paths are byte strings (latin1), and the
 * tree must not change meanwhile.
 */
import { lchownSync, lstatSync, mkdirSync, readlinkSync } from 'node:fs';
import { errnoOf, SwarmtsError } from '@swarmts/lib';

/** As the kernel's limit for one lookup. */
const MAX_LINKS = 40;
const DEFAULT_DIRECTORY_MODE = 0o755;

export interface ScopedPathOptions {
  /** Create missing directories on the way (not the last component), with this owner on the machine. */
  readonly createParents?: { readonly uid: number; readonly gid: number };
  /** Follow a symbolic link in the last component too. */
  readonly followLast?: boolean;
}

/** Byte string -> what the fs functions take. */
export function bytesOf(path: string): Buffer {
  return Buffer.from(path, 'latin1');
}

/** A file name from JavaScript text as a byte string. */
export function byteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/**
 * The path below `root` (no leading slash, '' for the root itself) that `path` means. Components that do not exist are
 * kept as they are. Throws 'corrupt' for link loops and for non-directories on the way.
 */
export function resolveScoped(root: string, path: string, options: ScopedPathOptions = {}): string {
  const todo = componentsOf(path);
  const done: string[] = [];
  let links = 0;
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    if (part === '..') {
      done.pop();
      continue;
    }
    const here = [...done, part].join('/');
    const isLast = todo.length === 0;
    const kind = kindOf(`${root}/${here}`);
    if (kind === 'link' && (!isLast || options.followLast)) {
      if (++links > MAX_LINKS) throw new SwarmtsError('corrupt', `too many symbolic links in '${path}'`);
      const target = readlinkSync(bytesOf(`${root}/${here}`), 'latin1');
      if (target.startsWith('/')) done.length = 0;
      todo.unshift(...componentsOf(target));
      continue;
    }
    if (!isLast && kind === 'other') throw new SwarmtsError('corrupt', `'${here}' is not a directory`);
    if (!isLast && kind === 'missing' && options.createParents) {
      const { uid, gid } = options.createParents;
      mkdirSync(bytesOf(`${root}/${here}`), DEFAULT_DIRECTORY_MODE);
      lchownSync(bytesOf(`${root}/${here}`), uid, gid);
    }
    done.push(part);
  }
  return done.join('/');
}

export type EntryKind = 'directory' | 'link' | 'other' | 'missing';

export function kindOf(path: string): EntryKind {
  try {
    const s = lstatSync(bytesOf(path));
    return s.isDirectory() ? 'directory' : s.isSymbolicLink() ? 'link' : 'other';
  } catch (e) {
    if (errnoOf(e) === 'ENOENT' || errnoOf(e) === 'ENOTDIR') return 'missing';
    throw e;
  }
}

function componentsOf(path: string): string[] {
  return path.split('/').filter((p) => p !== '' && p !== '.');
}
