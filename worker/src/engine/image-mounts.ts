/**
 * Images among the mounts of a container. Each is an overlay mount of its own below the container's directory, with an upper directory
 * that stays empty: the container only reads.
 */
import { join } from 'node:path';
import { mountLabel } from '../runtime/security-labels.js';
import { mountRootfs, rootfsPaths } from '../snapshots/rootfs.js';
import type { ContainerContext } from './container-context.js';
import type { ContainerPaths } from './container-paths.js';
import type { ContainerRecord, ResolvedMount } from './container-record.js';

type Mounting = Pick<ContainerRecord, 'mounts' | 'config'>;

/** Where the image is while the container runs, or somebody is at its files. */
export function imageMountPath({ mounts }: Mounting, paths: ContainerPaths, m: ResolvedMount): string {
  return rootfsPaths(directoryOf(paths, mounts.indexOf(m))).target;
}

export async function mountImages(
  { helper, bundle }: ContainerContext,
  record: Mounting,
  paths: ContainerPaths,
): Promise<void> {
  const label = mountLabel(record.config, bundle.facts.labels);
  for (const [i, { image }] of record.mounts.entries()) {
    if (!image) continue;
    const directory = directoryOf(paths, i);
    // What an interrupted attempt mounted.
    await helper.unmount(rootfsPaths(directory).target);
    await mountRootfs(helper, bundle.layers, image.chain, directory, label);
  }
}

export async function unmountImages(
  { helper }: ContainerContext,
  record: Mounting,
  paths: ContainerPaths,
): Promise<void> {
  for (const [i, { image }] of record.mounts.entries()) {
    if (image) await helper.unmount(rootfsPaths(directoryOf(paths, i)).target);
  }
}

function directoryOf(paths: ContainerPaths, index: number): string {
  return join(paths.container, 'images', String(index));
}
