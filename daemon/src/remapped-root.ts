/**
 * `--userns-remap`: which ids containers have, and where such a daemon keeps its state. Files in it belong to ids that only fit to one map:
 * as with dockerd, each map has a data root of its own below the one that was configured.
 */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Logger, SwarmtsError } from '@swarmts/lib';
import { type HelperApi, type IdMaps, ownerOnHost, ROOT, remappedIds } from '@swarmts/worker';
import type { DaemonConfig } from './config/config.js';

export interface RemappedRoot {
  readonly dataRoot: string;
  /** Undefined where containers have the ids of the machine. */
  readonly idMaps: IdMaps | undefined;
}

export async function openRemappedRoot(
  config: Pick<DaemonConfig, 'dataRoot' | 'usernsRemap'>,
  helper: Pick<HelperApi, 'run'>,
  log: Pick<Logger, 'info' | 'warn'>,
): Promise<RemappedRoot> {
  const { dataRoot, usernsRemap } = config;
  if (usernsRemap === '') return { dataRoot, idMaps: undefined };
  if (!existsSync('/proc/self/ns/user')) {
    throw new SwarmtsError('failed-precondition', '--userns-remap: the kernel has no user namespaces (CONFIG_USER_NS)');
  }
  const env = { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin' };
  const idMaps = await remappedIds(usernsRemap, { run: (argv) => helper.run({ argv, env }) });
  if (!idMaps) {
    log.warn('root cannot be remapped with itself: containers are not in user namespaces');
    return { dataRoot, idMaps };
  }
  const { uid, gid } = ownerOnHost(idMaps, ROOT);
  const own = join(dataRoot, `${uid}.${gid}`);
  await mkdir(own, { recursive: true, mode: 0o711 });
  log.info('containers are in user namespaces', { user: usernsRemap, dataRoot: own, ...idMaps });
  return { dataRoot: own, idMaps };
}
