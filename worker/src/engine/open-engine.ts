/**
 * Opens the engine on its directories: reads the records, re-adopts what runs, finishes what ended meanwhile, removes what
 * was half made, and only then answers.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import {
  type Clock,
  errnoOf,
  findProgram,
  type Logger,
  messageOf,
  type Random,
  silentLogger,
  systemClock,
} from '@swarmts/lib';
import { removeLeftContainers, sweepBuilds } from '../build/builder.js';
import type { HelperApi } from '../helper/helper-api.js';
import { ImageService, imagesRoot } from '../images/image-service.js';
import type { TransferLimits } from '../images/image-store.js';
import { hostPlatform, type Platform } from '../images/manifest.js';
import type { RegistrySettings } from '../images/registry-endpoints.js';
import { reopenLog } from '../logs/log-files.js';
import { rotationOf } from '../logs/log-options.js';
import { LogRotation, type RotatingLog } from '../logs/log-rotation.js';
import { apparmorParser, DEFAULT_PROFILE, DefaultProfile } from '../runtime/apparmor-profile.js';
import { favorDynmodsMount } from '../runtime/cgroup-mount.js';
import { chooseRuntime, prepareForCrun } from '../runtime/choose-runtime.js';
import { CompiledFilters } from '../runtime/compiled-filters.js';
import { DeepReadOnly } from '../runtime/deep-read-only.js';
import type { DnsConfig } from '../runtime/etc-files.js';
import { CONTAINER_ID, ExitWatch } from '../runtime/exit-watch.js';
import { machineFacts, requireProgram } from '../runtime/machine-facts.js';
import { readMounts } from '../runtime/mountinfo.js';
import { OciRuntime } from '../runtime/oci-runtime.js';
import { ReadOnlyPrograms } from '../runtime/read-only-programs.js';
import { LayerStore } from '../snapshots/layer-store.js';
import { removeTree } from '../snapshots/remove-tree.js';
import { type IdMaps, ownerOnHost, ROOT } from '../userns/id-map.js';
import { openDirectories, openRoots } from '../userns/open-roots.js';
import { VolumeStore } from '../volumes/volume-store.js';
import { Container } from './container.js';
import type { LogChoice } from './container-config.js';
import type { ContainerContext } from './container-context.js';
import { type ContainerDefaults, PLAIN_DEFAULTS } from './container-defaults.js';
import { linkedContainers, linksOf } from './container-links.js';
import type { ContainerNetwork, RestoredAttachment } from './container-network.js';
import {
  buildsRoot,
  containerPaths,
  containersRoot,
  netnsRoot,
  REMOVING_PREFIX,
  usernsRoot,
} from './container-paths.js';
import { runningPeers, untilNeededRun } from './container-peers.js';
import { type ContainerRecord, loadRecord, volumeNames } from './container-record.js';
import { ContainerRegistry } from './container-registry.js';
import { Engine, supervise } from './engine.js';
import type { ContainerEngine, EngineEvent } from './engine-api.js';
import { EngineEvents } from './events.js';
import { MonitorWatch } from './monitor-watch.js';
import { spreadFolders } from './spread-folders.js';
import { mountVolatileState } from './volatile-state.js';

export interface EngineOptions {
  /** Images, layers, volumes and container records. */
  readonly dataRoot: string;
  /** Bundles, monitors' files, namespaces: gone after a reboot. */
  readonly execRoot: string;
  readonly helper: HelperApi;
  readonly network: ContainerNetwork;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger?: Logger;
  /** Tells the engines of one machine apart in the cgroup tree; default: derived from the data root. */
  readonly instance?: string;
  /** Default `/swarmts/<instance>`. */
  readonly cgroupParent?: string;
  /** "runc", "crun" or a path; by default crun where it works, else runc. */
  readonly runtime?: string;
  /** Further OCI runtimes that containers may ask for: name -> path. runc and crun are known where they are installed. */
  readonly runtimes?: Readonly<Record<string, string>>;
  /** Default "conmon". */
  readonly conmon?: string;
  /** A static init for containers with `init`; by default the usual places are searched. */
  readonly initPath?: string;
  /** Each part for containers without their own; default: the host's. */
  readonly dns?: DnsConfig;
  /** What "host-gateway" of extra hosts stands for; default: each container's gateway. */
  readonly hostGateway?: string;
  /** Of what else containers do not say. */
  readonly defaults?: ContainerDefaults;
  /** Default: systemd's. */
  readonly journalSocket?: string;
  readonly platform?: Platform;
  /** Read anew for every pull and push. */
  readonly registries?: RegistrySettings;
  readonly transfers?: TransferLimits;
  /** Containers are in user namespaces with these ids, unless they ask for the host's; the data root is for these ids alone. */
  readonly idMaps?: IdMaps | undefined;
  /** Sets the machine's cgroup hierarchy to quick changes of membership (cgroup-mount.ts); default false. */
  readonly favorDynmods?: boolean;
  /** Puts what ends with a reboot onto a tmpfs (volatile-state.ts); default false. */
  readonly volatileState?: boolean;
  /** Binds the runtime read-only below the exec root, which makes each call of it cheaper (read-only-programs.ts); default false. */
  readonly bindsRuntime?: boolean;
}

