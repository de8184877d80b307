/** POST /containers/create: by the version of the API what defaults are, what is refused, and what the client is warned of. */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import type { ContainerCreate } from '../backend.js';
import { containerOfVersion } from '../convert/container-by-version.js';
import { readContainerCreate } from '../convert/container-create.js';
import { SINCE } from '../http/api-version.js';
import { type Call, json, type Reply, readJson } from '../http/exchange.js';
import type { JsonObject } from '../json/object.js';
import type { RouteContext } from './context.js';
import { checkEndpoints } from './endpoint-check.js';

const OF_CONTAINER = 'container:';

export async function createContainer(c: RouteContext, call: Call): Promise<Reply> {
  const { query, apiVersion } = call;
  const body = await readJson(call);
  if (Object.keys(body.value).length === 0) {
    throw new SwarmtsError('invalid-argument', 'Config cannot be empty in order to create a container');
  }
  refuseNewMounts(body, apiVersion[1]);
  const given = readContainerCreate(body, query.get('name') ?? '', query.get('platform') ?? '');
  const advice = adviceOn(body, apiVersion[1]);
  const spec = await asOfOldClient(c, call, given);
  await checkEndpoints(c.backend, spec.networks ?? []);
  for (const mode of [spec.pidMode, spec.ipcMode]) await checkPeer(c, mode);
  const { id: Id, warnings } = await c.backend.node.createContainer(spec);
  return json({ Id, Warnings: [...warnings, ...advice] }, 201);
}

/** What the defaults were before the API's version said so. */
async function asOfOldClient({ backend }: RouteContext, call: Call, spec: ContainerCreate): Promise<ContainerCreate> {
  const [, minor] = call.apiVersion;
  const networks = (spec.networks ?? []).map((n) => n.target);
  if (minor < SINCE.severalNetworks && networks.length > 1) {
    const what = `Container cannot be connected to network endpoints: ${networks.sort().join(', ')}`;
    throw new SwarmtsError('invalid-argument', what);
  }
  const known = containerOfVersion(spec, minor);
  if (minor >= 41 || spec.cgroupnsMode !== '' || (await backend.system.info()).cgroupVersion === '2') return known;
  return { ...known, cgroupnsMode: 'host' };
}

/** Clients that do not know an option cannot mean it. */
function refuseNewMounts(body: JsonObject, minor: number): void {
  const mounts = body.object('HostConfig')?.objects('Mounts') ?? [];
  if (minor < SINCE.imageMounts && mounts.some((m) => m.string('Type') === 'image')) {
    throw new SwarmtsError('invalid-argument', 'invalid mount config for type "image": mount type unknown');
  }
  if (minor < SINCE.subpaths && mounts.some((m) => (m.object('VolumeOptions')?.string('Subpath') ?? '') !== '')) {
    throw new SwarmtsError('invalid-argument', `VolumeOptions.Subpath needs API v1.${SINCE.subpaths} or newer`);
  }
  if (minor >= SINCE.deepReadOnly || !mounts.some((m) => m.object('BindOptions')?.boolean('ReadOnlyForceRecursive')))
    return;
  const needed = `1.${SINCE.deepReadOnly}`;
  throw new SwarmtsError('invalid-argument', `BindOptions.ReadOnlyForceRecursive needs API v${needed} or newer`);
}

/** Of what is on its way out, or has no effect. Throws 'invalid-argument' for what is out. */
function adviceOn(body: JsonObject, minor: number): readonly string[] {
  const advice = [macAdvice(body, minor), driverAdvice(body, minor), portAdvice(body, minor)];
  return advice.filter((text) => text !== '');
}

function macAdvice(body: JsonObject, minor: number): string {
  if (minor < SINCE.severalNetworks || body.string('MacAddress') === '') return '';
  if (minor < SINCE.leanAnswers)
    return 'The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.';
  const way = 'use endpoint-specific MAC address instead';
  throw new SwarmtsError('invalid-argument', `container-wide MAC address no longer supported; ${way}`);
}

function driverAdvice(body: JsonObject, minor: number): string {
  const host = body.object('HostConfig');
  if (minor < SINCE.gatewayPriority || !host || host.string('VolumeDriver') === '') return '';
  const hasDriver = (m: JsonObject) => (m.object('VolumeOptions')?.object('DriverConfig')?.string('Name') ?? '') !== '';
  const isConcerned = host.objects('Mounts').some((m) => m.string('Type') === 'volume' && !hasDriver(m));
  const way = "Use '--mount type=volume,volume-driver=...' instead";
  return isConcerned
    ? `WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. ${way}`
    : '';
}

function portAdvice(body: JsonObject, minor: number): string {
  const bindings = body.object('HostConfig')?.object('PortBindings');
  if (minor < SINCE.leanAnswers || !bindings) return '';
  const empty = Object.keys(bindings.value).filter((port) => bindings.objects(port).length === 0);
  const what = `Following container port(s) have an empty list of port-bindings: ${empty.join(', ')}`;
  return empty.length > 0 ? `${what}. Such bindings will be discarded in a future version.` : '';
}

/** Not "not found": clients would pull the image then. */
async function checkPeer({ backend }: RouteContext, mode = ''): Promise<void> {
  if (!mode.startsWith(OF_CONTAINER)) return;
  try {
    await backend.node.container(mode.slice(OF_CONTAINER.length));
  } catch (e) {
    if (isSwarmtsError(e, 'not-found')) throw new SwarmtsError('invalid-argument', e.message, { cause: e });
    throw e;
  }
}
