/**
 * Files that are either the old or the new version, whatever is killed when: written aside, synced, renamed, and the
 * folder synced. Only the syncs wait in the thread pool: the other calls touch memory, and a trip through the pool costs a
 * multiple of each.
 */
import {
  closeSync,
  fdatasync,
  fsync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { errnoOf } from './errors.js';

const syncData = promisify(fdatasync);
const syncAll = promisify(fsync);

let counter = 0;
/** As `writeFileAtomic` names what it has not finished. */
const UNFINISHED = /\.tmp-\d+-\d+$/;

/** Replaces `path` atomically. `mode` is the new file's permission bits. Missing folders are made. */
export async function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const aside = `${path}.tmp-${process.pid}-${counter++}`;
  const file = openNew(aside, mode);
  try {
    try {
      writeFileSync(file, data);
      await syncData(file);
    } finally {
      closeSync(file);
    }
    renameSync(aside, path);
  } catch (e) {
    rmSync(aside, { force: true });
    throw e;
  }
  const folder = openSync(dirname(path), 'r');
  try {
    await syncAll(folder);
  } finally {
    closeSync(folder);
  }
}

/**
 * Writes a file that nobody depends on before this resolves. A machine that stops earlier leaves it whole, damaged or not at all,
 * whatever was there: so file and folder are synced at the same time, which takes half as long.
 */
export async function writeNewFile(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const file = openSync(path, 'w', mode);
  try {
    writeFileSync(file, data);
    const folder = openSync(dirname(path), 'r');
    try {
      await Promise.all([syncData(file), syncAll(folder)]);
    } finally {
      closeSync(folder);
    }
  } finally {
    closeSync(file);
  }
}

/** Removes what processes that were killed have left in a folder. Only while nobody writes there. */
export function sweepUnfinished(folder: string): void {
  for (const name of readdirSync(folder)) if (UNFINISHED.test(name)) rmSync(join(folder, name), { force: true });
}

function openNew(path: string, mode: number): number {
  try {
    return openSync(path, 'w', mode);
  } catch (e) {
    if (errnoOf(e) !== 'ENOENT') throw e;
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, 'w', mode);
  }
}

/** The file's text, or undefined when there is none. */
export async function readFileIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (e) {
    if (errnoOf(e) === 'ENOENT') return undefined;
    throw e;
  }
}
