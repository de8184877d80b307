/** /networks: those of the swarm, on managers, and the node's own. */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import { builtinNetworks, networkJson, readNetworkSpec } from '../convert/network.js';
import { accepts, acceptsLabels, parseFilters } from '../filters.js';
import { type Call, empty, json, readJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { JsonObject } from '../json/object.js';
import type { RouteContext } from './context.js';

type NetworkJson = Readonly<Record<string, unknown>>;

const FILTERS = ['id', 'name', 'driver', 'scope', 'label', 'type', 'dangling'];

export function networkRoutes(c: RouteContext): Route[] {
  const ref = (call: Call) => call.params.id ?? '';
  const refuse = async () => {
    throw new SwarmtsError('unsupported', 'connecting containers is not supported by this release of swarmts');
  };
  return [
    route('GET', '/networks', async ({ query }) => {
      const filters = parseFilters(query, FILTERS);
      const list = (await allNetworks(c)).filter(
        (n) =>
          accepts(filters, 'id', (v) => String(n.Id).startsWith(v)) &&
          accepts(filters, 'name', (v) => String(n.Name).includes(v)) &&
          accepts(filters, 'driver', (v) => n.Driver === v) &&
          accepts(filters, 'scope', (v) => n.Scope === v) &&
          accepts(filters, 'type', (v) => (v === 'builtin') === builtinNetworks.includes(n)) &&
          acceptsLabels(filters, 'label', n.Labels as Readonly<Record<string, string>>),
      );
      return json(list);
    }),
    route('GET', '/networks/{id}', async (call) =>
      json(findNetwork(await allNetworks(c), ref(call), call.query.get('scope') ?? '')),
    ),
    route('POST', '/networks/create', async (call) => json(await create(c, await readJson(call)), 201)),
    route('POST', '/networks/{id}/connect', refuse),
    route('POST', '/networks/{id}/disconnect', refuse),
    route('DELETE', '/networks/{id}', async (call) => {
      const found = findNetwork(await allNetworks(c), ref(call), '');
      if (builtinNetworks.includes(found)) {
        throw new SwarmtsError('permission-denied', `${found.Name} is a pre-defined network and cannot be removed`);
      }
      await c.backend.swarm.removeNetwork(String(found.Id));
      return empty(204);
    }),
  ];
}

async function allNetworks({ backend }: RouteContext): Promise<readonly NetworkJson[]> {
  try {
    return [...builtinNetworks, ...(await backend.swarm.networks()).map(networkJson)];
  } catch (e) {
    if (isSwarmtsError(e, 'not-a-manager')) return builtinNetworks;
    throw e;
  }
}

/** By id, name or unique prefix of an id. Services know the node's own networks by their names: scope "swarm" gives those. */
function findNetwork(all: readonly NetworkJson[], ref: string, scope: string): NetworkJson {
  const builtin = builtinNetworks.find((n) => n.Name === ref);
  if (builtin && scope === 'swarm') return { ...builtin, Id: builtin.Name, Scope: 'swarm' };
  const list = scope === '' ? all : all.filter((n) => n.Scope === scope);
  const found =
    list.find((n) => n.Id === ref) ??
    list.find((n) => n.Name === ref) ??
    only(list.filter((n) => String(n.Id).startsWith(ref)));
  if (found === undefined) throw new SwarmtsError('not-found', `network ${ref} not found`);
  return found;
}

async function create(c: RouteContext, body: JsonObject): Promise<NetworkJson> {
  const driver = body.string('Driver');
  if (driver !== 'overlay' && body.string('Scope') !== 'swarm') {
    throw new SwarmtsError(
      'unsupported',
      `networks of driver ${driver || 'bridge'} are not supported by this release of swarmts: use --driver overlay`,
    );
  }
  return { Id: await c.backend.swarm.createNetwork(readNetworkSpec(body)), Warning: '' };
}

function only<T>(list: readonly T[]): T | undefined {
  return list.length === 1 ? list[0] : undefined;
}
