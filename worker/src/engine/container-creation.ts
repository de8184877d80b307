/** Turns a configuration into a container's record and directory. When anything fails, nothing is left behind. */
import { chown, mkdir, rm, stat } from 'node:fs/promises';
import { hostname as machineName } from 'node:os';
import { dirname, resolve } from 'node:path';
import { type Clock, errnoOf, isSwarmtsError, messageOf, newHexId, SwarmtsError, signalNumber } from '@swarmts/lib';
import type { ImageService } from '../images/image-service.js';
import { noSuchImage } from '../images/image-store.js';
import { platformMismatch } from '../images/platform-match.js';
import { chooseCapabilities } from '../runtime/capabilities.js';
import type { CgroupVersion, LimitSupport } from '../runtime/limit-support.js';
import { checkPropagation } from '../runtime/mount-restrictions.js';
import { readMounts } from '../runtime/mountinfo.js';
import { tmpfsOptions } from '../runtime/tmpfs-options.js';
import { type IdMaps, ownerOnHost, ROOT } from '../userns/id-map.js';
import type { VolumeStore } from '../volumes/volume-store.js';
import { checkSettings, type MachineLimits } from './check-settings.js';
import type { ContainerConfig, MountConfig } from './container-config.js';
import { type ContainerDefaults, withDefaults } from './container-defaults.js';
import { checkModes } from './container-namespaces.js';
import { type ContainerRecord, type ResolvedMount, saveRecord } from './container-record.js';
import type { Plan } from './container-registry.js';
import { checkUserns } from './container-userns.js';
import { distinctPorts, exposedByImage, healthOf, mergeConfig, mountsOf } from './merge-config.js';
import { supportedLimits } from './supported-limits.js';

export interface CreationContext {
  readonly images: ImageService;
  readonly volumes: VolumeStore;
  readonly clock: Clock;
  readonly directoryOf: (id: string) => string;
  readonly dataRoot: string;
  readonly limits: MachineLimits;
  readonly support: LimitSupport;
  readonly cgroupVersion: CgroupVersion;
  /** Takes what the caller should know of a container that is made all the same. */
  readonly warn: (text: string) => void;
  readonly runtimes: ReadonlyMap<string, string>;
  readonly defaults: ContainerDefaults;
  /** Of the containers that are not to have the host's ids. */
  readonly ids: IdMaps | undefined;
  /** The mounts of another container; 'not-found' when there is none. */
  readonly mountsOf: (container: string) => readonly ResolvedMount[];
  /** Takes what the container will have before it is looked for. */
  readonly plan: Plan;
}

export async function createContainer(
  id: string,
  given: ContainerConfig,
  context: CreationContext,
): Promise<ContainerRecord> {
  const config = withDefaults(given, context.defaults, context.cgroupVersion);
  const image = await context.images.find(config.image);
  if (!image) throw noSuchImage(config.image);
  context.plan.images.push({ imageId: image.id, chain: context.images.chainOf(image.id) });
  const mismatch = config.platform && platformMismatch(config.image, config.platform, image);
  if (mismatch) throw new SwarmtsError('image-not-found', mismatch);
  const merged = mergeConfig(id, config, image.config, machineName());
  const { resources, warnings } = supportedLimits(config.resources, context.support);
  checkSettings({ ...config, resources }, context.limits);
  checkModes(config);
  checkUserns(config, context.ids);
  checkRuntime(config.runtime, context.runtimes);
  const mounts = withVolumesFrom(mountsOf(config, image.config), config.volumesFrom ?? [], context.mountsOf).map((m) =>
    withoutPinning(m, context.dataRoot),
  );
  const health = healthOf(config, image.config);
  const shell = image.config.Shell;
  signalNumber(merged.stopSignal);
  chooseCapabilities({ add: config.capAdd ?? [], drop: config.capDrop ?? [], privileged: false }, []);
  for (const m of mounts) {
    if (m.type === 'bind') await checkBindSource(m, context.ids);
    if (m.type === 'tmpfs') tmpfsOptions(m.tmpfsOptions ?? []);
    if (m.type === 'volume') checkVolume(m);
    if (m.imageSubpath) checkSubpath(m.type, m.imageSubpath);
  }
  const made: string[] = [];
  try {
    const resolved: ResolvedMount[] = [];
    for (const m of mounts) resolved.push(await resolveMount(m, context, made));
    const record: ContainerRecord = {
      id,
      config: { ...config, resources, labels: merged.labels },
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
      exposedPorts: distinctPorts([
        ...exposedByImage(image.config),
        ...(config.exposedPorts ?? []),
        ...config.ports.map(({ protocol, targetPort }) => ({ protocol, targetPort })),
      ]),
      stopSignal: merged.stopSignal,
      mounts: resolved,
      volumesFilled: false,
      ...(health ? { healthCheck: { config: health, ...(shell ? { shell } : {}) } } : {}),
    };
    await mkdir(context.directoryOf(id), { recursive: true, mode: 0o710 });
    if (context.ids) await chown(context.directoryOf(id), 0, ownerOnHost(context.ids, ROOT).gid);
    await saveRecord(context.directoryOf(id), record);
    for (const w of warnings) context.warn(w);
    if (config.networkMode === 'host' && config.ports.length > 0) context.warn(PORTS_ON_HOST);
    return record;
  } catch (e) {
    await rm(context.directoryOf(id), { recursive: true, force: true });
    context.plan.volumes.clear();
    for (const name of made) await removeUnused(context.volumes, name);
    throw e;
  }
}

