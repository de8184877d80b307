/** Turns a configuration into a container's record and directory. When anything fails, nothing is left behind. */
import { mkdir, rm, stat } from 'node:fs/promises';
import { type Clock, newHexId, SwarmtsError } from '@swarmts/lib';
import type { ImageService } from '../images/image-service.js';
import { chooseCapabilities } from '../runtime/capabilities.js';
import { signalNumber } from '../runtime/signals.js';
import type { VolumeStore } from '../volumes/volume-store.js';
import { type ContainerRecord, type ResolvedMount, saveRecord } from './container-record.js';
import type { ContainerConfig, MountConfig } from './engine-api.js';
import { healthOf, mergeConfig, mountsOf } from './merge-config.js';

export interface CreationContext {
  readonly images: ImageService;
  readonly volumes: VolumeStore;
  readonly clock: Clock;
  readonly directoryOf: (id: string) => string;
}

export async function createContainer(
  id: string,
  config: ContainerConfig,
  context: CreationContext,
): Promise<ContainerRecord> {
  const image = await context.images.find(config.image);
  if (!image) throw new SwarmtsError('image-not-found', `No such image: ${config.image}`);
  const merged = mergeConfig(id, config, image.config);
  const mounts = mountsOf(config, image.config);
  const health = healthOf(config, image.config);
  const shell = image.config.Shell;
  signalNumber(merged.stopSignal);
  chooseCapabilities({ add: config.capAdd ?? [], drop: config.capDrop ?? [], privileged: false }, []);
  for (const m of mounts) if (m.type === 'bind') await checkBindSource(m);
  const made: string[] = [];
  try {
    const resolved: ResolvedMount[] = [];
    for (const m of mounts) resolved.push(await resolveMount(m, context.volumes, made));
    const record: ContainerRecord = {
      id,
      config: { ...config, labels: merged.labels },
      imageId: image.id,
      chain: context.images.chainOf(image.id),
      createdAtMs: context.clock.now(),
      startedAtMs: 0,
      state: 'created',
      startCount: 0,
      entrypoint: merged.entrypoint,
      cmd: merged.cmd,
      env: merged.env,
      user: merged.user,
      workingDir: merged.workingDir,
      hostname: merged.hostname,
      stopSignal: merged.stopSignal,
      mounts: resolved,
      volumesFilled: false,
      ...(health ? { healthCheck: { config: health, ...(shell ? { shell } : {}) } } : {}),
    };
    await mkdir(context.directoryOf(id), { recursive: true, mode: 0o710 });
    await saveRecord(context.directoryOf(id), record);
    return record;
  } catch (e) {
    await rm(context.directoryOf(id), { recursive: true, force: true });
    for (const name of made) await context.volumes.remove(name, true);
    throw e;
  }
}

export function newContainerId(): string {
  return newHexId();
}

/** Docker's --mount: a bind source must be there. */
async function checkBindSource(m: MountConfig): Promise<void> {
  const wrong = (why: string) => new SwarmtsError('invalid-argument', `invalid mount config for type "bind": ${why}`);
  if (!m.source.startsWith('/')) throw wrong(`invalid mount path: '${m.source}' mount path must be absolute`);
  try {
    await stat(m.source);
  } catch {
    throw wrong(`bind source path does not exist: ${m.source}`);
  }
}

/** `made` collects the volumes that did not exist before. */
async function resolveMount(m: MountConfig, volumes: VolumeStore, made: string[]): Promise<ResolvedMount> {
  if (m.type !== 'volume') return { ...m, anonymous: false };
  const existed = m.source !== '' && (await volumes.find(m.source)) !== undefined;
  const volume = await volumes.create({ name: m.source, ...(m.volumeLabels ? { labels: m.volumeLabels } : {}) });
  if (!existed) made.push(volume.name);
  return { ...m, source: volume.name, anonymous: m.source === '' };
}
