/** /volumes: those of the node, and on managers the cluster's. */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import type { Volume } from '@swarmts/proto';
import type { Backend, VolumeSummary } from '../backend.js';
import { clusterVolumeJson, readAvailability, readVolumeSpec, volumeJson } from '../convert/volume.js';
import {
  accepts,
  acceptsLabels,
  acceptsName,
  acceptsPrunedLabels,
  booleanFilter,
  type FilterArgs,
  parseFilters,
} from '../filters.js';
import { type Call, empty, flag, json, objectVersion, type Reply, readJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';

/** What marks a volume that nobody named. */
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';
/** From this version on named volumes are spared unless they are asked for. */
const SPARES_NAMED = 42;
/** From this version on clients know of cluster volumes. */
const KNOWS_CLUSTER = 42;

export function volumeRoutes(c: RouteContext): Route[] {
  const { backend } = c;
  const { node, swarm } = backend;
  return [
    route('GET', '/volumes', async (call) => {
      const filters = parseFilters(call.query, ['name', 'driver', 'label', 'dangling']);
      const { volumes, warnings } = await clusterVolumes(backend, call, filters);
      const own = (await localVolumes(backend, filters)).map(volumeJson);
      const Warnings = warnings.length > 0 ? warnings : null;
      return json({ Volumes: [...own, ...volumes.map(clusterVolumeJson)], Warnings });
    }),
    route('POST', '/volumes/create', async (call) => {
      const o = await readJson(call);
      const cluster = o.object('ClusterVolumeSpec');
      if (cluster) return json(clusterVolumeJson(await swarm.createVolume(readVolumeSpec(o, cluster))), 201);
      const driver = o.string('Driver');
      if (driver !== '' && driver !== 'local') {
        const why = `error looking up volume plugin ${driver}: plugin "${driver}" not found`;
        throw new SwarmtsError('not-found', `create ${o.string('Name')}: ${why}`);
      }
      const volume = { name: o.string('Name'), labels: o.map('Labels'), options: o.map('DriverOpts') };
      return json(volumeJson(await node.createVolume(volume)), 201);
    }),
    route('GET', '/volumes/{name}', async ({ params }) => {
      const name = params.name ?? '';
      return json(
        await hereOrInCluster(
          async () => volumeJson(await node.volume(name)),
          async () => clusterVolumeJson(await swarm.volume(name)),
        ),
      );
    }),
    route('PUT', '/volumes/{name}', (call) => updateVolume(backend, call)),
    route('POST', '/volumes/prune', async (call) => json(await prune(c, call))),
    route('DELETE', '/volumes/{name}', async ({ params, query }) => {
      await removeVolume(backend, params.name ?? '', flag(query, 'force'));
      return empty(204);
    }),
  ];
}

/** With `force` it is no error that there is no such volume; the node alone would say so of one of the cluster. */
async function removeVolume({ node, swarm }: Backend, name: string, force: boolean): Promise<void> {
  try {
    await hereOrInCluster(
      async () => {
        if (force) await node.volume(name);
        await node.removeVolume(name, force);
      },
      () => swarm.removeVolume(name, force),
    );
  } catch (e) {
    if (!force || !isSwarmtsError(e, 'not-found')) throw e;
  }
}

async function updateVolume({ swarm }: Backend, call: Call): Promise<Reply> {
  if (!(await swarm.info()).controlAvailable) {
    throw new SwarmtsError('unavailable', 'volume update only valid for cluster volumes, but swarm is unavailable');
  }
  const version = objectVersion(call.query);
  const spec = (await readJson(call)).object('Spec');
  if (!spec) throw new SwarmtsError('invalid-argument', 'Spec is missing: only cluster volumes can be updated');
  const labels = spec.has('Labels') ? spec.map('Labels') : undefined;
  await swarm.updateVolume(call.params.name ?? '', version, { availability: readAvailability(spec), labels });
  return empty();
}

/** A volume of the node goes before one of the cluster; what is in neither is not found on the node. */
async function hereOrInCluster<T>(here: () => Promise<T>, inCluster: () => Promise<T>): Promise<T> {
  try {
    return await here();
  } catch (e) {
    if (!isSwarmtsError(e, 'not-found')) throw e;
    try {
      return await inCluster();
    } catch (other) {
      throw isSwarmtsError(other, 'not-found', 'not-a-manager') ? e : other;
    }
  }
}

async function localVolumes({ node }: Backend, filters: FilterArgs): Promise<readonly VolumeSummary[]> {
  const containers = filters.has('dangling') ? await node.containers() : [];
  const dangling = booleanFilter(filters, 'dangling');
  const used = new Set(containers.flatMap((x) => x.mounts.map((m) => m.name)));
  return (await node.volumes()).filter(
    (v) =>
      acceptsName(filters, v.name) &&
      accepts(filters, 'driver', (d) => v.driver === d) &&
      (dangling === undefined || dangling === !used.has(v.name)) &&
      acceptsLabels(filters, 'label', v.labels),
  );
}

/** Without a leader the node's own are still listed, with a warning. */
async function clusterVolumes(
  { swarm }: Backend,
  call: Call,
  filters: FilterArgs,
): Promise<{ readonly volumes: readonly Volume[]; readonly warnings: readonly string[] }> {
  if (call.apiVersion[1] < KNOWS_CLUSTER) return { volumes: [], warnings: [] };
  try {
    const dangling = booleanFilter(filters, 'dangling');
    const volumes = (await swarm.volumes()).filter(
      ({ spec, publishStatus }) =>
        acceptsName(filters, spec?.annotations?.name ?? '') &&
        accepts(filters, 'driver', (d) => spec?.driver?.name === d) &&
        (dangling === undefined || dangling === (publishStatus.length === 0)) &&
        acceptsLabels(filters, 'label', spec?.annotations?.labels ?? {}),
    );
    return { volumes, warnings: [] };
  } catch (e) {
    if (isSwarmtsError(e, 'not-a-manager')) return { volumes: [], warnings: [] };
    if (!(e instanceof SwarmtsError)) throw e;
    return { volumes: [], warnings: [`cluster volumes could not be listed: ${e.message}`] };
  }
}

/** Removes the volumes that no container has. One with options may stand for what is elsewhere, and stays until it is removed by name. */
async function prune({ backend, log, pruned }: RouteContext, call: Call): Promise<Record<string, unknown>> {
  const { node, containers } = backend;
  const filters = parseFilters(call.query, ['label', 'label!', 'all']);
  const all = booleanFilter(filters, 'all') ?? call.apiVersion[1] < SPARES_NAMED;
  const used = new Set((await node.containers()).flatMap((x) => x.mounts.map((m) => m.name)));
  const removed: string[] = [];
  let reclaimed = 0;
  for (const v of await node.volumes()) {
    const wanted = all || ANONYMOUS_LABEL in v.labels;
    const hasOptions = Object.keys(v.options).length > 0;
    if (used.has(v.name) || !wanted || hasOptions || !acceptsPrunedLabels(filters, v.labels)) continue;
    try {
      const bytes = await containers.volumeBytes(v.name);
      await node.removeVolume(v.name, false);
      removed.push(v.name);
      reclaimed += bytes;
    } catch (e) {
      // Unless somebody else has removed it, or has a container with it now.
      if (!isSwarmtsError(e, 'not-found', 'conflict'))
        log.warn('a volume was not pruned', { volume: v.name, error: e });
    }
  }
  pruned('volume', reclaimed);
  return { VolumesDeleted: removed.length === 0 ? null : removed, SpaceReclaimed: reclaimed };
}
