/**
 * What ends with a reboot belongs on a tmpfs: bundles, monitors' files, the runtimes' states and the files of namespaces. Where the exec root is not on one, as on
 * machines whose /run is an ordinary directory, the folders get their own. A disk would keep stale state over a reboot, and
 * makes new files slowly after many were removed (ext4 does not use their inodes again for minutes).
 */
import { mkdirSync, readdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { type Logger, messageOf } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';

/** statfs(2)'s type of a tmpfs. */
const TMPFS_MAGIC = 0x01021994;
/** Folders of the exec root with many small files, none of which a container can write. */
const FOLDERS = ['containers', 'runtime', 'exits', 'attach', 'netns'];
/** Some 20 KiB per container; files of a runaway are stopped here. */
const SIZE = '256m';

/** Done once per boot: what is mounted already stays, with the state of containers that run. */
export async function mountVolatileState(execRoot: string, helper: HelperApi, logger: Logger): Promise<void> {
  if (isTmpfs(execRoot)) return;
  for (const name of FOLDERS) {
    const target = join(execRoot, name);
    mkdirSync(target, { recursive: true, mode: 0o700 });
    // What is there may be of containers that run.
    if (isTmpfs(target) || readdirSync(target).length > 0) continue;
    try {
      await helper.mount({
        source: 'swarmts',
        target,
        fstype: 'tmpfs',
        flags: ['nosuid', 'nodev'],
        data: `mode=700,size=${SIZE}`,
      });
    } catch (e) {
      logger.warn('the state of running containers stays on disk', { folder: target, error: messageOf(e) });
    }
  }
}

function isTmpfs(path: string): boolean {
  return statfsSync(path).type === TMPFS_MAGIC;
}
