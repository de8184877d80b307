/**
 * Packs a directory tree into a tar archive: the upper directory of an overlay as a layer (its whiteouts and opaque marks in
 * the form that image layers have), or a plain tree as it is. Entries come in the order of their names. The tree may change meanwhile,
 * and whoever changes it may be hostile: we go from directory to directory by open descriptors (see descent.ts), look up single names in
 * the working directory and follow no links, so that nothing from outside of the tree gets into the archive.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type Stats,
  statfsSync,
  statSync,
} from 'node:fs';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import { CAPABILITY_XATTR } from '../userns/file-capabilities.js';
import { Descent } from './descent.js';
import { fchdir, fgetxattr, flistxattr } from './posix-calls.js';
import { bytesOf } from './scoped-path.js';
import type { TarEntry, TarWriter } from './tar-writer.js';

const READ_BYTES = 256 << 10;
const OPAQUE_XATTR = 'trusted.overlay.opaque';
const OWN_XATTRS = /^(trusted|user)\.overlay\./;
const DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY;
/** Nobody waits for the other end of a pipe that has taken the place of a file. */
const NO_SURPRISE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** How opening something fails that is no more what it was. */
const REPLACED = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EINVAL'];
/** What is replaced again and again is no accident. */
const MAX_LOOKS = 10;
/** Types of file systems whose files the kernel makes up: proc, sysfs, cgroup and cgroup2, devpts, mqueue, debugfs, tracefs, securityfs, bpf. */
const KERNEL_TYPES: ReadonlySet<number> = new Set([
  0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x1cd1, 0x19800202, 0x64626720, 0x74726163, 0x73636673, 0xcafe4a11,
]);
/** As of the kernel's paths. */
const MAX_PATH_BYTES = 4096;

export interface PackOptions {
  /** Translate what overlayfs keeps in an upper directory. */
  readonly upper: boolean;
  /** Paths (byte strings, no leading slash) that are left out while they are empty: mount points that the engine made. */
  readonly emptyMounts: ReadonlySet<string>;
  /** Directories of the layers below, topmost first, as byte strings. */
  readonly lower?: readonly string[];
}

export interface PackResult {
  readonly entries: number;
  /** Bytes of the regular files. */
  readonly sizeBytes: number;
}

/** Goes through the tree by the working directory, which is the old one again afterwards. Nothing else may run in the thread. */
export function packTree(root: string, tar: TarWriter, options: PackOptions): PackResult {
  const packer = new TreePacker(tar, options);
  const before = openSync('.', DIRECTORY);
  try {
    packer.tree(root);
  } finally {
    fchdir(before);
    closeSync(before);
  }
  return { entries: packer.entries, sizeBytes: packer.sizeBytes };
}

/** A directory on the way from the top to the one that is being read. */
interface Directory {
  readonly path: string;
  readonly names: readonly string[];
  /** Of the name that comes next. */
  next: number;
}

class TreePacker {
  readonly #tar: TarWriter;
  readonly #options: PackOptions;
  /** The first name of files with several. */
  readonly #links = new Map<string, string>();
  /** Directories above mount points. */
  readonly #holdsMounts: ReadonlySet<string>;
  readonly #buffer = Buffer.alloc(READ_BYTES);
  /** A stack of its own: trees may be deeper than that of calls. */
  readonly #directories: Directory[] = [];
  readonly #descent = new Descent();
  /** Of the top of the tree. Somewhere else may be files of the kernel's, whose directories stay empty, as with Docker. */
  #dev = 0;
  entries = 0;
  sizeBytes = 0;

  constructor(tar: TarWriter, options: PackOptions) {
    this.#tar = tar;
    this.#options = options;
    this.#holdsMounts = new Set([...options.emptyMounts].flatMap(parentsOf));
  }

  tree(root: string): void {
    try {
      this.#descent.enter(openSync(bytesOf(root), DIRECTORY), '');
      this.#dev = statSync('.').dev;
      this.#directories.push({ path: '', names: namesIn('.'), next: 0 });
      for (let d = this.#directories.at(-1); d; d = this.#directories.at(-1)) this.#step(d);
    } finally {
      this.#descent.close();
    }
  }

  /** `d` is the working directory; afterwards that is the last one of the stack again. */
  #step(d: Directory): void {
    const name = d.names[d.next++];
    if (name !== undefined) this.#entry(name, d.path === '' ? name : `${d.path}/${name}`);
    else {
      this.#directories.pop();
      this.#descent.leave();
    }
  }