async function removeUnused(volumes: VolumeStore, name: string): Promise<void> {
  try {
    await volumes.remove(name, true);
  } catch (e) {
    // Somebody else has it by now.
    if (!isSwarmtsError(e, 'conflict')) throw e;
  }
}

export function newContainerId(): string {
  return newHexId();
}

const PORTS_ON_HOST = 'Published ports are discarded when using host network mode';

const PROPAGATIONS: readonly string[] = ['private', 'rprivate', 'slave', 'rslave', 'shared', 'rshared'];

function checkRuntime(name: string | undefined, runtimes: ReadonlyMap<string, string>): void {
  if (!name || runtimes.has(name)) return;
  throw new SwarmtsError('invalid-argument', `unknown or invalid runtime name: ${name}`);
}

function checkVolume(m: MountConfig): void {
  const wrong = (why: string) => new SwarmtsError('invalid-argument', `invalid mount config for type "volume": ${why}`);
  const driver = m.volumeDriver || 'local';
  if (driver !== 'local') {
    throw new SwarmtsError('not-found', `error looking up volume plugin ${driver}: plugin "${driver}" not found`);
  }
  if (!m.volumeSubpath) return;
  if (m.source === '') throw wrong('must not set Subpath when using anonymous volumes');
  checkSubpath(m.type, m.volumeSubpath);
}

function checkSubpath(type: MountConfig['type'], path: string): void {
  if (!path.startsWith('/') && !path.split('/').includes('..')) return;
  const what = `subpath must be a relative path within the ${type}`;
  throw new SwarmtsError('invalid-argument', `invalid mount config for type "${type}": ${what}`);
}

/** What is known of one that is taken over from another container stays so. */
type PlannedMount = MountConfig & Partial<ResolvedMount>;

/** What the container mounts itself comes first; of several others the later one. */
function withVolumesFrom(
  own: readonly MountConfig[],
  sources: readonly string[],
  mountsOfOther: CreationContext['mountsOf'],
): readonly PlannedMount[] {
  // Clients take 'not-found' for an image that has to be pulled first.
  const mountsIn = (container: string) => {
    try {
      return mountsOfOther(container);
    } catch (e) {
      throw isSwarmtsError(e, 'not-found') ? new SwarmtsError('invalid-argument', e.message, { cause: e }) : e;
    }
  };
  const mounts = new Map<string, PlannedMount>(own.map((m) => [m.target, m]));
  const explicit = new Set(own.filter((m) => m.source !== '' || m.type === 'tmpfs').map((m) => m.target));
  for (const text of sources) {
    const [container = '', mode = 'rw'] = text.split(':');
    const options = mode.split(',');
    if (!options.every((o) => ['rw', 'ro', 'z', 'Z'].includes(o))) {
      throw new SwarmtsError('invalid-argument', `invalid mode: ${mode}`);
    }
    for (const m of mountsIn(container)) {
      if (m.type === 'tmpfs' || explicit.has(m.target)) continue;
      const readOnly = m.readOnly || options.includes('ro');
      mounts.set(m.target, { ...m, readOnly, mode: '', volumeNoCopy: true, isInherited: true });
    }
  }
  return [...mounts.values()];
}

