/** /secrets and /configs. */
import type { Config, Secret } from '@swarmts/proto';
import type { SwarmBackend } from '../backend.js';
import { configJson, readConfigSpec, readSecretSpec, secretJson } from '../convert/secret.js';
import { accepts, acceptsLabels, type FilterArgs, parseFilters } from '../filters.js';
import { type Call, empty, json, objectVersion, type Reply, readJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';

const FILTERS = ['id', 'label', 'name', 'names'];

export function secretRoutes({ backend }: RouteContext): Route[] {
  const { swarm } = backend;
  return [
    route('GET', '/secrets', async ({ query }) => {
      const filters = parseFilters(query, FILTERS);
      return json((await swarm.secrets()).filter((s) => matches(s, filters)).map(secretJson));
    }),
    route('POST', '/secrets/create', async (call) =>
      json({ ID: await swarm.createSecret(readSecretSpec(await readJson(call))) }, 201),
    ),
    route('GET', '/secrets/{id}', async ({ params }) => json(secretJson(await swarm.secret(params.id ?? '')))),
    route('DELETE', '/secrets/{id}', async ({ params }) => {
      await swarm.removeSecret(params.id ?? '');
      return empty(204);
    }),
    route('POST', '/secrets/{id}/update', async (call) => {
      const version = objectVersion(call.query);
      await swarm.updateSecret(call.params.id ?? '', version, readSecretSpec(await readJson(call)));
      return empty();
    }),
    route('POST', '/swarmts/v1/secrets/{id}/versions', (call) => addVersion(swarm, 'secret', call)),
    route('GET', '/configs', async ({ query }) => {
      const filters = parseFilters(query, FILTERS);
      return json((await swarm.configs()).filter((s) => matches(s, filters)).map(configJson));
    }),
    route('POST', '/configs/create', async (call) =>
      json({ ID: await swarm.createConfig(readConfigSpec(await readJson(call))) }, 201),
    ),
    route('GET', '/configs/{id}', async ({ params }) => json(configJson(await swarm.config(params.id ?? '')))),
    route('DELETE', '/configs/{id}', async ({ params }) => {
      await swarm.removeConfig(params.id ?? '');
      return empty(204);
    }),
    route('POST', '/configs/{id}/update', async (call) => {
      const version = objectVersion(call.query);
      await swarm.updateConfig(call.params.id ?? '', version, readConfigSpec(await readJson(call)));
      return empty();
    }),
    route('POST', '/swarmts/v1/configs/{id}/versions', (call) => addVersion(swarm, 'config', call)),
  ];
}

async function addVersion(swarm: SwarmBackend, kind: 'secret' | 'config', call: Call): Promise<Reply> {
  const body = await readJson(call);
  const made = await swarm.addPayloadVersion(kind, call.params.id ?? '', body.bytes('Data'), body.boolean('Update'));
  return json({ ID: made.id, Version: made.version, Services: made.services }, 201);
}

function matches(s: Secret | Config, filters: FilterArgs): boolean {
  const name = s.spec?.annotations?.name ?? '';
  return (
    accepts(filters, 'id', (v) => s.id.startsWith(v)) &&
    accepts(filters, 'name', (v) => name.startsWith(v)) &&
    accepts(filters, 'names', (v) => name === v) &&
    acceptsLabels(filters, 'label', s.spec?.annotations?.labels ?? {})
  );
}