  /** `name` is in the working directory. */
  #entry(name: string, path: string): void {
    if (path.length > MAX_PATH_BYTES) {
      const what = `'${path.slice(0, 100)}...': a path of more than ${MAX_PATH_BYTES} bytes, which nobody can unpack`;
      throw new SwarmtsError('invalid-argument', what);
    }
    for (let look = 0; look < MAX_LOOKS; look++) {
      const s = lstatSync(bytesOf(name), { throwIfNoEntry: false });
      // Gone since the directory was read.
      if (s === undefined || this.#packed(name, path, s)) return;
    }
    throw new SwarmtsError('aborted', `'${path}' was replaced again and again while it was read`);
  }

  /** False when it is something else by now than it was for `s`; nothing is written then. */
  #packed(name: string, path: string, s: Stats): boolean {
    if (this.#isEnginesOwn(name, path, s)) return true;
    if (this.#options.upper && s.isCharacterDevice() && s.rdev === 0) {
      this.#put({ ...common(s), name: whiteoutOf(path), type: 'file', size: 0, mode: 0 });
      return true;
    }
    if (this.#options.upper && name.startsWith('.wh.')) {
      throw new SwarmtsError(
        'invalid-argument',
        `'${path}': a name that begins with .wh. is one that no layer can hold`,
      );
    }
    if (s.isDirectory()) return this.#packDirectory(name, path, s);
    if (s.isFile()) return this.#packFile(name, path, s);
    if (s.isSymbolicLink()) return this.#packLink(name, path, s);
    const special = specialKind(s);
    if (special) this.#put({ ...common(s), name: path, ...special });
    // Sockets have no meaning in an image.
    return true;
  }

  #packLink(name: string, path: string, s: Stats): boolean {
    const linkName = unlessReplaced(() => readlinkSync(bytesOf(name), 'latin1'));
    if (linkName === undefined) return false;
    this.#put({ ...common(s), name: path, type: 'symlink', linkName, mode: 0o777 });
    return true;
  }

  /** Its content comes with the next steps. */
  #packDirectory(name: string, path: string, s: Stats): boolean {
    const opened = openedAs(name, DIRECTORY | NO_SURPRISE, s);
    if (opened === undefined) return false;
    this.#descent.enter(opened.fd, path);
    this.#put({ ...common(s), name: path, type: 'directory', xattrs: xattrsOf(opened.fd) });
    if (this.#options.upper && fgetxattr(opened.fd, OPAQUE_XATTR) === 'y') {
      this.#put({ ...common(s), name: `${path}/.wh..wh..opq`, type: 'file', size: 0, mode: 0 });
    }
    const isKernels = s.dev !== this.#dev && KERNEL_TYPES.has(statfsSync('.').type);
    this.#directories.push({ path, names: isKernels ? [] : namesIn('.'), next: 0 });
    return true;
  }

  #packFile(name: string, path: string, s: Stats): boolean {
    const opened = openedAs(name, NO_SURPRISE, s);
    if (opened === undefined) return false;
    try {
      this.#putFile(opened.fd, path, opened.now);
      return true;
    } finally {
      closeSync(opened.fd);
    }
  }

  #putFile(fd: number, path: string, s: Stats): void {
    const key = `${s.dev}:${s.ino}`;
    const first = s.nlink > 1 ? this.#links.get(key) : undefined;
    if (first !== undefined) {
      this.#put({ ...common(s), name: path, type: 'hardlink', linkName: first });
      return;
    }
    if (s.nlink > 1) this.#links.set(key, path);
    this.#put({ ...common(s), name: path, type: 'file', size: s.size, xattrs: xattrsOf(fd) });
    this.#copyBody(fd, s.size);
    this.sizeBytes += s.size;
  }

  /** What has become shorter is filled up with zeros, as tar does: its header is written already. */
  #copyBody(fd: number, size: number): void {
    for (let left = size; left > 0; ) {
      const wanted = Math.min(left, READ_BYTES);
      const read = readSync(fd, this.#buffer, 0, wanted, null);
      if (read === 0) this.#buffer.fill(0, 0, wanted);
      const count = read === 0 ? wanted : read;
      this.#tar.body(this.#buffer.subarray(0, count));
      left -= count;
    }
  }

  #put(entry: TarEntry): void {
    this.entries++;
    this.#tar.entry(entry);
  }

  /** An empty mount point, or a directory that is there for nothing else and is otherwise as it was. `place` is where it is from here. */
  #isEnginesOwn(place: string, path: string, s: Stats): boolean {
    const isMount = this.#options.emptyMounts.has(path);
    if (s.isFile()) return isMount && s.size === 0;
    if (!s.isDirectory() || !(isMount || this.#holdsMounts.has(path)) || this.#wasChanged(path, s)) return false;
    const names = namesIn(place);
    if (names.length === 0) return isMount;
    return names.every((n) => {
      const inner = lstatSync(bytesOf(`${place}/${n}`), { throwIfNoEntry: false });
      return inner === undefined || this.#isEnginesOwn(`${place}/${n}`, `${path}/${n}`, inner);
    });
  }

  /** Mode or owner differ from those in the layers below. */
  #wasChanged(path: string, s: Stats): boolean {
    for (const lower of this.#options.lower ?? []) {
      const below = lstatSync(bytesOf(`${lower}/${path}`), { throwIfNoEntry: false });
      if (below) return below.mode !== s.mode || below.uid !== s.uid || below.gid !== s.gid;
    }
    return false;
  }
}

