/**
 * The daemon's side of the name server: starts the process where there is none, and tells it what has changed, as little as possible.
 * The process is found again after a restart of the daemon, and started again when somebody has killed it.
 */
import { fileURLToPath } from 'node:url';
import { type Logger, messageOf, SerialLock, SwarmtsError } from '@swarmts/lib';
import { ControlClient, type ControlClientOptions } from '../control/control-client.js';
import { changeOfNames, type NetworkNames } from './names.js';
import { DNS_PROTOCOL, type DnsAcknowledgement, type DnsContainer, type DnsUpdate } from './protocol.js';

/** Program file of the name server; its argument is the path of its socket. */
export const DNS_MAIN_FILE = fileURLToPath(new URL('./main.js', import.meta.url));

/** Changes of names are gathered so long, */
const DEBOUNCE_MS = 5;
/** or, where there are very many names, so many times as long as it took to gather those before, */
const PACE = 4;
/** but no longer than this. */
const MAX_DEBOUNCE_MS = 100;

export interface DnsClientOptions extends Omit<ControlClientOptions, 'name'> {
  /** The names of some networks, as of now; those that are not known are left out. */
  readonly networks: (ids: ReadonlySet<string>) => readonly NetworkNames[];
  /** False while not all of them are known: a process that goes on with those from before is let be. */
  readonly isComplete: () => boolean;
  readonly logger: Logger;
}

export class DnsClient {
  readonly #o: DnsClientOptions;
  readonly #containers = new Map<string, DnsContainer>();
  /** What the process has. */
  readonly #sentNetworks = new Map<string, NetworkNames>();
  readonly #sentContainers = new Set<string>();
  /** To be told, also where it was told before: one that was started again has another namespace under the same name. */
  readonly #due = new Set<string>();
  readonly #process: ControlClient<DnsAcknowledgement>;
  readonly #lock = new SerialLock();
  #scheduled = false;
  #pauseMs = DEBOUNCE_MS;
  #closed = false;
  /** Why containers have no names, as it was said last. */
  #said = '';

  constructor(options: DnsClientOptions) {
    this.#o = options;
    this.#process = new ControlClient({ ...options, name: 'the name server' });
  }

  /** Resolves when the container's questions are answered. */
  async put(container: DnsContainer): Promise<void> {
    this.#containers.set(container.id, container);
    this.#due.add(container.id);
    const failed = await this.#flush();
    const reason = failed[container.id];
    if (reason !== undefined) {
      throw new SwarmtsError('internal', `the name server of container ${container.id} did not start: ${reason}`);
    }
  }

  remove(containerId: string): void {
    this.#due.delete(containerId);
    if (this.#containers.delete(containerId)) this.changed();
  }

  /** Names may have changed: they are sent soon. */
  changed(): void {
    if (this.#scheduled || this.#closed) return;
    this.#scheduled = true;
    this.#o.clock.after(this.#pauseMs, () => {
      this.#scheduled = false;
      this.#flushAll().catch((e: unknown) =>
        this.#o.logger.warn('the name server was not told of a change yet', { error: messageOf(e) }),
      );
    });
  }

  /** Resolves when the process has the names as they are now. */
  async inForce(): Promise<void> {
    if (this.#process.isConnected) await this.#flushAll();
  }

  /** Whether it still answers; it is started again where it does not. */
  async repair(): Promise<void> {
    if (this.#containers.size === 0) return;
    await this.#flushAll();
  }

  /** Lets go of the process, which goes on. */
  close(): void {
    this.#closed = true;
    this.#process.drop();
  }

  /** Nobody waits for one container of them: what fails is said, and tried again with every change and repair. */
  async #flushAll(): Promise<void> {
    const failed = JSON.stringify(await this.#flush());
    if (failed !== this.#said && failed !== '{}') {
      this.#o.logger.warn('containers have no name server yet', { reasons: failed });
    }
    this.#said = failed;
  }

  /** Sends what has changed; resolves to the containers that it failed for. One at a time. */
  #flush(): Promise<DnsAcknowledgement['failed']> {
    return this.#lock.run(() => this.#send());
  }

  async #send(): Promise<DnsAcknowledgement['failed']> {
    if (this.#closed || (this.#containers.size === 0 && !this.#process.isConnected)) return {};
    await this.#process.connect();
    if (this.#process.isFresh && !this.#process.isNew && !this.#o.isComplete()) return {};
    const begin = this.#o.clock.monotonic();
    const { present, update } = this.#update();
    const tookMs = this.#o.clock.monotonic() - begin;
    this.#pauseMs = Math.min(MAX_DEBOUNCE_MS, Math.max(DEBOUNCE_MS, PACE * tookMs));
    if (!update) return {};
    const acknowledged = await this.#process.tell(update);
    for (const n of present) this.#sentNetworks.set(n.id, n);
    for (const id of update.removedNetworkIds) this.#sentNetworks.delete(id);
    for (const c of update.containers) {
      if (acknowledged.failed[c.id] !== undefined) continue;
      this.#sentContainers.add(c.id);
      if (this.#containers.get(c.id) === c) this.#due.delete(c.id);
    }
    for (const id of update.removedContainerIds) this.#sentContainers.delete(id);
    return acknowledged.failed;
  }

  /** The names as they are now, and what is to be said of them; undefined when that is nothing. */
  #update(): { readonly present: readonly NetworkNames[]; readonly update: Omit<DnsUpdate, 'sequence'> | undefined } {
    const reset = this.#process.isFresh;
    if (reset) {
      this.#sentNetworks.clear();
      this.#sentContainers.clear();
    }
    const used = new Set([...this.#containers.values()].flatMap((c) => c.networkIds));
    const present = this.#o.networks(used);
    const ids = new Set(present.map((n) => n.id));
    const networks = present.flatMap((n) => changeOfNames(this.#sentNetworks.get(n.id), n) ?? []);
    const containers = [...this.#containers.values()].filter(
      (c) => this.#due.has(c.id) || !this.#sentContainers.has(c.id),
    );
    const removedNetworkIds = [...this.#sentNetworks.keys()].filter((id) => !ids.has(id));
    const removedContainerIds = [...this.#sentContainers].filter((id) => !this.#containers.has(id));
    const count = networks.length + containers.length + removedNetworkIds.length + removedContainerIds.length;
    if (!reset && count === 0) return { present, update: undefined };
    const update = {
      protocol: DNS_PROTOCOL,
      reset,
      networks,
      removedNetworkIds,
      containers,
      removedContainerIds,
    };
    return { present, update };
  }
}
