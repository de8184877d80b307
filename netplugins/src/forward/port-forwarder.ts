/** What the process forwards: changed as the daemon says, port by port; the others go on. */
import { type Clock, messageOf } from '@swarmts/lib';
import { type ForwardAcknowledgement, type ForwardChange, forwardKey } from './protocol.js';
import { TcpForward } from './tcp-forward.js';
import { UdpForward } from './udp-forward.js';

export class PortForwarder {
  readonly #clock: Clock;
  readonly #open = new Map<string, { close(): void }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#open.size;
  }

  async apply({ reset, added, removed }: ForwardChange): Promise<ForwardAcknowledgement> {
    const wanted = new Map(added.map((f) => [forwardKey(f), f]));
    const gone = reset ? [...this.#open.keys()].filter((key) => !wanted.has(key)) : removed;
    for (const key of gone) {
      this.#open.get(key)?.close();
      this.#open.delete(key);
    }
    const failed: Record<string, string> = {};
    for (const [key, f] of wanted) {
      if (this.#open.has(key)) continue;
      try {
        this.#open.set(key, await (f.protocol === 'tcp' ? TcpForward.open(f) : UdpForward.open(f, this.#clock)));
      } catch (e) {
        failed[key] = messageOf(e);
      }
    }
    return { failed };
  }

  close(): void {
    for (const f of this.#open.values()) f.close();
    this.#open.clear();
  }
}
