/**
 * Copies the sources of COPY and ADD into a mounted root file system, by Docker's rules: a directory's content goes into the
 * destination, a file becomes it or goes into it; owners are root's, those that were asked for or those of another stage. Every path is resolved inside
 * of its root, so that links of an image lead nowhere else. Runs in the building child.
 */
import {
  chmodSync,
  constants,
  copyFileSync,
  createReadStream,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  type Stats,
  symlinkSync,
} from 'node:fs';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import { decompressed } from '../snapshots/decompress.js';
import { applyLayer } from '../snapshots/layer-applier.js';
import { lgetxattr, llistxattr, lsetxattr, mknod } from '../snapshots/posix-calls.js';
import { readScopedText } from '../snapshots/scoped-file.js';
import { byteString, bytesOf, kindOf, resolveScoped } from '../snapshots/scoped-path.js';
import { TarReader } from '../snapshots/tar-reader.js';
import { CAPABILITY_XATTR, capabilityOnHost } from '../userns/file-capabilities.js';
import { type IdMaps, type Owner, ownerOnHost } from '../userns/id-map.js';
import type { CopyRequest, CopySource } from './build-request.js';
import { ownerOf } from './file-owner.js';

interface Target {
  readonly root: string;
  /** On the machine. */
  readonly owner: Owner;
  readonly ids: IdMaps | undefined;
  readonly mode: number | undefined;
  /** What is copied belongs to whom it did, and not to `owner`. */
  readonly keepsOwners: boolean;
  readonly links: CopiedLinks;
}

/** Files with several names: where the first of them was copied to, by device and inode. */
class CopiedLinks {
  readonly #places = new Map<string, string>();
  readonly #keys = new Map<string, string>();

  placeOf(key: string): string | undefined {
    return this.#places.get(key);
  }

  copied(key: string, place: string): void {
    this.#places.set(key, place);
    this.#keys.set(place, key);
  }

