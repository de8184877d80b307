/**
 * The build context as an archive: the folder without what .dockerignore names. The Dockerfile and .dockerignore always go
 * along, because the daemon needs them; it leaves them out of the image when they are ignored.
 */
import {
  createReadStream,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import ignore from '@balena/dockerignore';
import { type Pack, pack } from 'tar-stream';
import { CommandError, errorText } from '../exit.js';

export interface BuildContext {
  readonly archive: Readable;
  /** The Dockerfile's path inside of the archive. */
  readonly dockerfile: string;
}

interface Extra {
  readonly name: string;
  readonly content: Buffer;
}

const IGNORE_FILE = '.dockerignore';
/** A Dockerfile from outside of the context gets a name that nobody else has. */
const OUTSIDE_NAME = '.dockerfile.swarmts';
/** Enough to tell an archive from a Dockerfile. */
const HEAD_BYTES = 512;

/** `dockerfile` is the value of -f: '' for the usual one, '-' for standard input. */
export async function folderContext(folder: string, dockerfile: string, stdin: () => Readable): Promise<BuildContext> {
  const root = contextRoot(folder);
  const extra = await outsideDockerfile(root, dockerfile, stdin);
  const inside = extra?.name ?? (dockerfile === '' ? 'Dockerfile' : relative(root, realpathSync(resolve(dockerfile))));
  if (!extra && !existsIn(root, inside)) {
    throw new CommandError(
      `unable to evaluate symlinks in Dockerfile path: lstat ${join(root, inside)}: no such file or directory`,
    );
  }
  const rules = ignoreRules(root);
  const keep = new Set([IGNORE_FILE, inside]);
  const archive = pack();
  // A failure of the walk destroys the archive, which the request then sees.
  void fill(archive, root, (path) => keep.has(path) || !rules?.ignores(path), extra).catch((e: unknown) => {
    archive.destroy(e instanceof Error ? e : new Error(errorText(e)));
  });
  return { archive, dockerfile: inside.split(sep).join('/') };
}

/** Standard input is an archive, or a Dockerfile without any context. */
export async function stdinContext(stdin: Readable, dockerfile: string): Promise<BuildContext> {
  const head: Buffer[] = [];
  let size = 0;
  const chunks = stdin[Symbol.asyncIterator]();
  while (size < HEAD_BYTES) {
    const next = await chunks.next();
    if (next.done) break;
    head.push(Buffer.from(next.value as Uint8Array));
    size += head.at(-1)?.length ?? 0;
  }
  const start = Buffer.concat(head);
  const rest = async function* () {
    yield start;
    for (let n = await chunks.next(); !n.done; n = await chunks.next()) yield Buffer.from(n.value as Uint8Array);
  };
  if (looksLikeArchive(start)) {
    const archive = new PassThrough();
    void pipeline(rest(), archive).catch((e: unknown) => archive.destroy(e instanceof Error ? e : undefined));
    return { archive, dockerfile: dockerfile || 'Dockerfile' };
  }
  const all: Buffer[] = [];
  for await (const chunk of rest()) all.push(chunk);
  const archive = pack();
  archive.entry({ name: 'Dockerfile' }, Buffer.concat(all));
  archive.finalize();
  return { archive, dockerfile: 'Dockerfile' };
}

function contextRoot(folder: string): string {
  const s = statSync(folder, { throwIfNoEntry: false });
  if (!s) throw new CommandError(`unable to prepare context: path "${folder}" not found`);
  if (!s.isDirectory()) throw new CommandError(`unable to prepare context: context must be a directory: ${folder}`);
  return realpathSync(folder);
}

/** The Dockerfile as an entry of its own, when it is no file of the context. */
async function outsideDockerfile(root: string, dockerfile: string, stdin: () => Readable): Promise<Extra | undefined> {
  if (dockerfile === '') return undefined;
  if (dockerfile === '-') {
    const chunks: Buffer[] = [];
    for await (const chunk of stdin()) chunks.push(Buffer.from(chunk as Uint8Array));
    return { name: OUTSIDE_NAME, content: Buffer.concat(chunks) };
  }
  const path = resolve(dockerfile);
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) {
    throw new CommandError(
      `unable to prepare context: unable to evaluate symlinks in Dockerfile path: lstat ${path}: no such file or directory`,
    );
  }
  const inside = relative(root, realpathSync(path));
  return inside.startsWith('..') ? { name: OUTSIDE_NAME, content: readFileSync(path) } : undefined;
}

function ignoreRules(root: string) {
  try {
    return ignore.default({ ignorecase: false }).add(readFileSync(join(root, IGNORE_FILE), 'utf8'));
  } catch {
    // No such file: everything goes along.
    return undefined;
  }
}

async function fill(archive: Pack, root: string, wanted: (path: string) => boolean, extra: Extra | undefined) {
  if (extra) archive.entry({ name: extra.name, mode: 0o600 }, extra.content);
  await addFolder(archive, root, '', wanted);
  archive.finalize();
}

/** Ignored folders are searched as well: a rule with "!" may want something in them. */
async function addFolder(archive: Pack, root: string, path: string, wanted: (path: string) => boolean): Promise<void> {
  for (const name of readdirSync(join(root, path)).sort()) {
    const inner = path === '' ? name : `${path}/${name}`;
    const s = lstatSync(join(root, inner));
    if (wanted(inner)) await addEntry(archive, root, inner, s);
    if (s.isDirectory()) await addFolder(archive, root, inner, wanted);
  }
}

async function addEntry(archive: Pack, root: string, name: string, s: Stats): Promise<void> {
  const header = { name, mode: s.mode & 0o7777, mtime: s.mtime, uid: 0, gid: 0 };
  if (s.isDirectory()) archive.entry({ ...header, type: 'directory' });
  else if (s.isSymbolicLink()) archive.entry({ ...header, type: 'symlink', linkname: readlinkSync(join(root, name)) });
  else if (s.isFile()) {
    const entry = archive.entry({ ...header, size: s.size });
    if (s.size === 0) entry.end();
    else await pipeline(createReadStream(join(root, name), { end: s.size - 1 }), entry);
  }
  // Sockets, pipes and devices have no place in a context.
}

function existsIn(root: string, path: string): boolean {
  return lstatSync(join(root, path), { throwIfNoEntry: false }) !== undefined;
}

function looksLikeArchive(head: Buffer): boolean {
  const starts = (...bytes: number[]) => head.subarray(0, bytes.length).equals(Buffer.from(bytes));
  if (starts(0x1f, 0x8b) || starts(0x42, 0x5a, 0x68) || starts(0xfd, 0x37, 0x7a) || starts(0x28, 0xb5, 0x2f, 0xfd))
    return true;
  return head.length >= HEAD_BYTES && head.toString('latin1', 257, 262) === 'ustar';
}
