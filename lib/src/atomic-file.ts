/**
 * Files that are either the old or the new version, whatever is killed when: written aside, synced, renamed, and the
 * folder synced.
 */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './errors.js';

let counter = 0;

/** Replaces `path` atomically. `mode` is the new file's permission bits. */
export async function writeFileAtomic(path: string, data: string | Uint8Array, mode = 0o600): Promise<void> {
  const aside = `${path}.tmp-${process.pid}-${counter++}`;
  await mkdir(dirname(path), { recursive: true });
  try {
    const file = await open(aside, 'w', mode);
    try {
      await file.writeFile(data);
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (e) {
    await rm(aside, { force: true });
    throw e;
  }
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
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