/**
 * As Docker: a container that has the directory of the others among what is bound into it must not hold their mounts for ever. Nor is
 * anybody to say otherwise.
 */
function withoutPinning(m: PlannedMount, dataRoot: string): PlannedMount {
  const [source, root] = [`${resolve('/', m.source)}/`, `${dataRoot}/`].map((p) => p.replace(/\/+$/, '/'));
  if (m.type !== 'bind' || !(source?.startsWith(root ?? '') || root?.startsWith(source ?? ''))) return m;
  const propagation = m.propagation ?? '';
  if (propagation === '') return takesPropagation(m.source) ? { ...m, propagation: 'rslave' } : m;
  if (propagation === 'rslave' || propagation === 'rshared') return m;
  const what = `daemon root: "${dataRoot}", bind mount source: "${m.source}", propagation: "${propagation}"`;
  throw new SwarmtsError(
    'invalid-argument',
    `invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, ${what}`,
  );
}

/** Machines without systemd may have a root that tells nobody of its mounts. */
function takesPropagation(source: string): boolean {
  try {
    checkPropagation(readMounts(), source, 'rslave');
    return true;
  } catch {
    return false;
  }
}

/** Docker's --mount: a bind source must be there. */
async function checkBindSource(m: MountConfig, ids: IdMaps | undefined): Promise<void> {
  const wrong = (why: string) => new SwarmtsError('invalid-argument', `invalid mount config for type "bind": ${why}`);
  if (!m.source.startsWith('/')) throw wrong(`invalid mount path: '${m.source}' mount path must be absolute`);
  if (m.propagation && !PROPAGATIONS.includes(m.propagation)) {
    throw wrong(`invalid propagation mode: ${m.propagation}`);
  }
  if (m.bindReadOnlyNonRecursive && m.bindReadOnlyForceRecursive) {
    throw wrong('mount options conflict: ReadOnlyNonRecursive && ReadOnlyForceRecursive');
  }
  try {
    if (m.bindCreateSource) await makeBindSource(m.source, ids);
    await stat(m.source);
  } catch (e) {
    // A file that is there is a source as well.
    if (m.bindCreateSource && errnoOf(e) === 'EEXIST') return;
    if (m.bindCreateSource)
      throw new SwarmtsError('internal', `error while creating mount source path '${m.source}': ${messageOf(e)}`);
    throw wrong(`bind source path does not exist: ${m.source}`);
  }
}

/** All of it that is not there belongs to the root of the containers. */
async function makeBindSource(path: string, ids: IdMaps | undefined): Promise<void> {
  const first = await mkdir(path, { recursive: true });
  if (first === undefined || !ids) return;
  const { uid, gid } = ownerOnHost(ids, ROOT);
  for (let made = resolve(path); made.length >= first.length; made = dirname(made)) await chown(made, uid, gid);
}

async function imageOf(ref: string, images: ImageService): Promise<NonNullable<ResolvedMount['image']>> {
  const image = await images.find(ref);
  // Clients take 'image-not-found' for the container's own, and pull that.
  if (!image) throw new SwarmtsError('invalid-argument', noSuchImage(ref).message);
  return { imageId: image.id, chain: images.chainOf(image.id) };
}

/** `made` collects the volumes that did not exist before. */
async function resolveMount(
  m: PlannedMount,
  { volumes, plan, images }: Pick<CreationContext, 'volumes' | 'plan' | 'images'>,
  made: string[],
): Promise<ResolvedMount> {
  if (m.type === 'image') {
    const image = m.image ?? (await imageOf(m.source, images));
    plan.images.push(image);
    return { ...m, readOnly: true, anonymous: false, image };
  }
  if (m.type !== 'volume') return { ...m, anonymous: false };
  if (m.source !== '') plan.volumes.add(m.source);
  const existed = m.source !== '' && (await volumes.find(m.source)) !== undefined;
  const volume = existed
    ? { name: m.source }
    : await volumes.create({
        name: m.source,
        onName: (name) => plan.volumes.add(name),
        ...(m.volumeLabels ? { labels: m.volumeLabels } : {}),
        ...(m.volumeOptions ? { options: m.volumeOptions } : {}),
      });
  if (!existed) made.push(volume.name);
  return { ...m, source: volume.name, anonymous: m.source === '' || (m.anonymous ?? false) };
}
