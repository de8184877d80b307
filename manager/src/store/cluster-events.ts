/**
 * The last events of the cluster. They are made from the entries and kept in snapshots, so that every manager has the same ones:
 * whoever was cut off goes on where it stopped, at the same manager after it was started again or at another one. Their times only
 * go forward, whatever the clocks of the leaders say, and no two have the same.
 */
import { ClusterEvent } from '@swarmts/proto';
import { eventOf } from './cluster-event.js';
import type { AnyChange } from './tables.js';

/** Hours of a cluster that is worked on; some megabytes. The oldest go first. */
export const MAX_CLUSTER_EVENTS = 10_000;

export class ClusterEvents {
  #events: ClusterEvent[] = [];
  readonly #limit: number;

  constructor(limit = MAX_CLUSTER_EVENTS) {
    this.#limit = limit;
  }

  /** The oldest first. */
  get all(): readonly ClusterEvent[] {
    return this.#events;
  }

  after(version: number): readonly ClusterEvent[] {
    return this.#events.slice(this.#events.findLastIndex((e) => e.version <= version) + 1);
  }

  /** A change that was committed with `version`; what users are told of it, if anything. */
  add(change: AnyChange, version: number, timeMs: number): ClusterEvent | undefined {
    const what = eventOf(change);
    if (!what) return undefined;
    const last = this.#events.at(-1);
    const isLater = last === undefined || timeMs > last.timeMs;
    const event = ClusterEvent.create({
      ...what,
      version,
      timeMs: isLater ? timeMs : last.timeMs,
      number: isLater ? 0 : last.number + 1,
    });
    this.#events.push(event);
    if (this.#events.length > this.#limit) this.#events.shift();
    return event;
  }

  replace(events: readonly ClusterEvent[]): void {
    this.#events = [...events];
  }
}
