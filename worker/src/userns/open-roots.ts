/**
 * The root of containers in user namespaces is a user of the machine without rights there: it has to reach what is mounted into
 * them, which is below the engine's directories, and nothing else of those.
 */
import { statSync } from 'node:fs';
import { chmod, chown, mkdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { SwarmtsError } from '@swarmts/lib';

const MAY_PASS = 0o001;

/** Throws SwarmtsError 'failed-precondition' for a directory above them that lets only its owner through. */
export async function openRoots(roots: readonly string[], containers: string, gid: number): Promise<void> {
  for (const root of roots) checkWay(root);
  await chown(containers, 0, gid);
}

/** Directories with what is mounted into containers: their names can be reached, but not listed. */
export async function openDirectories(root: string, names: readonly string[]): Promise<void> {
  for (const name of names) {
    await mkdir(join(root, name), { recursive: true });
    await chmod(join(root, name), 0o711);
  }
}

function checkWay(root: string): void {
  for (let path = resolve(root); path !== '/'; path = dirname(path)) {
    if ((statSync(path).mode & MAY_PASS) !== 0) continue;
    const fix = `allow it with: chmod o+x ${path}`;
    throw new SwarmtsError(
      'failed-precondition',
      `${path} keeps the root of containers in user namespaces away from ${root}: ${fix}`,
    );
  }
}
