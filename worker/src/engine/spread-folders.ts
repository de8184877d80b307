/**
 * Tells ext4 that what is below a folder has nothing to do with each other (chattr(1), attribute T): the folder of each container goes
 * to another part of the disk. Otherwise all share one part, whose inodes are searched for each new file, past those of the containers that
 * were just removed. File systems without the attribute are left as they are.
 */
import { mkdirSync } from 'node:fs';
import { type Logger, messageOf } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';

export async function spreadFolders(
  folders: readonly string[],
  helper: Pick<HelperApi, 'run'>,
  logger: Logger,
): Promise<void> {
  for (const folder of folders) mkdirSync(folder, { recursive: true, mode: 0o711 });
  try {
    const { code, stderr } = await helper.run({ argv: ['chattr', '-f', '+T', ...folders] });
    if (code !== 0)
      logger.debug('folders are not spread over the disk', { error: Buffer.from(stderr).toString().trim() });
  } catch (e) {
    logger.debug('folders are not spread over the disk', { error: messageOf(e) });
  }
}
