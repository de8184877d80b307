/** `docker commit`: the upper directory of a container becomes a layer on top of its image's. */
import { join } from 'node:path';
import { SwarmtsError } from '@swarmts/lib';
import { type ImageReference, parseReference } from '@swarmts/proto';
import type { CommitOptions, ImageConfig } from '../images/image-api.js';
import { createImage, layerFrom } from '../images/image-creation.js';
import type { StoredImage } from '../images/image-index.js';
import type { Hold, ImageStore } from '../images/image-store.js';
import type { UpperDirectory } from '../snapshots/pack-request.js';
import { rootfsPaths } from '../snapshots/rootfs.js';
import type { Container } from './container.js';
import type { HealthConfig } from './container-config.js';
import type { ContainerRecord } from './container-record.js';
import { idsOf } from './container-userns.js';

/** What the engine itself makes in a root file system so that there is something to mount on. */
const ENGINE_MOUNTS = [
  ...['dev', 'dev/console', 'dev/pts', 'dev/shm', 'dev/mqueue', 'proc', 'sys', 'sys/fs', 'sys/fs/cgroup'],
  ...['etc/hosts', 'etc/hostname', 'etc/resolv.conf', '.dockerenv', 'sbin/docker-init', 'run/secrets'],
];

/** Where a container keeps what it has changed. */
export function changesOf(record: ContainerRecord, directory: string, store: ImageStore): UpperDirectory {
  const { layers } = store.options;
  return {
    source: rootfsPaths(directory).upper,
    emptyMounts: emptyMountsOf(record),
    lower: layers.lowerDirs(record.chain).map((l) => join(layers.root, l)),
    ids: idsOf(layers.ids, record.config),
  };
}

export function emptyMountsOf(record: ContainerRecord): string[] {
  const targets = [...record.mounts.map((m) => m.target), ...(record.config.files ?? []).map((f) => f.path)];
  return [...ENGINE_MOUNTS, ...targets.map((t) => t.replace(/^\/+|\/+$/g, ''))];
}

export async function commitContainer(
  container: Container,
  directory: string,
  store: ImageStore,
  options: CommitOptions,
): Promise<string> {
  const name = options.name === '' ? undefined : parseReference(options.name);
  if (name?.digest) throw new SwarmtsError('invalid-argument', 'refusing to create a tag with a digest reference');
  const { record } = container;
  const parent = store.refs.images[record.imageId];
  if (!parent) {
    throw new SwarmtsError(
      'image-not-found',
      `the image of container ${record.id} is gone: pull ${record.config.image} again`,
    );
  }
  const paused = options.pause && record.state === 'running' && (await pausedNow(container));
  try {
    return await store.holding((hold) => commit({ record, directory, store, parent, hold }, name, options));
  } finally {
    if (paused) await container.resume();
  }
}

/** As Docker: what cannot be paused, because it has just ended, is committed all the same. */
function pausedNow(container: Container): Promise<boolean> {
  return container.pause(true).then(
    () => true,
    () => false,
  );
}

interface Commit {
  readonly record: ContainerRecord;
  readonly directory: string;
  readonly store: ImageStore;
  readonly parent: StoredImage;
  readonly hold: Hold;
}

async function commit(c: Commit, name: ImageReference | undefined, options: CommitOptions): Promise<string> {
  const { record, store, parent, hold } = c;
  // A container that was never started has no files of its own yet.
  const layer =
    record.startCount === 0
      ? undefined
      : await layerFrom(store, { kind: 'pack', ...changesOf(record, c.directory, store) }, hold);
  const config = options.config(await configOf(record, store));
  const image = {
    parent,
    layer,
    config,
    author: options.author,
    comment: options.comment,
    createdBy: [...record.entrypoint, ...record.cmd].join(' '),
  };
  const stored = await createImage(store, image, name ? [name] : [], hold);
  return stored.id;
}

/** As images have it: what is 0 is left to whoever runs it. */
function healthcheckOf(h: HealthConfig): ImageConfig['Healthcheck'] {
  const all = {
    Interval: h.intervalNs,
    Timeout: h.timeoutNs,
    StartPeriod: h.startPeriodNs,
    StartInterval: h.startIntervalNs,
    Retries: h.retries,
  };
  return { Test: h.test, ...Object.fromEntries(Object.entries(all).filter(([, v]) => v !== 0)) };
}

/** The container's configuration as an image would have it. */
async function configOf(record: ContainerRecord, store: ImageStore): Promise<ImageConfig> {
  const { config: base } = await store.config(record.imageId);
  const exposed = (record.exposedPorts ?? []).map((p) => [`${p.targetPort}/${p.protocol}`, {}]);
  const volumes = record.mounts.filter((m) => m.anonymous && !m.isInherited).map((m) => [m.target, {}]);
  return {
    ...base,
    ...(record.user ? { User: record.user } : {}),
    ...(exposed.length > 0 ? { ExposedPorts: { ...base.ExposedPorts, ...Object.fromEntries(exposed) } } : {}),
    Env: record.env.filter((e) => !e.startsWith('HOSTNAME=')),
    ...(record.entrypoint.length > 0 ? { Entrypoint: record.entrypoint } : {}),
    ...(record.cmd.length > 0 ? { Cmd: record.cmd } : {}),
    ...(record.workingDir !== '/' ? { WorkingDir: record.workingDir } : {}),
    ...(volumes.length > 0 ? { Volumes: { ...base.Volumes, ...Object.fromEntries(volumes) } } : {}),
    ...(record.config.health ? { Healthcheck: healthcheckOf(record.config.health) } : {}),
    Labels: record.config.labels,
    ...(record.stopSignal !== 'SIGTERM' || base.StopSignal ? { StopSignal: record.stopSignal } : {}),
  };
}
