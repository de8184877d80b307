/** /networks: reading only. A node that is no manager still shows its own three. */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import { builtinNetworks, networkJson } from '../convert/network.js';
import { accepts, acceptsLabels, parseFilters } from '../filters.js';
import { json } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';

type NetworkJson = Readonly<Record<string, unknown>>;

export function networkRoutes({ backend }: RouteContext): Route[] {
  const all = async (): Promise<readonly NetworkJson[]> => {
    try {
      return [...builtinNetworks, ...(await backend.swarm.networks()).map(networkJson)];
    } catch (e) {
      if (isSwarmtsError(e, 'not-a-manager')) return builtinNetworks;
      throw e;
    }
  };
  const refuse = async () => {
    throw new SwarmtsError(
      'unsupported',
      'user-defined networks are not supported by this release of swarmts: services use the node network and the ingress',
    );
  };
  return [
    route('GET', '/networks', async ({ query }) => {
      const filters = parseFilters(query, ['id', 'name', 'driver', 'scope', 'label', 'type', 'dangling']);
      const list = (await all()).filter(
        (n) =>
          accepts(filters, 'id', (v) => String(n.Id).startsWith(v)) &&
          accepts(filters, 'name', (v) => String(n.Name).includes(v)) &&
          accepts(filters, 'driver', (v) => n.Driver === v) &&
          accepts(filters, 'scope', (v) => n.Scope === v) &&
          accepts(filters, 'type', (v) => (v === 'builtin') === (n.Scope === 'local')) &&
          acceptsLabels(filters, 'label', n.Labels as Readonly<Record<string, string>>),
      );
      return json(list);
    }),
    route('GET', '/networks/{id}', async ({ params }) => {
      const ref = params.id ?? '';
      const list = await all();
      const found =
        list.find((n) => n.Id === ref) ??
        list.find((n) => n.Name === ref) ??
        only(list.filter((n) => String(n.Id).startsWith(ref)));
      if (found === undefined) throw new SwarmtsError('not-found', `network ${ref} not found`);
      return json(found);
    }),
    route('POST', '/networks/create', refuse),
    route('POST', '/networks/{id}/connect', refuse),
    route('POST', '/networks/{id}/disconnect', refuse),
    route('DELETE', '/networks/{id}', refuse),
  ];
}

function only<T>(list: readonly T[]): T | undefined {
  return list.length === 1 ? list[0] : undefined;
}
