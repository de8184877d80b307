/** The container engine as the API's ContainerBackend: names are the same on both sides, so most calls are passed on. */
import type { AttachOptions, ContainerBackend, ExecConfig, TerminalSize, WaitCondition } from '@swarmts/api';
import type { ContainerEngine } from '@swarmts/worker';

export class EngineContainers implements ContainerBackend {
  readonly #engine: ContainerEngine;

  constructor(engine: ContainerEngine) {
    this.#engine = engine;
  }

  async stop(container: string, timeoutSeconds: number | undefined, signal: string): Promise<void> {
    await this.#engine.stop(container, timeoutSeconds, signal);
  }

  async restart(container: string, timeoutSeconds: number | undefined, signal: string): Promise<void> {
    await this.#engine.restart(container, timeoutSeconds, signal);
  }

  async pause(container: string): Promise<void> {
    await this.#engine.pause(container);
  }

  async unpause(container: string): Promise<void> {
    await this.#engine.unpause(container);
  }

  removeLink(path: string): Promise<void> {
    return this.#engine.removeLink(path);
  }

  async rename(container: string, name: string): Promise<void> {
    await this.#engine.rename(container, name);
  }

  async update(container: string, change: Parameters<ContainerBackend['update']>[1]): Promise<readonly string[]> {
    const { resources, restart } = change;
    const limited = Object.keys(resources).length > 0;
    return this.#engine.update(container, { ...(limited ? { resources } : {}), ...(restart ? { restart } : {}) });
  }

  async wait(container: string, condition: WaitCondition, signal: AbortSignal) {
    return this.#engine.wait(container, signal, condition);
  }

  async stats(container: string) {
    return this.#engine.stats(container);
  }

  async top(container: string, psArgs: string) {
    return this.#engine.top(container, psArgs);
  }

  async statPath(container: string, path: string): ReturnType<ContainerBackend['statPath']> {
    return this.#engine.statPath(container, path);
  }

  readArchive(container: string, path: string, signal: AbortSignal) {
    return this.#engine.readArchive(container, path, signal);
  }

  async writeArchive(
    container: string,
    path: string,
    archive: AsyncIterable<Uint8Array>,
    options: { readonly keepKinds: boolean; readonly ownIds: boolean },
    signal: AbortSignal,
  ): Promise<void> {
    await this.#engine.writeArchive(container, path, archive, options, signal);
  }

  exportFiles(container: string, signal: AbortSignal) {
    return this.#engine.export(container, signal);
  }

  async changes(container: string): ReturnType<ContainerBackend['changes']> {
    return this.#engine.changes(container);
  }

  async sizes(container: string) {
    return this.#engine.sizes(container);
  }

  async volumeBytes(volume: string) {
    return this.#engine.volumeBytes(volume);
  }

  async createExec(container: string, config: ExecConfig) {
    return this.#engine.createExec(container, config);
  }

  async exec(id: string) {
    return this.#engine.findExec(id);
  }

  async startExec(id: string, options: { readonly detach: boolean; readonly size?: TerminalSize }) {
    return this.#engine.startExec(id, options);
  }

  async resizeExec(id: string, size: TerminalSize): Promise<void> {
    await this.#engine.resizeExec(id, size);
  }

  async attach(container: string, options: AttachOptions) {
    return this.#engine.attach(container, options);
  }

  async resize(container: string, size: TerminalSize): Promise<void> {
    await this.#engine.resize(container, size);
  }
}
