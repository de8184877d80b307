/** /volumes of the node. */
import { SwarmtsError } from '@swarmts/lib';
import type { Backend } from '../backend.js';
import { volumeJson } from '../convert/image.js';
import { accepts, acceptsLabels, booleanFilter, parseFilters } from '../filters.js';
import { type Call, empty, flag, json, readJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';

/** What marks a volume that nobody named. */
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';
/** From this version on named volumes are spared unless they are asked for. */
const SPARES_NAMED = 42;

export function volumeRoutes({ backend }: RouteContext): Route[] {
  const { node } = backend;
  return [
    route('GET', '/volumes', async ({ query }) => {
      const filters = parseFilters(query, ['name', 'driver', 'label', 'dangling']);
      const containers = filters.has('dangling') ? await node.containers() : [];
      const dangling = booleanFilter(filters, 'dangling');
      const used = new Set(containers.flatMap((x) => x.mounts.map((m) => m.name)));
      const volumes = (await node.volumes()).filter(
        (v) =>
          accepts(filters, 'name', (n) => v.name.includes(n)) &&
          accepts(filters, 'driver', (d) => v.driver === d) &&
          (dangling === undefined || dangling === !used.has(v.name)) &&
          acceptsLabels(filters, 'label', v.labels),
      );
      return json({ Volumes: volumes.map(volumeJson), Warnings: null });
    }),
    route('POST', '/volumes/create', async (call) => {
      const o = await readJson(call);
      const driver = o.string('Driver');
      if (driver !== '' && driver !== 'local') {
        throw new SwarmtsError('not-found', `error looking up volume plugin ${driver}: plugin "${driver}" not found`);
      }
      const volume = { name: o.string('Name'), labels: o.map('Labels'), options: o.map('DriverOpts') };
      return json(volumeJson(await node.createVolume(volume)), 201);
    }),
    route('GET', '/volumes/{name}', async ({ params }) => json(volumeJson(await node.volume(params.name ?? '')))),
    route('PUT', '/volumes/{name}', (call) => updateVolume(backend, call)),
    route('POST', '/volumes/prune', async (call) => json(await prune(backend, call))),
    route('DELETE', '/volumes/{name}', async ({ params, query }) => {
      await node.removeVolume(params.name ?? '', flag(query, 'force'));
      return empty(204);
    }),
  ];
}

/** Only volumes of the cluster can be changed, and there are none. */
async function updateVolume({ swarm }: Backend, call: Call): Promise<never> {
  if (!(await swarm.info()).controlAvailable) {
    throw new SwarmtsError('unavailable', 'volume update only valid for cluster volumes, but swarm is unavailable');
  }
  const version = call.query.get('version') ?? '';
  if (!/^\d+$/.test(version)) throw new SwarmtsError('invalid-argument', `invalid swarm object version '${version}'`);
  await readJson(call);
  throw new SwarmtsError('not-found', `volume ${call.params.name} not found`);
}

/** Removes the volumes that no container has. */
async function prune({ node, containers }: Backend, call: Call): Promise<Record<string, unknown>> {
  const filters = parseFilters(call.query, ['label', 'label!', 'all']);
  const all = booleanFilter(filters, 'all') ?? call.apiVersion[1] < SPARES_NAMED;
  const used = new Set((await node.containers()).flatMap((x) => x.mounts.map((m) => m.name)));
  const removed: string[] = [];
  let reclaimed = 0;
  for (const v of await node.volumes()) {
    const wanted = all || ANONYMOUS_LABEL in v.labels;
    const spared = filters.has('label!') && acceptsLabels(filters, 'label!', v.labels);
    if (used.has(v.name) || !wanted || spared || !acceptsLabels(filters, 'label', v.labels)) continue;
    const bytes = await containers.volumeBytes(v.name);
    await node.removeVolume(v.name, false);
    removed.push(v.name);
    reclaimed += bytes;
  }
  return { VolumesDeleted: removed.length === 0 ? null : removed, SpaceReclaimed: reclaimed };
}