const JOURNAL_SOCKET = '/run/systemd/journal/socket';
const UNKEPT_LOG_BYTES = 1 << 20;

export async function openEngine(options: EngineOptions): Promise<ContainerEngine> {
  const { helper, clock = systemClock, random = Math.random, logger = silentLogger } = options;
  const [dataRoot, execRoot] = [resolve(options.dataRoot), resolve(options.execRoot)];
  await mkdir(dataRoot, { recursive: true, mode: 0o711 });
  await mkdir(containersRoot({ dataRoot }), { recursive: true, mode: 0o710 });
  await mkdir(execRoot, { recursive: true, mode: 0o711 });
  await spreadFolders(
    [containersRoot({ dataRoot }), join(dataRoot, 'overlay'), join(dataRoot, 'volumes')],
    helper,
    logger,
  );
  if (options.favorDynmods) await favorDynmods(helper, logger);
  if (options.volatileState) await mountVolatileState(execRoot, helper, logger);
  const events = new EngineEvents(logger);
  const emit = (e: EngineEvent) => events.emit(e);
  const registry = new ContainerRegistry();
  const runtimePath = await chooseRuntime(options.runtime, helper, logger);
  const programs = new ReadOnlyPrograms({ helper, dir: join(execRoot, 'programs'), logger });
  if (options.bindsRuntime && ['crun', 'runc'].includes(basename(runtimePath))) await programs.bind(runtimePath);
  const runtime = new OciRuntime({
    helper,
    clock,
    execRoot,
    runtimePath,
    programs,
    repairCgroups: () => prepareForCrun(helper, logger),
    conmonPath: requireProgram(options.conmon ?? 'conmon', 'conmon'),
  });
  await runtime.prepare();
  const { idMaps } = options;
  const owner = idMaps && ownerOnHost(idMaps, ROOT);
  if (owner) {
    await openRoots([dataRoot, execRoot], containersRoot({ dataRoot }), owner.gid);
    await openDirectories(execRoot, ['containers', 'files']);
  }
  const layers = await LayerStore.open(join(dataRoot, 'overlay'), helper, logger, idMaps);
  const images = await ImageService.open({
    root: imagesRoot(dataRoot),
    layers,
    helper,
    clock,
    random,
    logger,
    platform: options.platform ?? hostPlatform(),
    registry: options.registries ?? {},
    ...(options.transfers ? { transfers: options.transfers } : {}),
    users: () => registry.imageUsers(),
    emit,
  });
  const users = (volume: string) => registry.volumeUsers(volume);
  const volumes = await VolumeStore.open({
    root: join(dataRoot, 'volumes'),
    helper,
    clock,
    logger,
    owner,
    users,
    emit,
  });
  const { facts, defaultProfile } = await confinement(helper, execRoot, logger);
  // The engine that removes them is made last; what waits for it until then is removed right after.
  const early: string[] = [];
  let onAutoRemove = (id: string): void => void early.push(id);
  let onSwept = (): void => undefined;
  const swept = new Promise<void>((resolve) => {
    onSwept = resolve;
  });
  const context: ContainerContext = {
    swept,
    helper,
    runtime,
    network: options.network,
    volumes,
    clock,
    logger,
    cgroupMounts: readMounts().filter((m) => m.fstype === 'cgroup' || m.fstype === 'cgroup2'),
    journalSocket: options.journalSocket ?? JOURNAL_SOCKET,
    dataRoot,
    execRoot,
    deepReadOnly: new DeepReadOnly((spec) => helper.run(spec)),
    bundle: {
      helper,
      layers,
      facts,
      defaultProfile,
      cgroupParent: options.cgroupParent ?? `/swarmts/${options.instance ?? instanceOf(dataRoot)}`,
      initPath: options.initPath,
      defaultInit: options.defaults?.init ?? false,
      filters: new CompiledFilters(),
      dns: options.dns,
      hostGateway: options.hostGateway,
    },
    runtimes: new Map([...namedRuntimes(options.runtimes ?? {})]),
    peerOf: runningPeers({ dataRoot, execRoot }, registry, idMaps),
    untilNeededRun: (record) => untilNeededRun(record, registry, clock),
    linkedTo: (record, strict) => linkedContainers(record, registry, options.network, strict),
    linksOf: (record) => linksOf(record, registry),
    autoRemove: (id) => onAutoRemove(id),
    emit: (action, record, attributes) => {
      emit(containerEvent(action, record, attributes, clock));
      if (action === 'start' || action === 'die') tellLinking(registry, record.id, logger);
    },
    emitUses: (all) => {
      for (const e of all) emit({ ...e, timeMs: clock.now() });
    },
  };
  await loadContainers(context, registry, logger);
  await adoptContainers(context, registry, logger);
  await sweepNamespaces(context, registry);
  await sweepUserNamespaces(context);
  onSwept();
  await sweepBuilds(buildsRoot(context), helper);
  await images.collectGarbage();
  const watches = startWatches(context, registry);
  const engine = new Engine({
    ...{ context, images, volumes, registry, events, clock, logger, watches },
    defaults: options.defaults ?? PLAIN_DEFAULTS,
  });
  onAutoRemove = (id) =>
    supervise(engine.remove(id, { force: true, volumes: true }), 'cannot remove a container that has ended', logger);
  for (const id of early) onAutoRemove(id);
  await removeLeftContainers(engine, logger);
  return engine;
}