/** The open file and what it is now; undefined when it is not the one that `s` was taken of. */
function openedAs(name: string, flags: number, s: Stats): { readonly fd: number; readonly now: Stats } | undefined {
  const fd = unlessReplaced(() => openSync(bytesOf(name), flags));
  if (fd === undefined) return undefined;
  const now = fstatSync(fd);
  if (now.dev === s.dev && now.ino === s.ino) return { fd, now };
  closeSync(fd);
  return undefined;
}

function unlessReplaced<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (e) {
    if (REPLACED.includes(errnoOf(e) ?? '')) return undefined;
    throw e;
  }
}

/** Sorted; none of a directory that is gone. */
function namesIn(place: string): string[] {
  return unlessReplaced(() => readdirSync(bytesOf(place), { encoding: 'latin1' }).sort()) ?? [];
}

function xattrsOf(fd: number): Map<string, string> {
  const out = new Map<string, string>();
  for (const name of flistxattr(fd)) {
    const value = OWN_XATTRS.test(name) || !isPacked(name) ? undefined : fgetxattr(fd, name);
    if (value !== undefined) out.set(name, value);
  }
  return out;
}

/** As in Docker's layers: capabilities and user attributes, not the machine's security labels. */
function isPacked(name: string): boolean {
  return name === CAPABILITY_XATTR || name.startsWith('user.');
}

function common(s: Stats): Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime'> {
  return { mode: s.mode & 0o7777, uid: s.uid, gid: s.gid, mtime: Math.floor(s.mtimeMs / 1000) };
}

function parentsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'));
}

function whiteoutOf(path: string): string {
  const slash = path.lastIndexOf('/');
  return `${path.slice(0, slash + 1)}.wh.${path.slice(slash + 1)}`;
}

/** What a device or a pipe is; undefined for everything else. */
export function specialKind(s: Stats): Pick<TarEntry, 'type' | 'devMajor' | 'devMinor'> | undefined {
  if (s.isFIFO()) return { type: 'fifo' };
  if (!s.isCharacterDevice() && !s.isBlockDevice()) return undefined;
  const type = s.isCharacterDevice() ? 'char' : 'block';
  return { type, devMajor: majorOf(s.rdev), devMinor: minorOf(s.rdev) };
}

function majorOf(rdev: number): number {
  return ((rdev >>> 8) & 0xfff) + Math.floor(rdev / 2 ** 32 / 0x1000) * 0x1000;
}

function minorOf(rdev: number): number {
  return (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
}
