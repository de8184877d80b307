/** Variables that hold secrets: they are in the process and in its bundle, which is then never on a disk, and nowhere else. */
import { readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import type { ContainerPaths } from './container-paths.js';
import type { ContainerRecord } from './container-record.js';

/** Of a file system in memory, as statfs(2) tells it. */
const TMPFS_MAGIC = 0x01021994;

/** Of one variable with its name and the zero byte at its end (MAX_ARG_STRLEN of execve(2), with pages of 4 KiB). */
const MAX_VARIABLE_BYTES = 131_072;

/** As NAME=VALUE, from the injected files. Throws SwarmtsError 'invalid-argument' for what no variable can hold. */
export function secretVariables(record: ContainerRecord, paths: ContainerPaths): readonly string[] {
  return (record.config.secretEnv ?? []).map(({ name, path }) => {
    const index = (record.config.files ?? []).findIndex((f) => f.path === path);
    return secretVariable(name, path, readFileSync(join(paths.files, String(index))));
  });
}

/** NAME=VALUE of the secret at `path`. Throws SwarmtsError 'invalid-argument' for what no variable can hold. */
export function secretVariable(name: string, path: string, value: Buffer): string {
  const refused = (why: string) =>
    new SwarmtsError(
      'invalid-argument',
      `the secret at ${path} ${why}: it cannot be the variable ${name}, read the file`,
    );
  if (value.includes(0)) throw refused('has zero bytes');
  const variable = `${name}=${value.toString().replace(/\r?\n$/, '')}`;
  if (Buffer.byteLength(variable) >= MAX_VARIABLE_BYTES)
    throw refused(`has ${value.length} bytes, and Linux has room for ${MAX_VARIABLE_BYTES - name.length - 2}`);
  return variable;
}

/** Puts a file system in memory where the bundle will be, unless there is one already. */
export async function keepBundleInMemory(helper: HelperApi, bundle: string): Promise<void> {
  if (statfsSync(bundle).type === TMPFS_MAGIC) return;
  const flags = ['nosuid', 'nodev', 'noexec'];
  await helper.mount({ source: 'tmpfs', target: bundle, fstype: 'tmpfs', flags, data: 'size=16m,mode=700' });
}
