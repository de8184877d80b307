/** Passes on what one container writes, where its log driver wants that. */
import { LogForwarder } from '../logs/log-forwarder.js';
import type { ContainerCore } from './container-core.js';
import type { ContainerMoments } from './container-moments.js';

export class ContainerForwarding {
  readonly #core: ContainerCore;
  readonly #moments: ContainerMoments;
  readonly #forwarders = new Set<LogForwarder>();

  constructor(core: ContainerCore, moments: ContainerMoments) {
    this.#core = core;
    this.#moments = moments;
  }

  /** To the end of the run. */
  begin(): void {
    const { id, config, env } = this.#core.record;
    const driver = config.log?.driver;
    if (driver !== 'syslog' && driver !== 'journald') return;
    const { helper, clock, logger, journalSocket } = this.#core.context;
    const source = {
      logPath: this.#core.paths.log,
      isLive: () => this.#core.isRunning,
      onEnd: (fn: () => void) => this.#moments.ended.on(fn),
      clock,
    };
    const { name, image, labels } = config;
    const origin = { id, name, image, labels, env, options: config.log?.options ?? {} };
    const forwarder = new LogForwarder({ driver, journalSocket, source, origin }, helper, clock, logger);
    this.#forwarders.add(forwarder);
    void forwarder.done.finally(() => this.#forwarders.delete(forwarder));
  }

  /** Resolves when everything was passed on. */
  async finish(): Promise<void> {
    await Promise.all([...this.#forwarders].map((f) => f.finish()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#forwarders].map((f) => f.close()));
  }
}
