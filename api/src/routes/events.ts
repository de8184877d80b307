/**
 * /events: what happens on the node and in the swarm, merged. The last events are kept for `since`; a client that reads
 * too slowly is cut off rather than allowed to fill the memory.
 */
import { SwarmtsError } from '@swarmts/lib';
import { accepts, acceptsLabels, type FilterArgs, parseFilters } from '../filters.js';
import type { Call, Reply } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';
import { readTimestampNs } from './logs.js';

/** As many as Docker keeps. */
const MAX_KEPT_EVENTS = 256;
/** Events that wait for a slow client. */
const MAX_QUEUED_EVENTS = 4096;

const FILTERS = [
  'type',
  'event',
  'container',
  'image',
  'volume',
  'network',
  'service',
  'node',
  'secret',
  'config',
  'label',
  'scope',
  'daemon',
  'plugin',
];

interface Event {
  readonly scope: 'local' | 'swarm';
  readonly type: string;
  readonly action: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly timeMs: number;
}

/** Listens once to the backend, and hands on to every open request. */
export class EventHub {
  readonly #kept: Event[] = [];
  readonly #listeners = new Set<(e: Event) => void>();
  readonly #ends: readonly (() => void)[];

  constructor(c: RouteContext) {
    this.#ends = [
      c.backend.node.onEvent((e) => this.#publish({ ...e, scope: 'local' })),
      c.backend.swarm.onEvent((e) => this.#publish({ ...e, scope: 'swarm' })),
    ];
  }

  close(): void {
    for (const end of this.#ends) end();
  }

  kept(): readonly Event[] {
    return [...this.#kept];
  }

  subscribe(listener: (e: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  #publish(e: Event): void {
    this.#kept.push(e);
    if (this.#kept.length > MAX_KEPT_EVENTS) this.#kept.shift();
    for (const listener of this.#listeners) listener(e);
  }
}

export function eventRoutes(c: RouteContext, hub: EventHub): Route[] {
  return [route('GET', '/events', async (call) => events(c, hub, call))];
}

function events(c: RouteContext, hub: EventHub, call: Call): Reply {
  const filters = parseFilters(call.query, FILTERS);
  const sinceMs = boundMs(call.query.get('since'));
  const untilMs = boundMs(call.query.get('until'));
  const wanted = (e: Event) => matches(e, filters) && (untilMs === undefined || e.timeMs <= untilMs);
  return {
    kind: 'stream',
    contentType: 'application/json',
    run: async (write) => {
      const queue = sinceMs === undefined ? [] : hub.kept().filter((e) => e.timeMs >= sinceMs && wanted(e));
      let wake = () => {};
      let overflow = false;
      let ended = untilMs !== undefined && untilMs <= c.now();
      const end = hub.subscribe((e) => {
        if (!wanted(e)) return;
        if (queue.length >= MAX_QUEUED_EVENTS) overflow = true;
        else queue.push(e);
        wake();
      });
      const stop = () => {
        ended = true;
        wake();
      };
      const timer =
        untilMs === undefined || ended ? undefined : setTimeout(stop, Math.min(untilMs - c.now(), 2 ** 31 - 1));
      call.signal.addEventListener('abort', stop, { once: true });
      try {
        while (true) {
          for (let e = queue.shift(); e !== undefined; e = queue.shift())
            await write(`${JSON.stringify(eventJson(e))}\n`);
          if (overflow) throw new SwarmtsError('resource-exhausted', 'the client reads events too slowly');
          if (ended || call.signal.aborted) return;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      } finally {
        end();
        clearTimeout(timer);
        call.signal.removeEventListener('abort', stop);
      }
    },
  };
}

function boundMs(text: string | null): number | undefined {
  const ns = readTimestampNs(text ?? '');
  return ns === '' ? undefined : Number(BigInt(ns) / 1_000_000n);
}

function matches(e: Event, filters: FilterArgs): boolean {
  const subject = (type: string) =>
    accepts(filters, type, (v) => e.type === type && (e.id.startsWith(v) || e.attributes.name === v));
  return (
    accepts(filters, 'type', (v) => e.type === v) &&
    accepts(filters, 'event', (v) => e.action === v || e.action.startsWith(`${v}:`)) &&
    accepts(filters, 'scope', (v) => e.scope === v) &&
    ['container', 'image', 'volume', 'network', 'service', 'node', 'secret', 'config', 'daemon', 'plugin'].every(
      subject,
    ) &&
    acceptsLabels(filters, 'label', e.attributes)
  );
}

function eventJson(e: Event): Record<string, unknown> {
  const old = e.type === 'container' || e.type === 'image' ? { status: e.action, id: e.id } : {};
  const from = e.type === 'container' && e.attributes.image !== undefined ? { from: e.attributes.image } : {};
  return {
    ...old,
    ...from,
    Type: e.type,
    Action: e.action,
    Actor: { ID: e.id, Attributes: e.attributes },
    scope: e.scope,
    time: Math.floor(e.timeMs / 1000),
    // The number goes beyond what a double holds exactly: its last digits are those of the milliseconds.
    timeNano: e.timeMs * 1_000_000,
  };
}
