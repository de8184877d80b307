/** What images, containers and volumes take; clients may ask for some of these alone. */
import { SwarmtsError } from '@swarmts/lib';
import { containerListJson } from '../convert/container.js';
import { imageListJson } from '../convert/image.js';
import { usersOfImages } from '../convert/image-users.js';
import { volumeJson } from '../convert/volume.js';
import { SINCE } from '../http/api-version.js';
import { type Call, flag } from '../http/exchange.js';
import { omitEmpty } from '../json/write.js';
import { isActive, sizesJson } from './containers.js';
import type { RouteContext } from './context.js';
import { unlessGone } from './unless-gone.js';

const KINDS = ['container', 'image', 'volume', 'build-cache'] as const;
type Kind = (typeof KINDS)[number];

/** Of what is of one kind: each of them, and the sums. */
interface Usage {
  readonly items: readonly unknown[];
  readonly activeCount: number;
  readonly totalBytes: number;
  readonly reclaimableBytes: number;
}

/**
 * Up to version 1.51 lists alone, from then on sums. Whoever does not say that they know the sums, with `verbose`, gets the lists as
 * well, as Docker does for clients that name no version.
 */
export async function diskUsage(c: RouteContext, call: Call): Promise<Record<string, unknown>> {
  const wanted = wantedKinds(call);
  const containers = await c.backend.node.containers();
  const usage: Partial<Record<Kind, Usage>> = {
    ...(wanted.has('image') ? { image: await images(c, call, containers) } : {}),
    ...(wanted.has('container') ? { container: await sizes(c, call, containers) } : {}),
    ...(wanted.has('volume') ? { volume: await volumes(c, containers) } : {}),
    ...(wanted.has('build-cache') ? { 'build-cache': NOTHING } : {}),
  };
  const isLean = call.apiVersion[1] >= SINCE.leanAnswers;
  const verbose = isLean && flag(call.query, 'verbose');
  return { ...(verbose ? {} : listsJson(usage)), ...(isLean ? sumsJson(usage, verbose) : {}) };
}

/** What the builder keeps are images. */
const NOTHING: Usage = { items: [], activeCount: 0, totalBytes: 0, reclaimableBytes: 0 };

function listsJson(usage: Partial<Record<Kind, Usage>>): Record<string, unknown> {
  const { image, container, volume, 'build-cache': cache } = usage;
  return {
    ...(image ? { LayersSize: image.totalBytes, Images: image.items } : {}),
    ...(container ? { Containers: container.items } : {}),
    ...(volume ? { Volumes: volume.items } : {}),
    ...(cache ? { BuildCache: cache.items } : {}),
  };
}

const SUMS = {
  image: 'ImageUsage',
  container: 'ContainerUsage',
  volume: 'VolumeUsage',
  'build-cache': 'BuildCacheUsage',
} as const;

function sumsJson(usage: Partial<Record<Kind, Usage>>, verbose: boolean): Record<string, unknown> {
  const named = KINDS.flatMap((kind) => {
    const u = usage[kind];
    if (!u) return [];
    const sums = {
      ActiveCount: u.activeCount,
      Items: verbose ? u.items : [],
      Reclaimable: u.reclaimableBytes,
      TotalCount: u.items.length,
      TotalSize: u.totalBytes,
    };
    return [[SUMS[kind], omitEmpty(sums)]];
  });
  return Object.fromEntries(named);
}

/** Before API version 1.42 it is always all. */
function wantedKinds({ query, apiVersion }: Call): ReadonlySet<string> {
  const given = apiVersion[1] < 42 ? [] : query.getAll('type');
  const unknown = given.find((t) => !KINDS.some((k) => k === t));
  if (unknown !== undefined) throw new SwarmtsError('invalid-argument', `unknown object type: ${unknown}`);
  return new Set(given.length > 0 ? given : KINDS);
}

type Containers = Awaited<ReturnType<RouteContext['backend']['node']['containers']>>;

const sum = (sizes: readonly number[]): number => sizes.reduce((a, b) => a + b, 0);

async function images({ backend }: RouteContext, call: Call, containers: Containers): Promise<Usage> {
  const { layersBytes, sharedBytes } = await backend.images.diskUsage();
  const usersOf = usersOfImages(containers);
  const all = (await backend.images.list())
    .filter((i) => i.repoTags.length + i.repoDigests.length > 0 || !i.hasChildren)
    .map((image) => ({
      image,
      users: usersOf(image.id),
      shared: sharedBytes.get(image.id) ?? 0,
    }));
  const unused = all.filter(({ users }) => users === 0);
  return {
    items: all.map(({ image, users, shared }) => ({
      ...imageListJson(image, users, call.apiVersion),
      SharedSize: shared,
    })),
    activeCount: all.length - unused.length,
    totalBytes: layersBytes,
    reclaimableBytes: sum(unused.map(({ image, shared }) => image.sizeBytes - shared)),
  };
}

async function sizes(c: RouteContext, call: Call, containers: Containers): Promise<Usage> {
  const measured = await Promise.all(
    containers.map((x) => unlessGone(sizesJson(c, x.id).then((size) => ({ x, size })))),
  );
  const all = measured.filter((m) => m !== undefined);
  const idle = all.filter(({ x }) => !isActive(x));
  return {
    items: all.map(({ x, size }) => ({ ...containerListJson(x, c.now(), call.apiVersion), ...size })),
    activeCount: all.length - idle.length,
    totalBytes: sum(all.map(({ size }) => size.SizeRw)),
    reclaimableBytes: sum(idle.map(({ size }) => size.SizeRw)),
  };
}

async function volumes({ backend }: RouteContext, containers: Containers): Promise<Usage> {
  const measured = await Promise.all(
    (await backend.node.volumes()).map((volume) => {
      const RefCount = containers.filter((x) => x.mounts.some((m) => m.name === volume.name)).length;
      return unlessGone(backend.containers.volumeBytes(volume.name).then((Size) => ({ volume, RefCount, Size })));
    }),
  );
  const all = measured.filter((m) => m !== undefined);
  const idle = all.filter(({ RefCount }) => RefCount === 0);
  return {
    items: all.map(({ volume, ...UsageData }) => ({ ...volumeJson(volume), UsageData })),
    activeCount: all.length - idle.length,
    totalBytes: sum(all.map(({ Size }) => Size)),
    reclaimableBytes: sum(idle.map(({ Size }) => Size)),
  };
}
