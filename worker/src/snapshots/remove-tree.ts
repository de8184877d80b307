/**
 * Removes a directory that a container or an archive has filled. Node's own way ends where one path becomes longer than a call
 * of the kernel takes, which whoever is in the container can bring about: then `rm` goes on, which goes down step by step.
 */
import { rm } from 'node:fs/promises';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';

/** What is not there is no error. */
export async function removeTree(helper: Pick<HelperApi, 'run'>, path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (e) {
    if (errnoOf(e) !== 'ENAMETOOLONG') throw e;
    const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' };
    const result = await helper.run({ argv: ['rm', '-rf', '--one-file-system', '--', path], env });
    if (result.code === 0) return;
    const said = Buffer.from(result.stderr).toString('utf8').trim();
    throw new SwarmtsError('internal', `cannot remove ${path}: ${said}`, { cause: e });
  }
}
