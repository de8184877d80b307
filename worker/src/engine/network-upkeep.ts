/**
 * Looks after the node's networks every few seconds: what was deleted, flushed or killed behind our back is there again soon, and
 * addresses that nobody here uses any more go back to the managers.
 */
import { type Clock, type Logger, messageOf, type TimerHandle } from '@swarmts/lib';
import type { HiddenListeners, LocalNetwork, RoutedNetworks } from '@swarmts/netplugins';
import type { EndpointSource, NodeContainerNetwork } from './node-container-network.js';

/** Everything is back within five seconds. */
const PERIOD_MS = 3_000;

export interface UpkeepParts {
  readonly local: Pick<LocalNetwork, 'repair'>;
  readonly routed: Pick<RoutedNetworks, 'repair' | 'strayEndpoints'>;
  readonly names: { repair(): Promise<void> };
  readonly containers: Pick<NodeContainerNetwork, 'mendNames'>;
  readonly hidden: Pick<HiddenListeners, 'look'>;
  readonly source: Pick<EndpointSource, 'giveBack' | 'owed'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class NetworkUpkeep {
  readonly #p: UpkeepParts;
  #timer: TimerHandle | undefined;
  #running: Promise<void> = Promise.resolve();
  #closed = false;
  /** Seen once: an attachment that is just being made is no stray. */
  #suspects: ReadonlySet<string> = new Set();

  constructor(parts: UpkeepParts) {
    this.#p = parts;
  }

  start(): void {
    if (this.#closed) return;
    this.#timer = this.#p.clock.after(PERIOD_MS, () => {
      this.#running = this.#round().finally(() => this.start());
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #round(): Promise<void> {
    const { local, routed, names } = this.#p;
    await this.#attempt('the local network', () => local.repair().then(() => undefined));
    await this.#attempt('the networks of the swarm', () => routed.repair());
    await this.#attempt('the name server', () => names.repair());
    await this.#attempt('names of containers', () => this.#p.containers.mendNames());
    await this.#attempt('programs of the node', () => this.#p.hidden.look());
    await this.#attempt('unused addresses', () => this.#giveBackStrays());
  }

  async #giveBackStrays(): Promise<void> {
    const strays = new Set([...this.#p.routed.strayEndpoints(), ...(this.#p.source.owed?.() ?? [])]);
    for (const id of strays) if (this.#suspects.has(id)) await this.#p.source.giveBack(id);
    this.#suspects = strays;
  }

  async #attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (e) {
      this.#p.logger.warn(`cannot look after ${what}, trying again`, { error: messageOf(e) });
    }
  }
}
