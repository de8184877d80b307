/**
 * Takes down what a start has made, whole or half. Every step is tried, whatever the others do; what fails is logged and tried
 * again by the next teardown, because the bundle directory, which marks that there is something, goes last.
 */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, SwarmtsError } from '@swarmts/lib';
import { removeTree } from '../snapshots/remove-tree.js';
import { rootfsPaths } from '../snapshots/rootfs.js';
import type { ContainerContext } from './container-context.js';
import { type ContainerPaths, containersRoot, REMOVING_PREFIX } from './container-paths.js';
import { type ContainerRecord, volumeNames } from './container-record.js';
import { idsOf } from './container-userns.js';
import { unmountImages } from './image-mounts.js';

export const SIGKILL = 9;

/** Idempotent. Resolves to whether nothing is left. */
export async function tearDown(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
): Promise<boolean> {
  const { runtime, network, helper } = context;
  const { id } = record;
  if (!existsSync(paths.bundle)) return true;
  const done = [
    await attempt(context, record, 'delete the container', () => runtime.delete(id)),
    await attempt(context, record, 'detach the network', () => network.detach(id)),
    await attempt(context, record, 'forget the exit', () => runtime.forgetExit(id)),
    await attempt(context, record, 'unmount the shared memory', () => unmountShm(context, record, paths)),
    await attempt(context, record, 'unmount the root', () => helper.unmount(rootfsPaths(paths.container).target)),
    await attempt(context, record, 'unmount the images', () => unmountImages(context, record, paths)),
  ];
  if (idsOf(context.bundle.layers.ids, record.config)) {
    done.push(await attempt(context, record, 'forget the user namespace', () => helper.detachLocal(paths.userns)));
  }
  done.push(await releaseVolumes(context, record));
  if (done.includes(false)) return false;
  // Last, as the bundle is the mark that there is something to take down.
  if (
    record.config.secretEnv &&
    !(await attempt(context, record, 'unmount the bundle', () => helper.unmount(paths.bundle)))
  )
    return false;
  return attempt(context, record, 'remove the bundle', () => rm(paths.bundle, { recursive: true, force: true }));
}

async function unmountShm(context: ContainerContext, record: ContainerRecord, paths: ContainerPaths): Promise<void> {
  if (record.config.ipcMode === 'shareable') await context.helper.unmount(paths.shm);
}

/** It needs them no more; those that no other container holds are unmounted. */
export async function releaseVolumes(context: ContainerContext, record: ContainerRecord): Promise<boolean> {
  let done = true;
  for (const name of volumeNames(record)) {
    done = (await attempt(context, record, 'release a volume', () => context.volumes.release(name, record.id))) && done;
  }
  return done;
}

/** A monitor that is still creating its container would make it after everything else is gone. */
export async function killMonitor(context: ContainerContext, id: string, paths: ContainerPaths): Promise<void> {
  const monitor = await context.runtime.monitorOf(id, paths.bundle);
  if (monitor !== undefined) await context.helper.kill(monitor, SIGKILL);
}

/** Nothing of the container is left afterwards, except its volumes. */
export async function eraseContainer(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
): Promise<void> {
  if (!(await tearDown(context, record, paths))) {
    throw new SwarmtsError('internal', `container ${record.id} cannot be removed yet: see the log for what resists`);
  }
  if ((record.config.files ?? []).length > 0) {
    await context.helper.unmount(paths.files);
    await rm(paths.files, { recursive: true, force: true });
  }
  // Renamed first: a crash in the middle must not leave half a container.
  const aside = join(containersRoot(context), `${REMOVING_PREFIX}${record.id}`);
  await rename(paths.container, aside);
  await attempt(context, record, 'remove the files of the container', () => removeTree(context.helper, aside));
}

/** Runs a step whose failure must not stop the ones after it; resolves to whether it succeeded. */
export async function attempt(
  context: ContainerContext,
  record: ContainerRecord,
  what: string,
  work: () => Promise<void>,
): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (e) {
    context.logger.warn(`cannot ${what}`, { container: record.id, error: messageOf(e) });
    return false;
  }
}
