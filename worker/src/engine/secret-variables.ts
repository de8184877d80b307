/** Variables that hold secrets: they are in the process and in its bundle, which is then never on a disk, and nowhere else. */
import { readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import type { ContainerPaths } from './container-paths.js';
import type { ContainerRecord } from './container-record.js';

/** Of a file system in memory, as statfs(2) tells it. */
const TMPFS_MAGIC = 0x01021994;

/** As NAME=VALUE, from the injected files. Throws SwarmtsError 'invalid-argument' for what no variable can hold. */
export function secretVariables(record: ContainerRecord, paths: ContainerPaths): readonly string[] {
  return (record.config.secretEnv ?? []).map(({ name, path }) => {
    const index = (record.config.files ?? []).findIndex((f) => f.path === path);
    const value = readFileSync(join(paths.files, String(index)));
    if (value.includes(0))
      throw new SwarmtsError(
        'invalid-argument',
        `the secret at ${path} has zero bytes: it cannot be the variable ${name}`,
      );
    return `${name}=${value.toString().replace(/\r?\n$/, '')}`;
  });
}

/** Puts a file system in memory where the bundle will be, unless there is one already. */
export async function keepBundleInMemory(helper: HelperApi, bundle: string): Promise<void> {
  if (statfsSync(bundle).type === TMPFS_MAGIC) return;
  const flags = ['nosuid', 'nodev', 'noexec'];
  await helper.mount({ source: 'tmpfs', target: bundle, fstype: 'tmpfs', flags, data: 'size=16m,mode=700' });
}
