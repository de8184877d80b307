/**
 * Listens once to the backend, and hands on to every open request. The node's last events are kept here; those of the swarm are
 * kept by its managers.
 */
import type { Backend, SwarmEvent } from '../backend.js';
import { SharedChunk } from '../http/shared-chunk.js';
import { type Event, eventLine } from './event.js';
import type { EventFormat } from './event-format.js';

/** As many as Docker keeps. */
const MAX_KEPT_EVENTS = 256;

/** An event, and its line for all who listen to it in the same form. */
export interface HeardEvent {
  readonly event: Event;
  readonly lines: Readonly<Record<EventFormat['form'], SharedChunk>>;
}

export class EventHub {
  readonly #backend: Backend;
  readonly #kept: HeardEvent[] = [];
  readonly #listeners = new Set<(e: HeardEvent) => void>();
  readonly #ends: readonly (() => void)[];
  #lastNs = 0n;

  constructor(backend: Backend) {
    this.#backend = backend;
    const keep: Parameters<Backend['node']['onEvent']>[0] = ({ timeMs, ...e }) =>
      this.#keep(heard({ ...e, scope: 'local', timeNs: this.#next(timeMs) }));
    this.#ends = [
      backend.node.onEvent(keep),
      backend.system.onEvent(keep),
      backend.swarm.onEvent((e) => this.#publish(heardInSwarm(e))),
    ];
  }

  /** How many requests listen. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  close(): void {
    for (const end of this.#ends) end();
  }

  /** What was removed of a kind, in one go. */
  pruned(type: string, bytes: number, timeMs: number): void {
    const attributes = { reclaimed: String(bytes) };
    this.#keep(heard({ type, action: 'prune', id: '', attributes, scope: 'local', timeNs: this.#next(timeMs) }));
  }

  /** What is known from a time on, in order. What comes later is told to those who subscribe in the same turn. */
  since(timeNs: bigint): readonly HeardEvent[] {
    const swarm = this.#backend.swarm.eventsSince(timeNs).map(heardInSwarm);
    const local = this.#kept.filter((e) => e.event.timeNs >= timeNs);
    return [...swarm, ...local].sort((a, b) => Number(a.event.timeNs - b.event.timeNs));
  }

  subscribe(listener: (e: HeardEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Times of this node's events only go forward, so that a client can ask for what came after one of them. */
  #next(timeMs: number): bigint {
    const ns = BigInt(timeMs) * 1_000_000n;
    this.#lastNs = ns > this.#lastNs ? ns : this.#lastNs + 1n;
    return this.#lastNs;
  }

  #keep(e: HeardEvent): void {
    this.#kept.push(e);
    if (this.#kept.length > MAX_KEPT_EVENTS) this.#kept.shift();
    this.#publish(e);
  }

  #publish(e: HeardEvent): void {
    for (const listener of this.#listeners) listener(e);
  }
}

function heard(event: Event): HeardEvent {
  const lean = new SharedChunk(() => eventLine(event, 'lean'));
  return { event, lines: { lean, old: new SharedChunk(() => eventLine(event, 'old')) } };
}

const heardInSwarm = (e: SwarmEvent): HeardEvent => heard({ ...e, scope: 'swarm' });
