/** What images, containers and volumes take; clients may ask for some of these alone. */
import { SwarmtsError } from '@swarmts/lib';
import { containerListJson } from '../convert/container.js';
import { imageListJson } from '../convert/image.js';
import { volumeJson } from '../convert/volume.js';
import type { Call } from '../http/exchange.js';
import { sizesJson } from './containers.js';
import type { RouteContext } from './context.js';

const KINDS = ['container', 'image', 'volume', 'build-cache'] as const;

export async function diskUsage(c: RouteContext, call: Call): Promise<Record<string, unknown>> {
  const wanted = wantedKinds(call);
  const usage = await c.backend.images.diskUsage();
  const containers = await c.backend.node.containers();
  return {
    ...(wanted.has('image') ? { LayersSize: usage.layersBytes, Images: await images(c, call, usage, containers) } : {}),
    ...(wanted.has('container') ? { Containers: await sizes(c, call, containers) } : {}),
    ...(wanted.has('volume') ? { Volumes: await volumes(c, containers) } : {}),
    ...(wanted.has('build-cache') ? { BuildCache: [] } : {}),
  };
}

/** Before API version 1.42 it is always all. */
function wantedKinds({ query, apiVersion }: Call): ReadonlySet<string> {
  const given = apiVersion[1] < 42 ? [] : query.getAll('type');
  const unknown = given.find((t) => !KINDS.some((k) => k === t));
  if (unknown !== undefined) throw new SwarmtsError('invalid-argument', `unknown object type: ${unknown}`);
  return new Set(given.length > 0 ? given : KINDS);
}

type Containers = Awaited<ReturnType<RouteContext['backend']['node']['containers']>>;
type ImageUsage = Awaited<ReturnType<RouteContext['backend']['images']['diskUsage']>>;

async function images(c: RouteContext, call: Call, usage: ImageUsage, containers: Containers): Promise<unknown[]> {
  const users = (id: string) => containers.filter((x) => x.imageId === id).length;
  return (await c.backend.images.list())
    .filter((i) => i.repoTags.length + i.repoDigests.length > 0 || !i.hasChildren)
    .map((i) => ({
      ...imageListJson(i, users(i.id), call.apiVersion),
      SharedSize: usage.sharedBytes.get(i.id) ?? 0,
    }));
}

function sizes(c: RouteContext, call: Call, containers: Containers): Promise<unknown[]> {
  return Promise.all(
    containers.map(async (x) => ({ ...containerListJson(x, c.now(), call.apiVersion), ...(await sizesJson(c, x.id)) })),
  );
}

async function volumes(c: RouteContext, containers: Containers): Promise<unknown[]> {
  return Promise.all(
    (await c.backend.node.volumes()).map(async (v) => {
      const RefCount = containers.filter((x) => x.mounts.some((m) => m.name === v.name)).length;
      return { ...volumeJson(v), UsageData: { RefCount, Size: await c.backend.containers.volumeBytes(v.name) } };
    }),
  );
}
