/**
 * The container engine: names and ids in front of the containers, and what only makes sense over all of them. Everything
 * about one container is in container.ts, about opening and re-adopting in open-engine.ts.
 */
import {
  type Clock,
  isSwarmtsError,
  type Logger,
  messageOf,
  SwarmtsError,
  streamUnderSignals,
  underSignals,
} from '@swarmts/lib';
import { familiarString, parseReference } from '@swarmts/proto';
import type { BuildOptions } from '../build/build-api.js';
import { ImageBuilder } from '../build/builder.js';
import { ExecRegistry } from '../exec/exec-registry.js';
import type { CommitOptions } from '../images/image-api.js';
import type { ImageService } from '../images/image-service.js';
import type { LogEntry, LogOptions } from '../logs/log-api.js';
import { readLogs } from '../logs/log-reader.js';
import type { LogRotation } from '../logs/log-rotation.js';
import type { ExitWatch } from '../runtime/exit-watch.js';
import { type RuntimeVersion, runtimeVersion } from '../runtime/known-escapes.js';
import type { VolumeStore } from '../volumes/volume-store.js';
import { checkResources } from './check-settings.js';
import { Container } from './container.js';
import type {
  ContainerInfo,
  ContainerStats,
  ContainerUpdate,
  ExecResult,
  ExitInfo,
  WaitCondition,
} from './container-api.js';
import { changesOf, commitContainer } from './container-commit.js';
import type { ContainerConfig, NetworkWish } from './container-config.js';
import type { ContainerContext } from './container-context.js';
import { createContainer, newContainerId } from './container-creation.js';
import { type ContainerDefaults, defaultCgroupnsMode } from './container-defaults.js';
import { resolveLinks } from './container-links.js';
import { buildsRoot, containerPaths } from './container-paths.js';
import type { ContainerRegistry } from './container-registry.js';
import { listProcesses } from './container-top.js';
import { bytesBelow } from './disk-size.js';
import type { ContainerEngine, EngineEvent } from './engine-api.js';
import type { EngineEvents } from './events.js';
import { checkName } from './merge-config.js';
import type { MonitorWatch } from './monitor-watch.js';
import type { AttachOptions, ExecConfig, ExecInfo, Session, TerminalSize } from './session-api.js';
import { supportedLimits } from './supported-limits.js';

export interface EngineParts {
  readonly context: ContainerContext;
  readonly images: ImageService;
  readonly volumes: VolumeStore;
  readonly registry: ContainerRegistry;
  readonly defaults: ContainerDefaults;
  readonly events: EngineEvents;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly watches: readonly (ExitWatch | MonitorWatch | LogRotation)[];
}