/** Facts about the machine, and the AppArmor profile of containers where it can have one. */
async function confinement(helper: HelperApi, execRoot: string, logger: Logger) {
  const facts = machineFacts();
  const parser = facts.labels.apparmor ? apparmorParser() : undefined;
  if (parser === undefined) return { facts, defaultProfile: undefined };
  const defaultProfile = new DefaultProfile({ helper, parser, directory: execRoot });
  // Whoever starts a container is told again.
  await defaultProfile.ensure().catch((e: unknown) => logger.error('no AppArmor profile', { error: messageOf(e) }));
  return { facts: { ...facts, labels: { ...facts.labels, defaultProfile: DEFAULT_PROFILE } }, defaultProfile };
}

function namedRuntimes(given: Readonly<Record<string, string>>): [string, string][] {
  const usual = ['runc', 'crun'].flatMap((name): [string, string][] => {
    const path = findProgram(name);
    return path === undefined ? [] : [[name, path]];
  });
  return [
    ...usual,
    ...Object.entries(given).map(([name, path]): [string, string] => [name, findProgram(path) ?? path]),
  ];
}

/** A container that was started has another address, and one that has ended has none: whoever is linked to it has to know. */
function tellLinking(registry: ContainerRegistry, id: string, logger: Logger): void {
  for (const c of registry.all()) {
    if (!c.isRunning || !c.record.config.links?.some((l) => l.container === id)) continue;
    supervise(
      c.networks.renewLinks(),
      'a container was not told of the new address of one that it is linked to',
      logger,
    );
  }
}

/** Kernels before 6.0 do not know the flag: containers start all the same, only later. */
async function favorDynmods(helper: HelperApi, logger: Logger): Promise<void> {
  const spec = favorDynmodsMount(readMounts());
  if (!spec) return;
  try {
    await helper.mount(spec);
  } catch (e) {
    logger.info('the cgroup hierarchy keeps its slow changes of membership', { error: messageOf(e) });
  }
}

async function loadContainers(context: ContainerContext, registry: ContainerRegistry, logger: Logger): Promise<void> {
  const root = containersRoot(context);
  for (const name of await readdir(root)) {
    const directory = join(root, name);
    let record: ContainerRecord | undefined;
    try {
      record = CONTAINER_ID.test(name) ? await loadRecord(directory) : undefined;
    } catch (e) {
      logger.error('a container cannot be brought back; it is left as it is', { directory, error: messageOf(e) });
      continue;
    }
    if (!record) {
      // Interrupted creations and removals; anything else is not ours.
      if (CONTAINER_ID.test(name) || name.startsWith(REMOVING_PREFIX)) {
        await removeTree(context.helper, directory);
      }
      continue;
    }
    try {
      registry.reserveName(record.config.name, record.id);
      const container = new Container(record, context);
      registry.add(container);
      if (container.isRunning) for (const name of volumeNames(record)) context.volumes.adopt(name, record.id);
    } catch (e) {
      logger.error('a container cannot be brought back', { container: record.id, error: messageOf(e) });
    }
  }
}

