/** What a volume is filled with when it is first used, as Docker does: what the image has at the mount point, owners and modes included. */
import { SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import { byteString, bytesOf, kindOf, resolveScoped } from '../snapshots/scoped-path.js';

/** The directory on the host; undefined when the image has none there. `rootfs` is mounted and nothing runs in it yet. */
export function imageContent(rootfs: string, target: string): string | undefined {
  const root = byteString(rootfs);
  const inside = resolveScoped(root, byteString(target), { followLast: true });
  if (inside === '' || kindOf(`${root}/${inside}`) !== 'directory') return undefined;
  return bytesOf(`${root}/${inside}`).toString('utf8');
}

/** What an earlier copy has left is replaced. */
export async function copyContent(helper: HelperApi, source: string, volumePath: string): Promise<void> {
  const result = await helper.run({
    argv: ['cp', '--archive', '--remove-destination', '--no-target-directory', '--', source, volumePath],
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' },
  });
  if (result.code === 0) return;
  const text = Buffer.from(result.stderr).toString('utf8').trim().split('\n').at(-1) ?? '';
  const code = /no space left/i.test(text) ? 'no-space' : 'internal';
  throw new SwarmtsError(code, `cannot copy the image's content of ${source} into the volume: ${text}`);
}
