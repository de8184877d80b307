// The network between simulated members: every message may be lost, doubled or late, and links may be cut in one or both
// directions. Messages overtake each other.
import { decodeMessage, encodeMessage } from '../../codec/message-codec.js';
import type { Message } from '../../message.js';
import type { Random } from '../random.js';
import type { EventQueue } from './event-queue.js';
import type { Machine } from './machine.js';

export interface NetworkMember {
  /** `state` comes with snapshots. */
  receive(message: Message, state: Machine | undefined): void;
  reportSnapshot(id: number, ok: boolean): void;
  reportUnreachable(id: number): void;
}

/** What a lost snapshot's sender waits before it knows. */
const SNAPSHOT_REPORT_MS = 50;

export class ModelNetwork {
  readonly members = new Map<number, NetworkMember>();
  lossRate = 0;
  doubleRate = 0;
  /** Share of the messages that are very late. */
  lateRate = 0;
  readonly #queue: EventQueue;
  readonly #random: Random;
  readonly #encode: boolean;
  /** Cut links, as `from * MAX_ID + to`. */
  readonly #cut = new Set<number>();

  constructor(queue: EventQueue, random: Random, encode: boolean) {
    this.#queue = queue;
    this.#random = random;
    this.#encode = encode;
  }

  #link(from: number, to: number): number {
    return from * 1000 + to;
  }

  /** Cuts the link in this direction. */
  cut(from: number, to: number): void {
    this.#cut.add(this.#link(from, to));
  }

  /** Cuts every link for which `isCut`, and mends all others. */
  reshape(ids: readonly number[], isCut: (from: number, to: number) => boolean): void {
    this.#cut.clear();
    for (const from of ids) for (const to of ids) if (from !== to && isCut(from, to)) this.cut(from, to);
  }

  heal(): void {
    this.#cut.clear();
    this.lossRate = 0;
    this.doubleRate = 0;
    this.lateRate = 0;
  }

  send(message: Message, state: Machine | undefined): void {
    const random = this.#random;
    if (this.#cut.has(this.#link(message.from, message.to)) || (this.lossRate > 0 && random.chance(this.lossRate))) {
      this.#lose(message);
      return;
    }
    const wired = this.#encode ? decodeMessage(encodeMessage(message)) : message;
    this.#deliverLater(wired, state);
    if (this.doubleRate > 0 && random.chance(this.doubleRate)) this.#deliverLater(wired, state);
  }

  #deliverLater(message: Message, state: Machine | undefined): void {
    const random = this.#random;
    const isLate = this.lateRate > 0 && random.chance(this.lateRate);
    const delayMs = 0.5 + 3 * random.next() + (isLate ? 800 * random.next() : 0);
    this.#queue.after(delayMs, () => {
      const receiver = this.members.get(message.to);
      // A cut takes along what is under way.
      if (receiver === undefined || this.#cut.has(this.#link(message.from, message.to))) {
        this.#lose(message);
        return;
      }
      receiver.receive(message, state);
      if (message.type === 'snap') this.#report(message, true);
    });
  }

  #lose(message: Message): void {
    if (message.type === 'snap') this.#report(message, false);
    else if (message.type === 'append' && this.#random.chance(0.2)) {
      this.#queue.after(1, () => this.members.get(message.from)?.reportUnreachable(message.to));
    }
  }

  #report(message: Message, ok: boolean): void {
    this.#queue.after(SNAPSHOT_REPORT_MS, () => this.members.get(message.from)?.reportSnapshot(message.to, ok));
  }
}
