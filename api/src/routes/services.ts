/** /services, with logs and the explanation of a placement. */
import { SwarmtsError } from '@swarmts/lib';
import { readExtensions, type Service, type ServiceSpec } from '@swarmts/proto';
import type { ServiceWithCounts } from '../backend.js';
import { serviceJson, serviceTexts, withStatus } from '../convert/service.js';
import { serviceOfVersion } from '../convert/service-by-version.js';
import { withDefaults } from '../convert/service-defaults.js';
import { readServiceSpec } from '../convert/service-spec.js';
import { accepts, acceptsLabels, checkWords, type FilterArgs, parseFilters } from '../filters.js';
import { type Call, empty, flag, json, jsonList, objectVersion, readJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import { pinImage } from '../pin-image.js';
import { decodeRegistryAuth, REGISTRY_AUTH, storedRegistryAuth } from '../registry-auth.js';
import type { RouteContext } from './context.js';
import { swarmLogs } from './logs.js';

const MODES: Readonly<Record<string, 'replicated' | 'global' | 'replicatedJob' | 'globalJob'>> = {
  replicated: 'replicated',
  global: 'global',
  'replicated-job': 'replicatedJob',
  'global-job': 'globalJob',
};

export function serviceRoutes(c: RouteContext): Route[] {
  const { swarm, node } = c.backend;
  const texts = serviceTexts();
  return [
    route('GET', '/services', async ({ query }) => {
      const filters = parseFilters(query, ['id', 'label', 'mode', 'name', 'runtime']);
      checkWords(filters, 'mode', Object.keys(MODES));
      const withCounts = flag(query, 'status');
      const services = (await swarm.services({ withCounts })).filter((s) => serviceMatches(s, filters));
      return jsonList(services, (s) => {
        const text = texts.of(s.service);
        return withCounts ? withStatus(text, s) : text;
      });
    }),
    route('POST', '/services/create', async (call) => {
      const spec = withAuth(await readSpec(call), storedRegistryAuth(call.headers[REGISTRY_AUTH]));
      const pinned = await pinForOldClients(c, call, spec);
      const { id, warnings } = await swarm.createService(pinned.spec);
      return json({ ID: id, ...warningsJson([...pinned.warnings, ...warnings]) }, 201);
    }),
    route('GET', '/services/{id}', async ({ params, query }) => {
      const found = await swarm.service(params.id ?? '');
      const { spec } = found.service;
      const complete =
        flag(query, 'insertDefaults') && spec ? { ...found.service, spec: withDefaults(spec) } : found.service;
      return json(serviceJson(complete));
    }),
    route('DELETE', '/services/{id}', async ({ params }) => {
      await swarm.removeService(params.id ?? '');
      return empty();
    }),
    route('POST', '/services/{id}/update', async (call) => {
      const version = objectVersion(call.query);
      const rollback = readRollback(call.query);
      const id = call.params.id ?? '';
      const spec = await withStoredAuth(c, call, id, await readSpec(call));
      const pinned = rollback ? { spec, warnings: [] } : await pinForOldClients(c, call, spec);
      const { warnings } = await swarm.updateService(id, version, pinned.spec, { rollback });
      const all = [...pinned.warnings, ...warnings];
      return json({ Warnings: all.length === 0 ? null : all });
    }),
    route('GET', '/services/{id}/logs', async (call) => {
      const { service } = await swarm.service(call.params.id ?? '');
      return swarmLogs(c, call, 'service', service.id, service.spec?.task?.container?.tty ?? false);
    }),
    route('GET', '/swarmts/v1/services/{id}/explain', async ({ params }) =>
      json(await swarm.explainService(params.id ?? '')),
    ),
    route('POST', '/swarmts/v1/services/plan', async (call) =>
      json(await swarm.planService(call.query.get('service') ?? '', readServiceSpec(await readJson(call)))),
    ),
    route('POST', '/swarmts/v1/services/{id}/rebalance', async ({ params }) =>
      json(await swarm.rebalanceService(params.id ?? '')),
    ),
    route('GET', '/swarmts/v1/services/{id}/schedule', async ({ params }) =>
      json(await swarm.describeSchedule(params.id ?? '')),
    ),
    route('GET', '/swarmts/v1/services/{id}/autoscale', async ({ params }) =>
      json(autoscaleJson((await swarm.service(params.id ?? '')).service)),
    ),
    route('GET', '/swarmts/v1/tasks/{id}/explain', async ({ params }) =>
      json(await swarm.explainTask(params.id ?? '')),
    ),
    route('GET', '/distribution/{name:*}/json', async (call) => {
      const name = call.params.name ?? '';
      const found = await node.imageDigest(name, decodeRegistryAuth(call.headers[REGISTRY_AUTH]));
      if (found === undefined) throw new SwarmtsError('image-not-found', `no registry could be asked about ${name}`);
      return json({
        Descriptor: { mediaType: found.mediaType, digest: found.digest, size: found.sizeBytes },
        Platforms: found.platforms,
      });
    }),
  ];
}

async function readSpec(call: Call): Promise<ServiceSpec> {
  return serviceOfVersion(readServiceSpec(await readJson(call)), call.apiVersion);
}

/** What the service scales between, and what was done so far. */
function autoscaleJson(service: Service): Record<string, unknown> {
  const { autoscale } = readExtensions(service.spec?.annotations?.labels ?? {});
  if (!autoscale)
    throw new SwarmtsError(
      'invalid-argument',
      `service ${service.spec?.annotations?.name} does not scale by itself: give it --autoscale`,
    );
  const { replicas = 0, steps = [] } = service.autoscaleStatus ?? {};
  return { ...autoscale, replicas: replicas || (service.spec?.mode?.replicated?.replicas ?? 0), steps };
}

function serviceMatches({ service }: ServiceWithCounts, filters: FilterArgs): boolean {
  return (
    accepts(filters, 'id', (v) => service.id.startsWith(v)) &&
    accepts(filters, 'name', (v) => (service.spec?.annotations?.name ?? '').startsWith(v)) &&
    accepts(filters, 'mode', (v) => {
      const field = MODES[v];
      return field !== undefined && service.spec?.mode?.[field] !== undefined;
    }) &&
    accepts(filters, 'runtime', (v) => v === 'container') &&
    acceptsLabels(filters, 'label', service.spec?.annotations?.labels ?? {})
  );
}

function readRollback(query: URLSearchParams): boolean {
  const text = query.get('rollback') ?? '';
  if (text !== '' && text !== 'previous') {
    throw new SwarmtsError('invalid-argument', `unrecognized rollback option ${text}`);
  }
  return text === 'previous';
}

function withAuth(spec: ServiceSpec, registryAuth: string): ServiceSpec {
  if (spec.task?.container === undefined) return spec;
  return { ...spec, task: { ...spec.task, container: { ...spec.task.container, registryAuth } } };
}

/** Credentials of the request, else those of the current or of the previous spec, which clients never see. */
async function withStoredAuth(c: RouteContext, call: Call, id: string, spec: ServiceSpec): Promise<ServiceSpec> {
  const header = storedRegistryAuth(call.headers[REGISTRY_AUTH]);
  if (header !== '') return withAuth(spec, header);
  const from = call.query.get('registryAuthFrom') || 'spec';
  if (from !== 'spec' && from !== 'previous-spec') {
    throw new SwarmtsError('invalid-argument', 'unsupported registryAuthFrom value');
  }
  const { service } = await c.backend.swarm.service(id);
  const stored = from === 'spec' ? service.spec : service.previousSpec;
  return withAuth(spec, stored?.task?.container?.registryAuth ?? '');
}

function pinForOldClients(c: RouteContext, call: Call, spec: ServiceSpec) {
  if (call.apiVersion[1] >= 30) return Promise.resolve({ spec, warnings: [] as readonly string[] });
  return pinImage(spec, c.backend.node, decodeRegistryAuth(call.headers[REGISTRY_AUTH]));
}

function warningsJson(warnings: readonly string[]): Record<string, unknown> {
  return warnings.length === 0 ? {} : { Warnings: warnings };
}