export class Engine implements ContainerEngine {
  readonly images: ContainerEngine['images'];
  readonly volumes: ContainerEngine['volumes'];
  readonly #parts: EngineParts;
  readonly #execs: ExecRegistry;
  readonly #builder: ImageBuilder;
  /** Ends followers of logs and waiters when the engine is closed. */
  readonly #closing = new AbortController();

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#execs = new ExecRegistry(parts.clock);
    const { images, context } = parts;
    const changesOf = (id: string) => this.#changesOf(id);
    this.#builder = new ImageBuilder({ engine: this, images, changesOf, root: buildsRoot(context) });
    this.images = parts.images;
    this.volumes = parts.volumes;
  }

  async create(config: ContainerConfig, warn: (text: string) => void = () => undefined): Promise<string> {
    checkName(config.name);
    const { registry, context, images, volumes, clock } = this.#parts;
    const id = newContainerId();
    registry.reserveName(config.name, id);
    try {
      const directoryOf = (i: string) => containerPaths(context, i).container;
      const { facts } = context.bundle;
      const links = resolveLinks(config.links ?? [], registry);
      const record = await createContainer(id, links.length === 0 ? config : { ...config, links }, {
        images,
        volumes,
        clock,
        directoryOf,
        dataRoot: context.dataRoot,
        limits: facts.limits,
        support: facts.support,
        cgroupVersion: facts.cgroupVersion,
        warn,
        runtimes: context.runtimes,
        defaults: this.#parts.defaults,
        ids: context.bundle.layers.ids,
        mountsOf: (other) => registry.get(other).record.mounts,
        plan: registry.plan(id),
      });
      registry.add(new Container(record, context, config.files ?? []));
      context.emit('create', record);
      return id;
    } catch (e) {
      registry.releaseName(config.name, id);
      throw e;
    } finally {
      registry.forget(id);
    }
  }

  async start(id: string): Promise<void> {
    await this.#parts.registry.get(id).start();
  }

  async stop(id: string, timeoutSeconds?: number, signal?: string): Promise<void> {
    await this.#parts.registry.get(id).stop(timeoutSeconds, signal);
  }

  async restart(id: string, timeoutSeconds?: number, signal?: string): Promise<void> {
    await this.#parts.registry.get(id).restart(timeoutSeconds, signal);
  }

  async removeLink(path: string): Promise<void> {
    const { parent, alias, target } = this.#parts.registry.link(path);
    await parent.removeLink({ alias, hostname: target?.record.hostname });
  }

  async rename(id: string, name: string): Promise<void> {
    if (name === '') throw new SwarmtsError('invalid-argument', 'Neither old nor new names may be empty');
    checkName(name);
    const { registry } = this.#parts;
    const container = registry.get(id);
    if (container.record.config.name === name) {
      throw new SwarmtsError('invalid-argument', 'Renaming a container with the same name as its current name');
    }
    await registry.rename(container, name, () => container.rename(name));
  }

  async update(id: string, change: ContainerUpdate): Promise<readonly string[]> {
    const { facts } = this.#parts.context.bundle;
    let told: readonly string[] = [];
    await this.#parts.registry.get(id).update(change, (wanted) => {
      const { resources, warnings } = supportedLimits(wanted, facts.support);
      checkResources(resources, facts.limits);
      told = warnings;
      return resources;
    });
    return told;
  }

  stats(id: string): ContainerStats | undefined {
    return this.#parts.registry.get(id).processes.stats();
  }

  async top(id: string, psArgs: string) {
    const pids = this.#parts.registry.get(id).processes.pids();
    return listProcesses(this.#parts.context.helper, pids, psArgs);
  }

  async statPath(id: string, path: string) {
    return this.#parts.registry.get(id).archives.stat(path);
  }

  readArchive(id: string, path: string, signal?: AbortSignal) {
    const { archives } = this.#parts.registry.get(id);
    return streamUnderSignals([signal, this.#closing.signal], (s) => archives.read(path, s));
  }

  async writeArchive(
    id: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: { readonly keepKinds: boolean; readonly ownIds: boolean },
    signal?: AbortSignal,
  ): Promise<void> {
    const { archives } = this.#parts.registry.get(id);
    await underSignals([signal, this.#closing.signal], (s) => archives.write(path, archive, options, s));
  }

  export(id: string, signal?: AbortSignal) {
    const { archives } = this.#parts.registry.get(id);
    return streamUnderSignals([signal, this.#closing.signal], (s) => archives.export(s));
  }

  async changes(id: string) {
    return this.#parts.registry.get(id).archives.changes();
  }

  async volumeBytes(name: string): Promise<number> {
    const volume = await this.#parts.volumes.find(name);
    return volume ? bytesBelow(volume.mountpoint) : 0;
  }

  async sizes(id: string) {
    const { record, upperDirectory } = this.#parts.registry.get(id);
    const image = await this.#parts.images.find(record.imageId);
    const ownBytes = await bytesBelow(upperDirectory);
    return { ownBytes, totalBytes: ownBytes + (image?.sizeBytes ?? 0) };
  }

  async kill(id: string, signal: string): Promise<void> {
    await this.#parts.registry.get(id).kill(signal);
  }

  async pause(id: string): Promise<void> {
    await this.#parts.registry.get(id).pause();
  }

  async unpause(id: string): Promise<void> {
    await this.#parts.registry.get(id).unpause();
  }

  async remove(id: string, options: { force: boolean; volumes: boolean }): Promise<void> {
    const { registry, images, volumes, logger } = this.#parts;
    const container = registry.get(id);
    await container.remove(options.force);
    // Somebody else removed it at the same time.
    if (registry.byId(container.record.id) !== container) return;
    registry.delete(container);
    this.#execs.forget(container.record.id);
    if (options.volumes) {
      for (const m of container.record.mounts) {
        if (!m.anonymous) continue;
        await volumes.remove(m.source, true).catch((e: unknown) => {
          // Another container has it as well, and takes it along.
          if (isSwarmtsError(e, 'conflict')) return;
          logger.warn('cannot remove an anonymous volume', { volume: m.source, error: messageOf(e) });
        });
      }
    }
    // Its layers may have stayed for this container alone.
    if (images.chainOf(container.record.imageId).length === 0) await images.collectGarbage();
  }

  async connect(id: string, wish: NetworkWish): Promise<void> {
    await this.#parts.registry.get(id).networks.connect(wish);
  }

  async disconnect(id: string, network: { readonly id: string; readonly name: string }): Promise<void> {
    await this.#parts.registry.get(id).networks.disconnect(network);
  }

  async wait(id: string, signal?: AbortSignal, condition?: WaitCondition): Promise<ExitInfo> {
    const container = this.#parts.registry.get(id);
    return underSignals([signal, this.#closing.signal], (s) => container.wait(s, condition));
  }

  isNameTaken(name: string): boolean {
    return this.#parts.registry.isNameTaken(name);
  }

  find(nameOrId: string): ContainerInfo | undefined {
    return this.#parts.registry.find(nameOrId)?.info();
  }

  list(): readonly ContainerInfo[] {
    return this.#parts.registry.all().map((c) => c.info());
  }

  async *logs(id: string, options: LogOptions, signal?: AbortSignal): AsyncGenerator<LogEntry> {
    const container = this.#parts.registry.get(id);
    if (container.record.config.log?.driver === 'none') {
      throw new SwarmtsError('unsupported', 'configured logging driver does not support reading');
    }
    const source = {
      logPath: container.logPath,
      isLive: () => container.isRunning,
      onEnd: (fn: () => void) => container.onEnd(fn),
      clock: this.#parts.clock,
    };
    yield* streamUnderSignals([signal, this.#closing.signal], (s) => readLogs(source, options, s));
  }

  async exec(
    id: string,
    argv: readonly string[],
    options: { env?: readonly string[]; user?: string; timeoutMs?: number },
  ): Promise<ExecResult> {
    return this.#parts.registry.get(id).processes.exec(argv, options, this.#closing.signal);
  }

  async commit(id: string, options: CommitOptions): Promise<string> {
    const { registry, context, images } = this.#parts;
    const container = registry.get(id);
    const directory = containerPaths(context, container.record.id).container;
    const image = await commitContainer(container, directory, images.store, options);
    const imageRef = options.name === '' ? '' : familiarString(parseReference(options.name));
    context.emit('commit', container.record, { comment: options.comment, imageID: image, imageRef });
    return image;
  }

  async createExec(id: string, config: ExecConfig): Promise<string> {
    const exec = this.#parts.registry.get(id).processes.createExec(config);
    this.#execs.add(exec);
    return exec.id;
  }

  async startExec(execId: string, options: { readonly detach: boolean; readonly size?: TerminalSize }) {
    return this.#execs.get(execId).start(options);
  }

  async resizeExec(execId: string, size: TerminalSize): Promise<void> {
    await this.#execs.get(execId).resize(size);
  }

  findExec(execId: string): ExecInfo {
    return this.#execs.get(execId).info;
  }

  execsOf(id: string): readonly string[] {
    return this.#execs.ofContainer(id);
  }

  async attach(id: string, options: AttachOptions): Promise<Session> {
    return this.#parts.registry.get(id).processes.attach(options);
  }

  async resize(id: string, size: TerminalSize): Promise<void> {
    await this.#parts.registry.get(id).processes.resize(size);
  }

  async build(options: BuildOptions): Promise<string> {
    const signals = [options.signal, this.#closing.signal];
    return underSignals(signals, (signal) => this.#builder.build({ ...options, signal }));
  }

  onEvent(listener: (e: EngineEvent) => void): () => void {
    return this.#parts.events.on(listener);
  }

  info(): ReturnType<ContainerEngine['info']> {
    const states = this.#parts.registry.all().map((c) => c.record.state);
    const running = states.filter((s) => s === 'running').length;
    const paused = states.filter((s) => s === 'paused').length;
    return {
      containers: states.length,
      running,
      paused,
      stopped: states.length - running - paused,
      images: this.#parts.images.count,
      runtime: this.#parts.context.runtime.program,
      runtimes: [...this.#parts.context.runtimes.keys()],
      limits: this.#parts.context.bundle.facts.support,
      cgroupnsMode: defaultCgroupnsMode(this.#parts.defaults, this.#parts.context.bundle.facts.cgroupVersion),
      labels: this.#parts.context.bundle.facts.labels,
      mapsIds: this.#parts.context.bundle.layers.ids !== undefined,
    };
  }

  async runtimeVersion(): Promise<RuntimeVersion | undefined> {
    const { helper, runtime } = this.#parts.context;
    const env = { PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin' };
    const { stdout } = await helper.run({ argv: [runtime.program, '--version'], env });
    return runtimeVersion(Buffer.from(stdout).toString('utf8'));
  }

  async close(): Promise<void> {
    this.#closing.abort(new SwarmtsError('unavailable', 'the container engine is closing'));
    await Promise.all(this.#parts.watches.map((w) => w.close()));
    await Promise.all(this.#parts.registry.all().map((c) => c.close()));
    this.#parts.events.clear();
  }

  #changesOf(id: string) {
    const { registry, context, images } = this.#parts;
    const { record } = registry.get(id);
    return changesOf(record, containerPaths(context, id).container, images.store);
  }
}

/** Runs `work` for something that is supervised in the background; failures are logged, not lost. */
export function supervise(work: Promise<void>, what: string, logger: Logger): void {
  work.catch((e: unknown) => {
    if (!isSwarmtsError(e, 'aborted')) logger.error(what, { error: messageOf(e) });
  });
}