/** One that resists, on a full disk say, does not keep the others, nor whoever would tidy up. */
async function adoptContainers(context: ContainerContext, registry: ContainerRegistry, logger: Logger): Promise<void> {
  const attachments = registry.all().flatMap((c) => restoredAttachment(c.record, context));
  const cutOff = new Set(await context.network.restore(attachments));
  for (const c of registry.all()) {
    try {
      await c.adopt();
      if (cutOff.has(c.record.id)) await c.abort('its network cannot be taken up again');
      // A rotation that was cut short between renaming and reopening.
      if (c.isRunning && !existsSync(c.logPath)) await reopenLog(c.controlFifo);
    } catch (e) {
      logger.error('a container cannot be taken up again', { container: c.record.id, error: messageOf(e) });
    }
  }
}

/** Namespaces of starts that were cut short, and of containers whose network could not be taken up. */
async function sweepNamespaces(context: ContainerContext, registry: ContainerRegistry): Promise<void> {
  const directory = netnsRoot(context);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const id of await readdir(directory)) {
    if (!registry.byId(id)?.record.network) await context.helper.detachLocal(join(directory, id));
  }
}

/** Of starts that were cut short: containers that run hold their own. */
async function sweepUserNamespaces(context: ContainerContext): Promise<void> {
  const directory = usernsRoot(context);
  const left = await readdir(directory).catch((e: unknown) => {
    if (errnoOf(e) === 'ENOENT') return [];
    throw e;
  });
  for (const id of left) await context.helper.detachLocal(join(directory, id));
}

function restoredAttachment(record: ContainerRecord, context: ContainerContext): RestoredAttachment[] {
  const { id, network: attachment } = record;
  return attachment ? [{ id, netnsPath: containerPaths(context, id).netns, attachment }] : [];
}

function startWatches(context: ContainerContext, registry: ContainerRegistry) {
  const { clock, logger, runtime } = context;
  const onExit = (id: string) => {
    const container = registry.byId(id);
    // Without a container the file is a leftover of one that was removed.
    const work = container ? container.onExitFile() : runtime.forgetExit(id);
    supervise(work, 'cannot take note of an exit', logger);
  };
  const checkMonitors = async () => {
    for (const c of registry.all()) {
      await c
        .checkMonitor()
        .catch((e: unknown) => logger.error('cannot look after a monitor', { error: messageOf(e) }));
    }
  };
  return [
    new ExitWatch(runtime.exitDir, onExit, clock, logger),
    new MonitorWatch(checkMonitors, clock),
    new LogRotation(() => registry.all().flatMap(rotatingLog), clock, logger),
  ];
}

function rotatingLog(c: Container): RotatingLog[] {
  const log = c.record.config.log;
  if (!c.isRunning || !log) return [];
  if (log.driver === 'none') return [unkeptLog(c)];
  const rotation = keptRotation(log);
  if (rotation.maxSizeBytes === 0) return [];
  return [{ id: c.record.id, logPath: c.logPath, ...rotation, controlFifo: c.controlFifo }];
}

/** Options that an earlier release has taken for a task need not be any that would be taken now. */
function keptRotation(log: LogChoice): ReturnType<typeof rotationOf> {
  try {
    return rotationOf(log);
  } catch {
    return rotationOf({ ...log, options: {} });
  }
}

/** Nothing is kept of it, but whoever is attached reads it from here. */
function unkeptLog(c: Container): RotatingLog {
  const { logPath, controlFifo } = c;
  return { id: c.record.id, logPath, controlFifo, maxSizeBytes: UNKEPT_LOG_BYTES, maxFiles: 2, compress: false };
}

function containerEvent(
  action: string,
  record: ContainerRecord,
  attributes: Readonly<Record<string, string>> | undefined,
  clock: Clock,
): EngineEvent {
  const { id, config } = record;
  const base = { ...config.labels, image: config.image, name: config.name };
  return { type: 'container', action, id, attributes: { ...base, ...attributes }, timeMs: clock.now() };
}

function instanceOf(dataRoot: string): string {
  return createHash('sha256').update(dataRoot).digest('hex').slice(0, 8);
}
