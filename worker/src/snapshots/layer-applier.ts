/**
 * Writes the entries of one layer into an overlayfs lower directory. The layer is hostile until proven otherwise: every
 * path is resolved inside of the root, nothing is written through a link, and attributes that overlayfs itself
 * interprets are never taken from the archive.
 */
import {
  chmodSync,
  closeSync,
  constants,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import { CAPABILITY_XATTR, capabilityOnHost } from '../userns/file-capabilities.js';
import { type IdMaps, ownerOnHost, ROOT } from '../userns/id-map.js';
import { DiskBudget, type DiskLimits } from './disk-budget.js';
import { lsetxattr, mknod } from './posix-calls.js';
import { byteString, bytesOf, kindOf, resolveScoped } from './scoped-path.js';
import { SparseWriter } from './sparse-writer.js';
import type { TarHeader, TarReader } from './tar-reader.js';

const WHITEOUT_PREFIX = '.wh.';
const OPAQUE_MARKER = '.wh..wh..opq';
/** Leftovers of AUFS that mean nothing here. */
const AUFS_META_PREFIX = '.wh..wh.';
const OPAQUE_XATTR = 'trusted.overlay.opaque';
const FORBIDDEN_XATTRS = /^(trusted|user)\.overlay\./;
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
/** Owners outside of this cannot be mapped by the kernel. */
const MAX_ID = 0xffffffff - 1;

export interface AppliedLayer {
  /** Bytes of the regular files. */
  readonly sizeBytes: number;
}

export interface ApplyOptions {
  /** False: an archive that is no layer. `.wh.` names are names, and what climbs out of the root stays at it, as with Docker. */
  readonly isLayer?: boolean;
  readonly limits?: DiskLimits;
  /** Whose ids the archive has; the machine's without. */
  readonly ids?: IdMaps | undefined;
}

/** Applies all entries of `tar` to the directory `rootPath`, which is empty for a layer. The caller has set the umask to 0. */
export async function applyLayer(rootPath: string, tar: TarReader, options: ApplyOptions = {}): Promise<AppliedLayer> {
  const applier = new LayerApplier(
    byteString(rootPath),
    options.isLayer ?? true,
    new DiskBudget(rootPath, options.limits),
    options.ids,
  );
  for (let header = await tar.next(); header; header = await tar.next()) {
    try {
      await applier.apply(header, tar);
    } catch (e) {
      // Names and targets that no file system takes.
      const errno = errnoOf(e);
      if (errno === 'ENAMETOOLONG' || errno === 'EINVAL' || errno === 'ENOENT' || errno === 'ELOOP') {
        throw new SwarmtsError('corrupt', `invalid layer: '${header.name.slice(0, 100)}' cannot be made: ${errno}`, {
          cause: e,
        });
      }
      throw e;
    }
  }
  applier.finish();
  return { sizeBytes: applier.sizeBytes };
}

export interface ExtractOptions {
  /** A directory is not replaced by something else, nor something else by a directory. */
  readonly keepKinds: boolean;
  /** Of everything that is written, instead of the archive's. */
  readonly owner?: { readonly uid: number; readonly gid: number };
  readonly ids?: IdMaps | undefined;
}

/** Unpacks an ordinary archive into an existing directory that may hold anything: no name in it has a special meaning. */
export async function extractTree(rootPath: string, tar: TarReader, options: ExtractOptions): Promise<AppliedLayer> {
  const applier = new LayerApplier(byteString(rootPath), false, new DiskBudget(rootPath), options.ids, options);
  for (let header = await tar.next(); header; header = await tar.next()) await applier.apply(header, tar);
  applier.finish();
  return { sizeBytes: applier.sizeBytes };
}

class LayerApplier {
  readonly #root: string;
  readonly #isLayer: boolean;
  /** Undefined for a layer, and for an archive that is unpacked as one. */
  readonly #plain: ExtractOptions | undefined;
  readonly #budget: DiskBudget;
  readonly #ids: IdMaps | undefined;
  /** Directory times are set last: writing into a directory changes them. */
  readonly #directoryTimes = new Map<string, number>();
  /** Paths that this layer created, so that its own whiteouts do not hide them. */
  readonly #created = new Set<string>();
  /** The last parent directory that was resolved; archives list a directory's entries one after the other. */
  #lastParent: { readonly raw: string; readonly resolved: string } | undefined;
  /** A link may stand where a directory was. */
  #lostDirectories = false;
  #size = 0;

  constructor(root: string, isLayer: boolean, budget: DiskBudget, ids: IdMaps | undefined, plain?: ExtractOptions) {
    this.#root = root;
    this.#ids = ids;
    this.#budget = budget;
    this.#isLayer = isLayer;
    this.#plain = plain;
  }

  get sizeBytes(): number {
    return this.#size;
  }

  async apply(header: TarHeader, tar: TarReader): Promise<void> {
    this.#budget.entry(header.name, header.size);
    const name = this.#cleanName(header.name);
    if (name === '') {
      // What others than layers are unpacked into stays as it is.
      if (header.type === 'directory' && this.#isLayer) this.#setAttributes('', header);
      return;
    }
    const slash = name.lastIndexOf('/');
    const parent = this.#parent(slash < 0 ? '' : name.slice(0, slash));
    const base = name.slice(slash + 1);
    if (this.#isLayer && base.startsWith(WHITEOUT_PREFIX)) {
      this.#whiteout(parent, base);
      return;
    }
    await this.#create(join(parent, base), header, tar);
  }

  finish(): void {
    for (const [path, mtime] of this.#directoryTimes) {
      if (!this.#lostDirectories || this.#isDirectory(path)) this.#setTimes(path, mtime);
    }
  }

  /** From the top, so that nothing is looked at through a link. */
  #isDirectory(path: string): boolean {
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
      if (kindOf(this.#absolute(path.slice(0, end))) !== 'directory') return false;
    }
    return kindOf(this.#absolute(path)) === 'directory';
  }

  async #create(path: string, header: TarHeader, tar: TarReader): Promise<void> {
    const absolute = bytesOf(this.#absolute(path));
    const hidesLower = this.#makeWay(path, header);
    switch (header.type) {
      case 'directory':
        if (kindOf(this.#absolute(path)) !== 'directory') mkdirSync(absolute, 0o755);
        if (hidesLower) lsetxattr(absolute, OPAQUE_XATTR, 'y');
        break;
      case 'file':
        await this.#writeFile(absolute, tar);
        break;
      case 'symlink':
        symlinkSync(bytesOf(header.linkName), absolute);
        break;
      case 'hardlink':
        this.#hardLink(header, absolute);
        break;
      case 'char':
      case 'block':
        mknod(absolute, header.type, 0o600, header.devMajor, header.devMinor);
        break;
      case 'fifo':
        mknod(absolute, 'fifo', 0o600);
        break;
    }
    this.#created.add(path);
    if (header.type !== 'hardlink') this.#setAttributes(path, header);
  }

  /** Removes what stands where the entry goes. Tells whether it was a whiteout, so that the lower directory stays hidden. */
  #makeWay(path: string, header: TarHeader): boolean {
    const kind = kindOf(this.#absolute(path));
    if (kind === 'missing' || (kind === 'directory' && header.type === 'directory')) return false;
    if (this.#plain?.keepKinds && (kind === 'directory') !== (header.type === 'directory')) {
      const [old, kept] = kind === 'directory' ? ['directory', 'non-directory'] : ['non-directory', 'directory'];
      const message = `cannot overwrite ${old} ${JSON.stringify(`/${path}`)} with ${kept} ${JSON.stringify(header.name)}`;
      throw new SwarmtsError('invalid-argument', message);
    }
    const wasWhiteout = !this.#plain && kind === 'other' && isWhiteout(this.#absolute(path));
    this.#lastParent = undefined;
    if (kind === 'directory') this.#lostDirectories = true;
    rmSync(bytesOf(this.#absolute(path)), { recursive: true, force: true });
    return wasWhiteout;
  }

  async #writeFile(absolute: Buffer, tar: TarReader): Promise<void> {
    const fd = openSync(absolute, NEW_FILE, 0o600);
    try {
      const writer = new SparseWriter(fd);
      await tar.readBody((chunk) => {
        const before = writer.written;
        writer.write(chunk);
        this.#size += chunk.length;
        this.#budget.written(writer.written - before);
      });
      writer.finish();
    } finally {
      closeSync(fd);
    }
  }

  #hardLink(header: TarHeader, absolute: Buffer): void {
    const target = resolveScoped(this.#root, this.#cleanName(header.linkName));
    if (kindOf(this.#absolute(target)) === 'missing') {
      throw corrupt(`hard link '${header.name}' points to '${header.linkName}', which is not in the layer`);
    }
    try {
      linkSync(bytesOf(this.#absolute(target)), absolute);
    } catch (e) {
      if (errnoOf(e) === 'EPERM') throw corrupt(`hard link '${header.name}' to the directory '${header.linkName}'`);
      throw e;
    }
  }

  #whiteout(parent: string, base: string): void {
    if (base === OPAQUE_MARKER) {
      lsetxattr(bytesOf(this.#absolute(parent)), OPAQUE_XATTR, 'y');
      return;
    }
    if (base.startsWith(AUFS_META_PREFIX)) return;
    const hidden = base.slice(WHITEOUT_PREFIX.length);
    if (hidden === '' || hidden === '.' || hidden === '..') throw corrupt(`whiteout of '${hidden}' in '${parent}'`);
    const path = join(parent, hidden);
    if (this.#created.has(path)) {
      // The layer replaced it: a directory must not show what the lower layers had in it.
      if (kindOf(this.#absolute(path)) === 'directory') lsetxattr(bytesOf(this.#absolute(path)), OPAQUE_XATTR, 'y');
      return;
    }
    const kind = kindOf(this.#absolute(path));
    if (kind === 'directory') this.#lostDirectories = true;
    if (kind !== 'missing') rmSync(bytesOf(this.#absolute(path)), { recursive: true });
    this.#lastParent = undefined;
    mknod(bytesOf(this.#absolute(path)), 'char', 0, 0, 0);
  }

  /** Owner first: changing it clears setuid bits and file capabilities. */
  #setAttributes(path: string, header: TarHeader): void {
    if (!isId(header.uid) || !isId(header.gid)) throw corrupt(`'${header.name}' has an owner out of range`);
    const absolute = bytesOf(this.#absolute(path));
    const { uid, gid } = ownerOnHost(this.#ids, this.#plain?.owner ?? header);
    lchownSync(absolute, uid, gid);
    if (header.type !== 'symlink') chmodSync(absolute, header.mode);
    for (const [key, value] of header.xattrs) {
      if (FORBIDDEN_XATTRS.test(key)) continue;
      this.#setXattr(absolute, key, key === CAPABILITY_XATTR ? capabilityOnHost(this.#ids, value) : value);
    }
    if (header.type === 'directory') this.#directoryTimes.set(path, header.mtime);
    else this.#setTimes(path, header.mtime);
  }

  #setXattr(absolute: Buffer, key: string, value: string): void {
    try {
      lsetxattr(absolute, key, value);
    } catch (e) {
      // A file system without this kind of attribute, or user.* on a special file: the content is still right.
      if (errnoOf(e) !== 'ENOTSUP' && errnoOf(e) !== 'EOPNOTSUPP' && errnoOf(e) !== 'EPERM') throw e;
    }
  }

  #setTimes(path: string, mtime: number): void {
    lutimesSync(bytesOf(this.#absolute(path)), mtime, mtime);
  }

  #parent(raw: string): string {
    if (this.#lastParent?.raw === raw) return this.#lastParent.resolved;
    // The trailing component is there to make the parent itself part of the way, which must be directories.
    const createParents = ownerOnHost(this.#ids, ROOT);
    const resolved = resolveScoped(this.#root, join(raw, '.wh'), { createParents }).replace(/\/?\.wh$/, '');
    this.#lastParent = { raw, resolved };
    return resolved;
  }

  /** Lexically clean and relative; a name that climbs out of a layer is refused, an absolute one means the root. */
  #cleanName(name: string): string {
    const mayClimb = !this.#isLayer && this.#plain === undefined;
    const out: string[] = [];
    for (const part of name.split('/')) {
      if (part === '' || part === '.') continue;
      if (part !== '..') out.push(part);
      else if (out.pop() === undefined && !mayClimb) throw corrupt(`'${name}' leads out of the layer`);
    }
    if (name.includes('\0')) throw corrupt('file name with a NUL byte');
    return out.join('/');
  }

  #absolute(path: string): string {
    return path === '' ? this.#root : `${this.#root}/${path}`;
  }
}

function isId(n: number): boolean {
  return n >= 0 && n <= MAX_ID;
}

function isWhiteout(absolute: string): boolean {
  const s = lstatSync(bytesOf(absolute));
  return s.isCharacterDevice() && s.rdev === 0;
}

function join(parent: string, base: string): string {
  return parent === '' ? base : `${parent}/${base}`;
}

function corrupt(message: string): SwarmtsError {
  return new SwarmtsError('corrupt', `invalid layer: ${message}`);
}
