/** /nodes. */
import { joinDuplexes } from '@swarmts/lib';
import { type Node, NodeRole } from '@swarmts/proto';
import { nodeJson, readNodeSpec, roles } from '../convert/node.js';
import { accepts, acceptsLabels, checkWords, type FilterArgs, parseFilters } from '../filters.js';
import { empty, flag, json, objectVersion, readJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';

export function nodeRoutes({ backend }: RouteContext): Route[] {
  const { swarm } = backend;
  return [
    route('GET', '/nodes', async ({ query }) => {
      const filters = parseFilters(query, ['id', 'label', 'membership', 'name', 'node.label', 'role']);
      checkWords(filters, 'role', Object.keys(roles));
      checkWords(filters, 'membership', ['accepted', 'pending']);
      return json((await swarm.nodes()).filter((n) => nodeMatches(n, filters)).map(nodeJson));
    }),
    route('GET', '/nodes/{id}', async ({ params }) => json(nodeJson(await swarm.node(params.id ?? '')))),
    route('DELETE', '/nodes/{id}', async ({ params, query }) => {
      await swarm.removeNode(params.id ?? '', flag(query, 'force'));
      return empty();
    }),
    route('POST', '/swarmts/v1/nodes/{id}/tunnel', async (call) => {
      const tunnel = await swarm.openTunnel(call.params.id ?? '');
      return {
        kind: 'hijack',
        contentType: 'application/vnd.docker.raw-stream',
        run: async (connection) => {
          joinDuplexes(connection, tunnel);
          await new Promise<void>((resolve) => connection.once('close', resolve));
        },
        abandon: async () => void tunnel.destroy(),
      };
    }),
    route('POST', '/nodes/{id}/update', async (call) => {
      const version = objectVersion(call.query);
      await swarm.updateNode(call.params.id ?? '', version, readNodeSpec(await readJson(call)));
      return empty();
    }),
  ];
}

function nodeMatches(n: Node, filters: FilterArgs): boolean {
  return (
    accepts(filters, 'id', (v) => n.id.startsWith(v)) &&
    accepts(filters, 'name', (v) => (n.description?.hostname ?? '').startsWith(v)) &&
    accepts(filters, 'role', (v) => (n.spec?.role ?? NodeRole.WORKER) === roles[v]) &&
    // Every node here was let in by a token: none is pending.
    accepts(filters, 'membership', (v) => v === 'accepted') &&
    acceptsLabels(filters, 'label', n.description?.engine?.labels ?? {}) &&
    acceptsLabels(filters, 'node.label', n.spec?.annotations?.labels ?? {})
  );
}
