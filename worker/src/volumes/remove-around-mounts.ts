/** Removes a directory, but none of the folders in it that have something mounted below: what lies behind is somebody else's. */
import { readdir, realpath, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '@swarmts/lib';
import { mountsBelow } from '../runtime/mountinfo.js';

/** Resolves to what stays. A directory that is not there is no error. */
export async function removeAroundMounts(directory: string): Promise<readonly string[]> {
  const real = await realpath(directory).catch((e: unknown) => {
    if (errnoOf(e) === 'ENOENT') return undefined;
    throw e;
  });
  if (real === undefined) return [];
  const left: string[] = [];
  for (const name of await readdir(real)) {
    const path = join(real, name);
    if ((await mountsBelow(path)).length > 0) left.push(path);
    else await rm(path, { recursive: true, force: true });
  }
  if (left.length === 0) await rmdir(real);
  return left;
}
