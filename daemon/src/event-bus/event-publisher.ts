/**
 * Publishes the events of the cluster while this manager leads, at least once each. Where the last leader stopped is asked of the bus
 * itself, so that neither an outage of the bus nor a change of leaders loses events that a manager still knows.
 */
import { type Clock, ControlLoop, type Logger, type Random, type TimerHandle } from '@swarmts/lib';
import type { Manager } from '@swarmts/manager';
import { type ManagerSource, watchManager } from '../swarm/manager-watch.js';
import { type Bus, type BusMessage, subjectOf } from './bus.js';
import { type BusEvent, EventJournal, type Position } from './event-journal.js';

export interface EventPublisherOptions {
  readonly node: ManagerSource;
  readonly clusterId: () => string;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const DEBOUNCE_MS = 20;
const MAX_DELAY_MS = 200;
/** How often a follower looks whether it leads, without anything being committed. */
const FOLLOWER_CHECK_MS = 2_000;
const VERSION = 'Swarmts-Version';
const NUMBER = 'Swarmts-Number';

export class EventPublisher {
  readonly #o: EventPublisherOptions;
  readonly #loop: ControlLoop;
  #manager: Manager | undefined;
  #timer: TimerHandle | undefined;
  #journal: EventJournal | undefined;
  /** What the bus has, as far as this leader knows: undefined before it has asked. */
  #published: { readonly last: Position | undefined } | undefined;

  constructor(o: EventPublisherOptions) {
    this.#o = o;
    this.#loop = new ControlLoop({
      ...o,
      name: 'event bus',
      debounceMs: DEBOUNCE_MS,
      maxDelayMs: MAX_DELAY_MS,
      work: () => this.#work(),
    });
    watchManager(o.node, {
      begin: (manager) => {
        this.#manager = manager;
        this.#journal = new EventJournal(manager.store.version);
        this.#published = undefined;
        this.#loop.mark();
      },
      end: () => {
        this.#manager = undefined;
        this.#journal = undefined;
      },
      change: (c) => this.#journal?.add(c, this.#manager?.store.version ?? 0, o.clock.now()),
      restored: () => this.#journal?.restored(this.#manager?.store.version ?? 0),
      commit: () => this.#loop.mark(),
    });
  }

  stop(): Promise<void> {
    this.#timer?.cancel();
    return this.#loop.stop();
  }

  async #work(): Promise<void> {
    const [manager, journal] = [this.#manager, this.#journal];
    if (!manager?.isLeader || !journal) {
      // Whoever leads meanwhile publishes.
      this.#published = undefined;
      this.#timer?.cancel();
      if (manager) this.#timer = this.#o.clock.after(FOLLOWER_CHECK_MS, () => this.#loop.mark());
      return;
    }
    const clusterId = this.#o.clusterId();
    this.#published ??= { last: await this.#lastPublished(clusterId) };
    const { version } = manager.store;
    // The managers were set back to what they knew earlier: what they count now was counted before.
    if (this.#published.last && this.#published.last.version > version) await this.#tellLoss(clusterId, version);
    const { events, missingUpTo } = journal.after(this.#published.last);
    if (missingUpTo !== undefined) await this.#tellLoss(clusterId, missingUpTo);
    // One after the other: an event that is kept says that all before it are.
    for (const e of events) {
      if (!manager.isLeader) return;
      await this.#o.bus.publish(messageOf(clusterId, e));
      this.#published = { last: e.at };
    }
  }

  async #tellLoss(clusterId: string, upTo: number): Promise<void> {
    if (!this.#published?.last) return;
    await this.#o.bus.publish(lossOf(clusterId, this.#published.last, upTo));
    this.#published = { last: { version: upTo, number: Number.MAX_SAFE_INTEGER } };
  }

  async #lastPublished(clusterId: string): Promise<Position | undefined> {
    const found = await this.#o.bus.lastHeaders('events', subjectOf(clusterId, 'events').concat('.>'));
    const [version, number] = [Number(found?.[VERSION]), Number(found?.[NUMBER])];
    return Number.isSafeInteger(version) && Number.isSafeInteger(number) ? { version, number } : undefined;
  }
}

function messageOf(clusterId: string, e: BusEvent): BusMessage {
  const { at, timeMs, ...event } = e;
  return {
    subject: subjectOf(clusterId, 'events', e.type, e.action),
    id: `${clusterId}-${at.version}-${at.number}-${e.id}`,
    headers: { [VERSION]: String(at.version), [NUMBER]: String(at.number) },
    data: JSON.stringify({ ...event, cluster: clusterId, time: new Date(timeMs).toISOString() }),
  };
}

/** Tells readers that events are missing: nobody knows them any more. */
function lossOf(clusterId: string, last: Position, upTo: number): BusMessage {
  return {
    subject: subjectOf(clusterId, 'events', 'bus', 'lost'),
    id: `${clusterId}-lost-${last.version}-${upTo}`,
    headers: { [VERSION]: String(upTo), [NUMBER]: String(Number.MAX_SAFE_INTEGER) },
    data: JSON.stringify({
      type: 'bus',
      action: 'lost',
      cluster: clusterId,
      afterVersion: last.version,
      upToVersion: upTo,
    }),
  };
}
