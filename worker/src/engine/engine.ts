/**
 * The container engine: names and ids in front of the containers, and what only makes sense over all of them. Everything
 * about one container is in container.ts, about opening and re-adopting in open-engine.ts.
 */
import { type Clock, isSwarmtsError, type Logger, messageOf, SwarmtsError } from '@swarmts/lib';
import type { CommitOptions } from '../images/image-api.js';
import type { ImageService } from '../images/image-service.js';
import { readLogs } from '../logs/log-reader.js';
import type { LogRotation } from '../logs/log-rotation.js';
import type { ExitWatch } from '../runtime/exit-watch.js';
import type { VolumeStore } from '../volumes/volume-store.js';
import { Container } from './container.js';
import { commitContainer } from './container-commit.js';
import type { ContainerContext } from './container-context.js';
import { createContainer, newContainerId } from './container-creation.js';
import { containerPaths } from './container-paths.js';
import type { ContainerRegistry } from './container-registry.js';
import type {
  ContainerConfig,
  ContainerEngine,
  ContainerInfo,
  EngineEvent,
  ExecResult,
  ExitInfo,
  LogEntry,
  LogOptions,
  NetworkWish,
} from './engine-api.js';
import type { EngineEvents } from './events.js';
import { checkName } from './merge-config.js';
import type { MonitorWatch } from './monitor-watch.js';

export interface EngineParts {
  readonly context: ContainerContext;
  readonly images: ImageService;
  readonly volumes: VolumeStore;
  readonly registry: ContainerRegistry;
  readonly events: EngineEvents;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly watches: readonly (ExitWatch | MonitorWatch | LogRotation)[];
}

export class Engine implements ContainerEngine {
  readonly images: ContainerEngine['images'];
  readonly volumes: ContainerEngine['volumes'];
  readonly #parts: EngineParts;
  /** Ends followers of logs and waiters when the engine is closed. */
  readonly #closing = new AbortController();

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.images = parts.images;
    this.volumes = parts.volumes;
  }

  async create(config: ContainerConfig): Promise<string> {
    checkName(config.name);
    const { registry, context, images, volumes, clock } = this.#parts;
    const id = newContainerId();
    registry.reserveName(config.name, id);
    try {
      const directoryOf = (i: string) => containerPaths(context, i).container;
      const record = await createContainer(id, config, { images, volumes, clock, directoryOf });
      registry.add(new Container(record, context, config.files ?? []));
      context.emit('create', record);
      return id;
    } catch (e) {
      registry.releaseName(config.name, id);
      throw e;
    }
  }

  async start(id: string): Promise<void> {
    await this.#parts.registry.get(id).start();
  }

  async stop(id: string, timeoutSeconds?: number): Promise<void> {
    await this.#parts.registry.get(id).stop(timeoutSeconds);
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
    registry.delete(container);
    if (options.volumes) {
      for (const m of container.record.mounts) {
        if (!m.anonymous) continue;
        await volumes.remove(m.source, true).catch((e: unknown) => {
          logger.warn('cannot remove an anonymous volume', { volume: m.source, error: messageOf(e) });
        });
      }
    }
    // Its layers may have stayed for this container alone.
    if (images.chainOf(container.record.imageId).length === 0) await images.collectGarbage();
  }

  async connect(id: string, wish: NetworkWish): Promise<void> {
    await this.#parts.registry.get(id).connect(wish);
  }

  async disconnect(id: string, network: { readonly id: string; readonly name: string }): Promise<void> {
    await this.#parts.registry.get(id).disconnect(network);
  }

  async wait(id: string, signal?: AbortSignal): Promise<ExitInfo> {
    return this.#parts.registry.get(id).wait(this.#untilClosed(signal));
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
    yield* readLogs(source, options, this.#untilClosed(signal));
  }

  async exec(
    id: string,
    argv: readonly string[],
    options: { env?: readonly string[]; user?: string; timeoutMs?: number },
  ): Promise<ExecResult> {
    return this.#parts.registry.get(id).exec(argv, options, this.#closing.signal);
  }

  async commit(id: string, options: CommitOptions): Promise<string> {
    const { registry, context, images } = this.#parts;
    const container = registry.get(id);
    const directory = containerPaths(context, container.record.id).container;
    return commitContainer(container, directory, images.store, options);
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
    };
  }

  async close(): Promise<void> {
    this.#closing.abort(new SwarmtsError('unavailable', 'the container engine is closing'));
    await Promise.all(this.#parts.watches.map((w) => w.close()));
    await Promise.all(this.#parts.registry.all().map((c) => c.close()));
    this.#parts.events.clear();
  }

  #untilClosed(signal: AbortSignal | undefined): AbortSignal {
    return signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
  }
}

/** Runs `work` for something that is supervised in the background; failures are logged, not lost. */
export function supervise(work: Promise<void>, what: string, logger: Logger): void {
  work.catch((e: unknown) => {
    if (!isSwarmtsError(e, 'aborted')) logger.error(what, { error: messageOf(e) });
  });
}
