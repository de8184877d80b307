/**
 * The child process that touches the files of a container: it makes the container's "/" its own, then looks at, packs or unpacks what
 * it was asked for. Archives go over stdin and stdout, the report over stderr as one line of JSON.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
  writeSync,
} from 'node:fs';
import { basename, posix } from 'node:path';
import { errnoOf, isSwarmtsError, messageOf, SwarmtsError } from '@swarmts/lib';
import { decompressed } from '../snapshots/decompress.js';
import { dieWithParent } from '../snapshots/die-with-parent.js';
import { extractTree } from '../snapshots/layer-applier.js';
import { packTree, specialKind } from '../snapshots/pack-tree.js';
import { byteString } from '../snapshots/scoped-path.js';
import { TarReader } from '../snapshots/tar-reader.js';
import { type TarEntry, TarWriter } from '../snapshots/tar-writer.js';
import type { IdMaps } from '../userns/id-map.js';
import { enterRoot } from './enter-root.js';
import type { FilesRequest, PathStat } from './files-request.js';

const READ_BYTES = 256 << 10;
const STDOUT = 1;
const STDERR = 2;

async function main(): Promise<void> {
  // The daemon wrote it; see container-files.ts.
  const request = JSON.parse(process.argv[2] ?? '') as FilesRequest;
  process.umask(0);
  try {
    // Opened before: afterwards no path of the host is to be found.
    const input = request.verb === 'unpack' ? await begun(decompressed(process.stdin)) : undefined;
    enterRoot(request.root);
    report({ ok: true, value: await carryOut(request, input) });
  } catch (e) {
    report({ ok: false, code: codeOf(e), message: messageOf(e) });
    process.exit(1);
  }
  // What may still come over stdin is nobody's business any more.
  process.exit(0);
}

async function carryOut(r: FilesRequest, input: AsyncIterable<Uint8Array> | undefined): Promise<unknown> {
  switch (r.verb) {
    case 'stat':
      return statOf(r.path);
    case 'pack':
      return pack(r.path, r.ids);
    case 'unpack': {
      const directory = directoryOf(r.path);
      const options = { keepKinds: r.keepKinds, ids: r.ids, ...(r.owner ? { owner: r.owner } : {}) };
      return extractTree(directory, new TarReader(input ?? empty()), options);
    }
  }
}

/** A trailing slash or dot means what a link leads to. */
function statOf(path: string): PathStat {
  const s = lstatSync(path);
  const name = basename(posix.normalize(path)) || '/';
  const linkTarget = s.isSymbolicLink() ? targetOf(path) : '';
  return { name, size: s.isDirectory() ? 4096 : s.size, mode: s.mode, mtimeMs: s.mtimeMs, linkTarget };
}

function targetOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return posix.resolve(posix.dirname(path), readlinkSync(path));
  }
}

function directoryOf(path: string): string {
  if (!statSync(path).isDirectory()) {
    throw new SwarmtsError('invalid-argument', 'extraction point is not a directory');
  }
  return realpathSync(path);
}

function pack(path: string, ids: IdMaps | undefined): null {
  const sink = (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) at += writeSync(STDOUT, chunk, at, chunk.length - at);
  };
  const base = path === '' ? '' : /(^|\/)\.$/.test(path) ? '.' : basename(path) || '/';
  const tar = new PrefixedTarWriter(sink, byteString(base), ids);
  const top = path === '' ? '/' : path;
  const s = lstatSync(top);
  if (s.isDirectory()) {
    if (base !== '') tar.top({ ...attributesOf(s), name: '', type: 'directory' });
    packTree(byteString(`${top}/.`), tar, { upper: false, emptyMounts: new Set() });
  } else if (s.isFile()) packFile(top, tar);
  else if (s.isSymbolicLink()) {
    tar.top({ ...attributesOf(s), name: '', type: 'symlink', linkName: readlinkSync(top, 'latin1') });
  } else {
    const special = specialKind(s);
    if (!special) throw new SwarmtsError('invalid-argument', `${top} is a socket: it cannot be copied`);
    tar.top({ ...attributesOf(s), name: '', ...special });
  }
  tar.finish();
  return null;
}

/** The file that is opened is the one that is packed, whatever has taken its name meanwhile. */
function packFile(path: string, tar: PrefixedTarWriter): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const s = fstatSync(fd);
    if (!s.isFile()) throw new SwarmtsError('aborted', `${path} was replaced while it was read`);
    tar.top({ ...attributesOf(s), name: '', type: 'file', size: s.size });
    const buffer = Buffer.alloc(READ_BYTES);
    for (let left = s.size; left > 0; ) {
      const count = readSync(fd, buffer, 0, Math.min(left, READ_BYTES), null);
      if (count === 0) throw new SwarmtsError('aborted', `${path} became shorter while it was read`);
      tar.body(buffer.subarray(0, count));
      left -= count;
    }
  } finally {
    closeSync(fd);
  }
}

function attributesOf(s: Stats): Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'mtime'> {
  return { mode: s.mode & 0o7777, uid: s.uid, gid: s.gid, mtime: Math.floor(s.mtimeMs / 1000) };
}

/** Names begin with the name of what was asked for. */
class PrefixedTarWriter extends TarWriter {
  readonly #prefix: string;

  constructor(sink: (chunk: Buffer) => void, prefix: string, ids: IdMaps | undefined) {
    super(sink, ids);
    this.#prefix = prefix;
  }

  top(e: TarEntry): void {
    super.entry({ ...e, name: this.#prefix });
  }

  override entry(e: TarEntry): void {
    const named = (name: string) =>
      this.#prefix === '' ? name : `${this.#prefix === '/' ? '' : this.#prefix}/${name}`;
    const link = e.type === 'hardlink' ? { linkName: named(e.linkName ?? '') } : {};
    super.entry({ ...e, ...link, name: named(e.name) });
  }
}

/** The first bytes are read here: a program that unpacks them is one of the host, and starts before the container's "/" is ours. */
async function begun(source: AsyncGenerator<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  const first = await source.next();
  return (async function* () {
    if (!first.done) yield first.value;
    yield* source;
  })();
}

async function* empty(): AsyncGenerator<Uint8Array> {}

function codeOf(e: unknown): string {
  if (isSwarmtsError(e)) return e.code === 'corrupt' ? 'invalid-argument' : e.code;
  const errno = errnoOf(e);
  if (errno === 'ENOENT') return 'not-found';
  if (errno === 'ENOTDIR') return 'invalid-argument';
  if (errno === 'ENOSPC' || errno === 'EDQUOT') return 'no-space';
  if (errno === 'EROFS') return 'failed-precondition';
  return errno === 'ELOOP' ? 'invalid-argument' : 'internal';
}

function report(r: object): void {
  writeSync(STDERR, `${JSON.stringify(r)}\n`);
}

dieWithParent();
await main();
