/** How much the files below a directory hold, as Docker counts: each once, directories not at all. */
import { lstat, opendir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '@swarmts/lib';

/** Files that go away meanwhile count as gone. */
export async function bytesBelow(directory: string, seen = new Set<string>()): Promise<number> {
  let total = 0;
  try {
    for await (const entry of await opendir(directory)) {
      const path = join(directory, entry.name);
      total += entry.isDirectory() ? await bytesBelow(path, seen) : await bytesOf(path, seen);
    }
  } catch (e) {
    if (errnoOf(e) !== 'ENOENT') throw e;
  }
  return total;
}

async function bytesOf(path: string, seen: Set<string>): Promise<number> {
  try {
    const { dev, ino, nlink, size } = await lstat(path);
    if (nlink === 1) return size;
    const key = `${dev}:${ino}`;
    if (seen.has(key)) return 0;
    seen.add(key);
    return size;
  } catch (e) {
    if (errnoOf(e) === 'ENOENT') return 0;
    throw e;
  }
}
