/**
 * Fills an empty volume with what the image has at the mount point, owners and modes included, as Docker does when a
 * volume is first used.
 */
import { readdir } from 'node:fs/promises';
import { SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import { byteString, bytesOf, kindOf, resolveScoped } from '../snapshots/scoped-path.js';

/** `rootfs` is mounted and nothing runs in it yet. */
export async function copyUp(helper: HelperApi, rootfs: string, target: string, volumePath: string): Promise<void> {
  const root = byteString(rootfs);
  const inside = resolveScoped(root, byteString(target), { followLast: true });
  const source = bytesOf(`${root}/${inside}`).toString('utf8');
  if (inside === '' || kindOf(`${root}/${inside}`) !== 'directory') return;
  if ((await readdir(volumePath)).length > 0) return;
  const result = await helper.run({
    argv: ['cp', '--archive', '--no-target-directory', '--', source, volumePath],
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' },
  });
  if (result.code === 0) return;
  const text = Buffer.from(result.stderr).toString('utf8').trim().split('\n').at(-1) ?? '';
  const code = /no space left/i.test(text) ? 'no-space' : 'internal';
  throw new SwarmtsError(code, `cannot copy the image's content of ${target} into the volume: ${text}`);
}
