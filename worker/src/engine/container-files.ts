/** Where the files of a container are, whether it runs or not, for those who copy them in or out. */
import { mkdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BindRequest, RootRequest } from '../files/files-request.js';
import { mountLabel } from '../runtime/security-labels.js';
import { makeRootfsDirs, planOverlay, rootfsPaths } from '../snapshots/rootfs.js';
import { ownerOnHost, ROOT } from '../userns/id-map.js';
import { prepareRootfs, sourceOf } from './container-bundle.js';
import type { ContainerContext } from './container-context.js';
import type { ContainerPaths } from './container-paths.js';
import type { ContainerRecord } from './container-record.js';
import { acquireVolumes } from './container-start.js';
import { attempt, releaseVolumes, tearDown } from './container-teardown.js';
import { idsOf } from './container-userns.js';
import { mountImages, unmountImages } from './image-mounts.js';

/** As the processes of a running container see it. */
export function runningRoot(record: ContainerRecord): RootRequest {
  return { kind: 'process', pid: record.process?.init.pid ?? 0 };
}

/** A running container's own files, without volumes and the like. */
export function bareRoot(paths: ContainerPaths): RootRequest {
  return { kind: 'directory', path: rootfsPaths(paths.container).target };
}

/** What `work` does with the files of a container that does not run. Whoever calls keeps the container from starting meanwhile. */
export async function withStoppedRoot<T>(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
  withVolumes: boolean,
  work: (root: RootRequest) => Promise<T>,
): Promise<T> {
  const mounts = withVolumes && record.mounts.some((m) => m.type === 'volume' || m.image);
  // The mark of a start, so that whoever finds it after a crash unmounts what is mounted. It may be there already.
  const marks = mounts && mkdirSync(paths.bundle, { recursive: true, mode: 0o700 }) !== undefined;
  try {
    return await work(await stoppedRoot(context, record, paths, withVolumes));
  } finally {
    const released = mounts && (await releaseVolumes(context, record));
    const unmounted =
      released && (await attempt(context, record, 'unmount the images', () => unmountImages(context, record, paths)));
    if (marks && unmounted) await rm(paths.bundle, { recursive: true, force: true });
  }
}

async function stoppedRoot(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
  withVolumes: boolean,
): Promise<RootRequest> {
  const { layers, facts } = context.bundle;
  const own = rootfsPaths(paths.container);
  makeRootfsDirs(layers, own);
  const plan = planOverlay(layers.root, layers.lowerDirs(record.chain), own, mountLabel(record.config, facts.labels));
  const owner = ownerOnHost(idsOf(layers.ids, record.config), ROOT);
  const binds = withVolumes ? await bindsOf(context, record, paths) : [];
  const { workingDir } = record;
  return { kind: 'overlay', target: own.target, data: plan.data, cwd: layers.root, workingDir, binds, owner };
}

/** Empty volumes get what the image has there, as the first start would do. Idempotent. */
export async function fillVolumes(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
): Promise<void> {
  // The mark of a start, so that whoever finds it after a crash takes down what is mounted.
  mkdirSync(paths.bundle, { recursive: true, mode: 0o700 });
  try {
    await acquireVolumes(context, record);
    await prepareRootfs(context.bundle, { record, paths, volumes: context.volumes });
  } finally {
    await tearDown(context, record, paths);
  }
}

/** The image's layers of a container, topmost first. */
export function lowerOf(context: ContainerContext, record: ContainerRecord): string[] {
  const { layers } = context.bundle;
  return layers.lowerDirs(record.chain).map((l) => join(layers.root, l));
}

async function bindsOf(
  context: ContainerContext,
  record: ContainerRecord,
  paths: ContainerPaths,
): Promise<BindRequest[]> {
  const volumes = await acquireVolumes(context, record);
  await mountImages(context, record, paths);
  return record.mounts.flatMap((m) => {
    const { type, target, readOnly } = m;
    return type === 'tmpfs' ? [] : [{ source: sourceOf(m, { record, paths, volumes }), target, readOnly }];
  });
}
