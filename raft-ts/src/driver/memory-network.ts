// A network inside one process, for tests and simulations: messages are encoded and decoded as on a real one, and can
// be lost, doubled, delayed or cut off. Delivery is never synchronous.
import { decodeMessage, encodeMessage } from '../codec/message-codec.js';
import type { Message } from '../message.js';
import type { Transport } from './options.js';

export interface Peer {
  step(message: Message): void;
  reportUnreachable(id: number): void;
  reportSnapshot(id: number, ok: boolean): void;
}

/** What happens to one message: lost, or delivered after each of the delays (in the scheduler's unit). */
export type Fate = { readonly deliverAfter: readonly number[] };

export interface MemoryNetworkOptions {
  /** Runs `deliver` later. Default: the next turn of the event loop, whatever the delay. */
  readonly schedule?: (delay: number, deliver: () => void) => void;
  /** Default: every message is delivered once, without delay. */
  readonly fateOf?: (message: Message) => Fate;
}

export const DELIVERED: Fate = { deliverAfter: [0] };
export const LOST: Fate = { deliverAfter: [] };

export class MemoryNetwork {
  readonly #options: MemoryNetworkOptions;
  readonly #peers = new Map<number, Peer>();
  /** Group of each member; members of different groups do not hear each other. */
  #groups = new Map<number, number>();

  constructor(options: MemoryNetworkOptions = {}) {
    this.#options = options;
  }

  /** Connects a member; a later one of the same id takes its place. */
  connect(id: number, peer: Peer): void {
    this.#peers.set(id, peer);
  }

  disconnect(id: number): void {
    this.#peers.delete(id);
  }

  /** Splits the network; whoever is in no group is alone. */
  partition(...groups: readonly (readonly number[])[]): void {
    this.#groups = new Map();
    for (const id of this.#peers.keys()) this.#groups.set(id, -id);
    for (const [number, ids] of groups.entries()) for (const id of ids) this.#groups.set(id, number);
  }

  heal(): void {
    this.#groups = new Map();
  }

  /** The transport to hand to member `from`. */
  transport(from: number): Transport {
    return {
      send: (messages) => {
        for (const message of messages) this.#send(from, message);
      },
    };
  }

  #send(from: number, message: Message): void {
    const bytes = encodeMessage(message);
    const { deliverAfter } = this.#options.fateOf?.(message) ?? DELIVERED;
    const schedule = this.#options.schedule ?? ((_delay: number, deliver: () => void) => setImmediate(deliver));
    if (deliverAfter.length === 0) schedule(0, () => this.#reportLost(from, message));
    for (const delay of deliverAfter) schedule(delay, () => this.#deliver(from, message, bytes));
  }

  #deliver(from: number, message: Message, bytes: Uint8Array): void {
    const peer = this.#peers.get(message.to);
    if (peer === undefined || this.#groups.get(from) !== this.#groups.get(message.to)) {
      this.#reportLost(from, message);
      return;
    }
    peer.step(decodeMessage(bytes));
    if (message.type === 'snap') this.#peers.get(from)?.reportSnapshot(message.to, true);
  }

  #reportLost(from: number, message: Message): void {
    const sender = this.#peers.get(from);
    sender?.reportUnreachable(message.to);
    if (message.type === 'snap') sender?.reportSnapshot(message.to, false);
  }
}
