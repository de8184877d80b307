/**
 * /events: what happens on the node and in the swarm, merged. A client that reads too slowly is cut off rather than allowed to
 * fill the memory. One that comes back with the time of the last event that it has got, plus a nanosecond, misses nothing of the
 * swarm as long as the managers keep it, at whatever manager it asks.
 */
import { SwarmtsError } from '@swarmts/lib';
import { EVENT_FILTERS, type Event, matchesFilters } from '../events/event.js';
import { eventFormat } from '../events/event-format.js';
import type { EventHub, HeardEvent } from '../events/event-hub.js';
import { parseFilters } from '../filters.js';
import { SINCE } from '../http/api-version.js';
import type { Call, Reply } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';
import { readTimestampNs } from './logs.js';

/** Events that wait for a slow client, beside those from before it came. */
const MAX_QUEUED_EVENTS = 4096;
const MAX_TIMER_MS = 2 ** 31 - 1;

export function eventRoutes(c: RouteContext, hub: EventHub): Route[] {
  return [route('GET', '/events', async (call) => events(c, hub, call))];
}

function events(c: RouteContext, hub: EventHub, call: Call): Reply {
  const filters = parseFilters(call.query, EVENT_FILTERS);
  const sinceNs = boundNs(call.query.get('since'));
  const untilNs = boundNs(call.query.get('until'));
  if (sinceNs !== undefined && untilNs !== undefined && sinceNs > untilNs) {
    const [since, until] = [call.query.get('since'), call.query.get('until')];
    throw new SwarmtsError('invalid-argument', `\`since\` time (${since}) cannot be after \`until\` time (${until})`);
  }
  const { contentType, separator, form } = eventFormat(call.headers.accept ?? '', call.apiVersion);
  // Whoever names an end only wants what there was, too.
  const beginNs = sinceNs ?? (untilNs === undefined ? undefined : 0n);
  const wanted = ({ event }: HeardEvent) =>
    (sinceNs === undefined || event.timeNs >= sinceNs) &&
    (untilNs === undefined || event.timeNs <= untilNs) &&
    isKnownTo(call, event) &&
    matchesFilters(event, filters);
  const leftMs = () => (untilNs === undefined ? Number.POSITIVE_INFINITY : Number(untilNs / 1_000_000n) - c.now());
  return {
    kind: 'stream',
    contentType,
    run: async (write) => {
      const queue = beginNs === undefined ? [] : hub.since(beginNs).filter(wanted);
      const maxQueued = queue.length + MAX_QUEUED_EVENTS;
      let wake = () => {};
      let overflow = false;
      let ended = leftMs() <= 0;
      const end = hub.subscribe((e) => {
        if (!wanted(e)) return;
        if (queue.length >= maxQueued) overflow = true;
        else queue.push(e);
        wake();
      });
      const stop = () => {
        ended = true;
        wake();
      };
      const timer = untilNs === undefined || ended ? undefined : setTimeout(stop, Math.min(leftMs(), MAX_TIMER_MS));
      call.signal.addEventListener('abort', stop, { once: true });
      try {
        while (true) {
          for (let e = queue.shift(); e !== undefined; e = queue.shift()) {
            if (separator !== '') await write(separator);
            await write(e.lines[form]);
          }
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

/** Clients that know nothing of it would take it for a pull. */
function isKnownTo({ apiVersion: [, minor] }: Call, { type, action }: Event): boolean {
  return minor >= SINCE.createdImages || type !== 'image' || action !== 'create';
}

function boundNs(text: string | null): bigint | undefined {
  const ns = readTimestampNs(text ?? '');
  return ns === '' ? undefined : BigInt(ns);
}
