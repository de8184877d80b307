// The way back for a member whose log is damaged: what it promised cannot be known any more, so it must not go on under
// its id. The damaged files are moved aside, whole, and the directory is free for a new member with a new id, which the
// leader lets in as a learner and which gets everything from its peers.

import { type Disk, nodeDisk } from '../storage/disk.js';
import { checkId } from './identity.js';

const PREFIX = 'damaged-';
const FOLDERS: ReadonlySet<string> = new Set(['wal', 'snap']);

/** Returns the folder that holds the damaged files now. `id` is the member that they belonged to. */
export async function setAside(id: number, directory: string, disk: Disk = nodeDisk): Promise<string> {
  checkId(id);
  const lock = await disk.lock?.(directory);
  try {
    const names = await disk.list(directory);
    const count = names.filter((name) => name.startsWith(`${PREFIX}${id}-`)).length;
    const target = `${directory}/${PREFIX}${id}-${count + 1}`;
    await disk.makeDirectory(target);
    for (const name of names) {
      if (FOLDERS.has(name)) await disk.rename(`${directory}/${name}`, `${target}/${name}`);
    }
    for (const path of [target, directory]) await disk.syncDirectory(path);
    return target;
  } finally {
    await lock?.release();
  }
}
