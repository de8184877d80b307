/** The daemon's side of the process that forwards published ports: tells it what has changed, and everything when it is another one. */
import { fileURLToPath } from 'node:url';
import { SerialLock } from '@swarmts/lib';
import { ControlClient, type ControlClientOptions } from '../control/control-client.js';
import { FORWARD_PROTOCOL, type ForwardAcknowledgement, forwardKey, type PortForward } from './protocol.js';

/** Program file of the process; its argument is the path of its socket. */
export const FORWARD_MAIN_FILE = fileURLToPath(new URL('./main.js', import.meta.url));

export class ForwardClient {
  readonly #process: ControlClient<ForwardAcknowledgement>;
  readonly #lock = new SerialLock();
  #wanted = new Map<string, PortForward>();
  /** What the process forwards, while it is connected. */
  readonly #open = new Set<string>();

  constructor(options: Omit<ControlClientOptions, 'name'>) {
    this.#process = new ControlClient({ ...options, name: 'the process that forwards published ports' });
  }

  /** These, and no others, are forwarded from now on; resolves to the reasons, by `forwardKey`, of those that cannot be. */
  set(forwards: readonly PortForward[]): Promise<ForwardAcknowledgement['failed']> {
    return this.#lock.run(() => {
      this.#wanted = byKey(forwards);
      return this.#tell(
        forwards,
        [...this.#open].filter((key) => !this.#wanted.has(key)),
      );
    });
  }

  /** As `set`, of what differs from before alone. */
  change(added: readonly PortForward[], removed: readonly PortForward[]): Promise<ForwardAcknowledgement['failed']> {
    return this.#lock.run(() => {
      const gone = removed.map(forwardKey);
      for (const key of gone) this.#wanted.delete(key);
      for (const f of added) this.#wanted.set(forwardKey(f), f);
      return this.#tell(added, gone);
    });
  }

  /** Lets go of the process, which goes on. */
  close(): void {
    this.#process.drop();
  }

  async #tell(added: readonly PortForward[], gone: readonly string[]): Promise<ForwardAcknowledgement['failed']> {
    if (this.#wanted.size === 0 && !this.#process.mayExist) return {};
    await this.#process.connect();
    const reset = this.#process.isFresh;
    if (reset) this.#open.clear();
    const update = {
      protocol: FORWARD_PROTOCOL,
      reset,
      added: (reset ? [...this.#wanted.values()] : added).filter((f) => !this.#open.has(forwardKey(f))),
      removed: gone.filter((key) => this.#open.has(key)),
    };
    if (!reset && update.added.length + update.removed.length === 0) return {};
    const { failed } = await this.#process.tell(update);
    for (const key of update.removed) this.#open.delete(key);
    for (const key of byKey(update.added).keys()) if (failed[key] === undefined) this.#open.add(key);
    return failed;
  }
}

function byKey(forwards: readonly PortForward[]): Map<string, PortForward> {
  return new Map(forwards.map((f) => [forwardKey(f), f]));
}
