/** What containers use: stats, processes, disk. */
import { isSwarmtsError, sleep, systemClock } from '@swarmts/lib';
import { statsJson } from '../convert/container-stats.js';
import { type Call, flag, json, type Reply } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';

const SAMPLE_MS = 1000;

export function containerUsageRoutes(c: RouteContext): Route[] {
  const { node, containers } = c.backend;
  const id = (call: Call) => call.params.id ?? '';
  return [
    route('GET', '/containers/{id}/stats', (call) => stats(c, call)),
    route('GET', '/containers/{id}/top', async (call) => {
      const container = await node.container(id(call));
      const { titles, rows } = await containers.top(container.id, call.query.get('ps_args') ?? '');
      return json({ Titles: titles, Processes: rows });
    }),
  ];
}

/** A sample a second; with stream=0 one that can be compared with the one before it, with one-shot=1 as well one alone. */
async function stats({ backend }: RouteContext, call: Call): Promise<Reply> {
  const { id, name } = await backend.node.container(call.params.id ?? '');
  const { query, signal, apiVersion } = call;
  const stream = query.get('stream') === null || flag(query, 'stream');
  const read = () => backend.containers.stats(id);
  if (!stream) {
    const first = await read();
    if (!first || flag(query, 'one-shot')) return json(statsJson({ id, name }, first, undefined, apiVersion));
    await sleep(systemClock, SAMPLE_MS, signal);
    return json(statsJson({ id, name }, await read(), first, apiVersion));
  }
  return {
    kind: 'stream',
    contentType: 'application/json',
    run: async (write) => {
      let before = await read();
      // The first one has nothing to be compared with.
      await write(`${JSON.stringify(statsJson({ id, name }, before, undefined, apiVersion))}\n`);
      while (!signal.aborted) {
        await sleep(systemClock, SAMPLE_MS, signal);
        const now = await read().catch((e: unknown) => {
          // Its removal ends the stream.
          if (isSwarmtsError(e, 'not-found')) return 'removed' as const;
          throw e;
        });
        if (now === 'removed') return;
        await write(`${JSON.stringify(statsJson({ id, name }, now, before, apiVersion))}\n`);
        before = now;
      }
    },
  };
}
