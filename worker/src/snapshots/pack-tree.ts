/**
 * Packs a directory tree into a tar archive: the upper directory of an overlay as a layer (its whiteouts and opaque marks in
 * the form that image layers have), or a plain tree as it is. Entries come in the order of their names.
 */
import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats } from 'node:fs';
import { SwarmtsError } from '@swarmts/lib';
import { CAPABILITY_XATTR } from '../userns/file-capabilities.js';
import { lgetxattr, llistxattr } from './posix-calls.js';
import { bytesOf } from './scoped-path.js';
import type { TarEntry, TarWriter } from './tar-writer.js';

const READ_BYTES = 256 << 10;
const OPAQUE_XATTR = 'trusted.overlay.opaque';
const OWN_XATTRS = /^(trusted|user)\.overlay\./;

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

export function packTree(root: string, tar: TarWriter, options: PackOptions): PackResult {
  const packer = new TreePacker(root, tar, options);
  packer.directory('');
  return { entries: packer.entries, sizeBytes: packer.sizeBytes };
}

class TreePacker {
  readonly #root: string;
  readonly #tar: TarWriter;
  readonly #options: PackOptions;
  /** The first name of files with several. */
  readonly #links = new Map<string, string>();
  /** Directories above mount points. */
  readonly #holdsMounts: ReadonlySet<string>;
  readonly #buffer = Buffer.alloc(READ_BYTES);
  entries = 0;
  sizeBytes = 0;

  constructor(root: string, tar: TarWriter, options: PackOptions) {
    this.#root = root;
    this.#tar = tar;
    this.#options = options;
    this.#holdsMounts = new Set([...options.emptyMounts].flatMap(parentsOf));
  }

  directory(path: string): void {
    const names = readdirSync(bytesOf(this.#absolute(path)), { encoding: 'latin1' }).sort();
    for (const name of names) this.#entry(path === '' ? name : `${path}/${name}`);
  }

  #entry(path: string): void {
    const s = lstatSync(bytesOf(this.#absolute(path)));
    if (this.#isEnginesOwn(path, s)) return;
    if (this.#options.upper && s.isCharacterDevice() && s.rdev === 0) {
      this.#put({ ...common(s), name: whiteoutOf(path), type: 'file', size: 0, mode: 0 });
      return;
    }
    if (this.#options.upper && path.slice(path.lastIndexOf('/') + 1).startsWith('.wh.')) {
      throw new SwarmtsError(
        'invalid-argument',
        `'${path}': a name that begins with .wh. is one that no layer can hold`,
      );
    }
    if (s.isDirectory()) this.#packDirectory(path, s);
    else if (s.isSymbolicLink()) {
      const linkName = readlinkSync(bytesOf(this.#absolute(path)), 'latin1');
      this.#put({ ...common(s), name: path, type: 'symlink', linkName, mode: 0o777 });
    } else if (s.isFile()) this.#packFile(path, s);
    else if (s.isCharacterDevice() || s.isBlockDevice()) {
      const type = s.isCharacterDevice() ? 'char' : 'block';
      this.#put({ ...common(s), name: path, type, devMajor: majorOf(s.rdev), devMinor: minorOf(s.rdev) });
    } else if (s.isFIFO()) this.#put({ ...common(s), name: path, type: 'fifo' });
    // Sockets have no meaning in an image.
  }

  #packDirectory(path: string, s: Stats): void {
    this.#put({ ...common(s), name: path, type: 'directory', xattrs: this.#xattrs(path) });
    if (this.#options.upper && lgetxattr(bytesOf(this.#absolute(path)), OPAQUE_XATTR) === 'y') {
      this.#put({ ...common(s), name: `${path}/.wh..wh..opq`, type: 'file', size: 0, mode: 0 });
    }
    this.directory(path);
  }

  #packFile(path: string, s: Stats): void {
    const key = `${s.dev}:${s.ino}`;
    const first = s.nlink > 1 ? this.#links.get(key) : undefined;
    if (first !== undefined) {
      this.#put({ ...common(s), name: path, type: 'hardlink', linkName: first });
      return;
    }
    if (s.nlink > 1) this.#links.set(key, path);
    this.#put({ ...common(s), name: path, type: 'file', size: s.size, xattrs: this.#xattrs(path) });
    this.#copyBody(path, s.size);
    this.sizeBytes += s.size;
  }

  #copyBody(path: string, size: number): void {
    const fd = openSync(bytesOf(this.#absolute(path)), 'r');
    try {
      for (let left = size; left > 0; ) {
        const count = readSync(fd, this.#buffer, 0, Math.min(left, READ_BYTES), null);
        if (count === 0) throw new SwarmtsError('aborted', `'${path}' became shorter while it was read`);
        this.#tar.body(this.#buffer.subarray(0, count));
        left -= count;
      }
    } finally {
      closeSync(fd);
    }
  }

  #put(entry: TarEntry): void {
    this.entries++;
    this.#tar.entry(entry);
  }

  #xattrs(path: string): Map<string, string> {
    const absolute = bytesOf(this.#absolute(path));
    const out = new Map<string, string>();
    for (const name of llistxattr(absolute)) {
      const value = OWN_XATTRS.test(name) || !isPacked(name) ? undefined : lgetxattr(absolute, name);
      if (value !== undefined) out.set(name, value);
    }
    return out;
  }

  /** An empty mount point, or a directory that is there for nothing else and is otherwise as it was. */
  #isEnginesOwn(path: string, s: Stats): boolean {
    const isMount = this.#options.emptyMounts.has(path);
    if (s.isFile()) return isMount && s.size === 0;
    if (!s.isDirectory() || !(isMount || this.#holdsMounts.has(path)) || this.#wasChanged(path, s)) return false;
    const names = readdirSync(bytesOf(this.#absolute(path)), { encoding: 'latin1' });
    if (names.length === 0) return isMount;
    return names.every((n) => this.#isEnginesOwn(`${path}/${n}`, lstatSync(bytesOf(this.#absolute(`${path}/${n}`)))));
  }

  /** Mode or owner differ from those in the layers below. */
  #wasChanged(path: string, s: Stats): boolean {
    for (const lower of this.#options.lower ?? []) {
      const below = lstatSync(bytesOf(`${lower}/${path}`), { throwIfNoEntry: false });
      if (below) return below.mode !== s.mode || below.uid !== s.uid || below.gid !== s.gid;
    }
    return false;
  }

  #absolute(path: string): string {
    return path === '' ? this.#root : `${this.#root}/${path}`;
  }
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

function majorOf(rdev: number): number {
  return ((rdev >>> 8) & 0xfff) + Math.floor(rdev / 2 ** 32 / 0x1000) * 0x1000;
}

function minorOf(rdev: number): number {
  return (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
}