  /** Something else comes in the place of what was copied there. */
  removed(place: string): void {
    const key = this.#keys.get(place);
    if (key !== undefined && this.#places.get(key) === place) this.#places.delete(key);
    this.#keys.delete(place);
  }

  /** An archive may have replaced any of them. */
  clear(): void {
    this.#places.clear();
    this.#keys.clear();
  }
}

const READ_BYTES = 256 << 10;
/** Of /etc/passwd and /etc/group. */
const MAX_DATABASE_BYTES = 8 << 20;

export async function copyFiles(r: CopyRequest): Promise<void> {
  const root = byteString(r.root);
  const destination = byteString(r.destination);
  const common = {
    root,
    owner: ownerOnHost(r.ids, ownerOf(r.owner, root, textIn)),
    ids: r.ids,
    mode: modeOf(r.mode),
    links: new CopiedLinks(),
  };
  for (const source of r.sources) await copySource(source, { ...common, keepsOwners: source.keepsOwners }, destination);
}

/** Makes what is missing of a directory, with this owner on the machine; returns where it is inside of the root. */
export function makeDirectories(root: string, path: string, owner: Owner): string {
  const parts = path.split('/').filter((p) => p !== '' && p !== '.');
  let resolved = '';
  for (let i = 1; i <= parts.length; i++) {
    // A link may lead to where nothing is yet.
    resolved = resolveScoped(root, parts.slice(0, i).join('/'), { followLast: true, createParents: owner });
    const absolute = `${root}/${resolved}`;
    const kind = resolved === '' ? 'directory' : kindOf(absolute);
    if (kind === 'missing') {
      mkdirSync(bytesOf(absolute), 0o755);
      lchownSync(bytesOf(absolute), owner.uid, owner.gid);
    } else if (kind !== 'directory') throw failed(`'/${resolved}' is not a directory`);
  }
  return resolved;
}

async function copySource(source: CopySource, target: Target, destination: string): Promise<void> {
  const root = byteString(source.root);
  const inside = resolveScoped(root, byteString(source.path), { followLast: true });
  const from = inside === '' ? root : `${root}/${inside}`;
  if (source.isDirectory) {
    copyContent(from, inRoot(target, makeDirectories(target.root, destination, target.owner)), target);
    return;
  }
  if (source.extract && (await extracted(source, from, target, destination))) return;
  const intoDirectory = destination.endsWith('/') || kindAt(target, destination) === 'directory';
  const name = byteString(source.path.split('/').at(-1) ?? '');
  const path = intoDirectory ? `${destination}/${name}` : destination;
  const slash = path.lastIndexOf('/');
  const parent = makeDirectories(target.root, path.slice(0, slash), target.owner);
  copyEntry(from, `${inRoot(target, parent)}/${path.slice(slash + 1)}`, target);
}

/** Whether the file was an archive, which is now unpacked at the destination. */
async function extracted(source: CopySource, from: string, target: Target, destination: string): Promise<boolean> {
  // Pipes and devices never end.
  if (!lstatSync(bytesOf(from)).isFile()) return false;
  try {
    if (!(await isArchive(from))) return false;
    await unpack(from, target, destination);
    return true;
  } catch (e) {
    if (!isSwarmtsError(e)) throw e;
    throw new SwarmtsError(e.code, `cannot unpack '${source.path}': ${e.message}`, { cause: e });
  }
}

async function unpack(from: string, target: Target, destination: string): Promise<void> {
  const directory = inRoot(target, makeDirectories(target.root, destination, target.owner));
  const tar = archiveAt(from);
  try {
    await applyLayer(bytesOf(directory).toString('utf8'), tar, { isLayer: false, ids: target.ids });
  } finally {
    await tar.close();
    target.links.clear();
  }
}

/** Only what is broken as an archive is none: one that cannot be read here is no file to be copied as it is. */
async function isArchive(path: string): Promise<boolean> {
  const tar = archiveAt(path);
  try {
    return (await tar.next()) !== undefined;
  } catch (e) {
    if (isSwarmtsError(e, 'corrupt')) return false;
    throw e;
  } finally {
    await tar.close();
  }
}

function archiveAt(path: string): TarReader {
  return new TarReader(decompressed(createReadStream(bytesOf(path), { highWaterMark: READ_BYTES })));
}

function copyContent(from: string, to: string, target: Target): void {
  for (const name of readdirSync(bytesOf(from), 'latin1').sort()) copyEntry(`${from}/${name}`, `${to}/${name}`, target);
}

function copyEntry(from: string, to: string, target: Target): void {
  const s = lstatSync(bytesOf(from));
  const there = kindOf(to);
  if (there === 'directory' && !s.isDirectory()) throw failed(`cannot copy to directory: ${shown(to, target)}`);
  if (there !== 'missing' && there !== 'directory') {
    rmSync(bytesOf(to));
    target.links.removed(to);
  }
  if (s.isDirectory()) {
    if (kindOf(to) === 'missing') mkdirSync(bytesOf(to), 0o755);
    copyContent(from, to, target);
  } else if (!linkedBefore(s, to, target)) copyLeaf(from, to, s);
  copyAttributes(from, to, s, target);
}

function copyLeaf(from: string, to: string, s: Stats): void {
  if (s.isSymbolicLink()) symlinkSync(readlinkSync(bytesOf(from), 'buffer'), bytesOf(to));
  else if (s.isFile()) copyFileSync(bytesOf(from), bytesOf(to), constants.COPYFILE_FICLONE);
  else if (s.isFIFO()) mknod(bytesOf(to), 'fifo', 0o600);
  else if (s.isCharacterDevice() || s.isBlockDevice()) {
    mknod(bytesOf(to), s.isCharacterDevice() ? 'char' : 'block', 0o600, (s.rdev >>> 8) & 0xfff, s.rdev & 0xff);
  } else throw failed(`'${bytesOf(from)}' is a socket, which no image can hold`);
}

function linkedBefore(s: Stats, to: string, target: Target): boolean {
  if (!s.isFile() || s.nlink < 2) return false;
  const key = `${s.dev}:${s.ino}`;
  const first = target.links.placeOf(key);
  if (first === undefined) {
    target.links.copied(key, to);
    return false;
  }
  linkSync(bytesOf(first), bytesOf(to));
  return true;
}

/** Owner first: changing it clears setuid bits and file capabilities. */
function copyAttributes(from: string, to: string, s: Stats, target: Target): void {
  const { uid, gid } = target.keepsOwners ? s : target.owner;
  lchownSync(bytesOf(to), uid, gid);
  if (!s.isSymbolicLink()) {
    chmodSync(bytesOf(to), target.mode ?? s.mode & 0o7777);
    for (const name of llistxattr(bytesOf(from))) {
      if (name !== CAPABILITY_XATTR && !name.startsWith('user.')) continue;
      const value = lgetxattr(bytesOf(from), name);
      if (value === undefined) continue;
      lsetxattr(bytesOf(to), name, name === CAPABILITY_XATTR ? capabilityOnHost(target.ids, value) : value);
    }
  }
  lutimesSync(bytesOf(to), s.mtime, s.mtime);
}

function kindAt(target: Target, path: string) {
  const resolved = resolveScoped(target.root, path, { followLast: true });
  return resolved === '' ? 'directory' : kindOf(inRoot(target, resolved));
}

function inRoot(target: Target, resolved: string): string {
  return resolved === '' ? target.root : `${target.root}/${resolved}`;
}

function shown(absolute: string, target: Target): string {
  return bytesOf(absolute.slice(target.root.length)).toString('utf8');
}

/** A small text file of the root file system, '' when it is not there. */
function textIn(root: string, path: string): string {
  return readScopedText(bytesOf(root).toString('utf8'), path, MAX_DATABASE_BYTES) ?? '';
}

function modeOf(text: string): number | undefined {
  if (text === '') return undefined;
  if (!/^[0-7]{1,4}$/.test(text))
    throw failed(`invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`);
  return Number.parseInt(text, 8);
}

function failed(why: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', why);
}
