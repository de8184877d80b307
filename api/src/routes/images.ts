/** /images and /volumes of the node. */
import { SwarmtsError } from '@swarmts/lib';
import type { ImageSummary } from '../backend.js';
import { historyJson, imageInspectJson, imageListJson, removedJson } from '../convert/image.js';
import { usersOfImages } from '../convert/image-users.js';
import { untilOf } from '../filter-time.js';
import { acceptsLabels, acceptsPrunedLabels, booleanFilter, parseFilters } from '../filters.js';
import { SINCE } from '../http/api-version.js';
import { type Call, empty, flag, json } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import type { RouteContext } from './context.js';
import { requirePlatform } from './image-platform.js';

export function imageRoutes(c: RouteContext): Route[] {
  const { images } = c.backend;
  const name = (call: Call) => call.params.name ?? '';
  return [
    route('GET', '/images/json', async (call) => json(await list(c, call))),
    route('POST', '/images/prune', async ({ query }) => {
      const filters = parseFilters(query, ['dangling', 'label', 'label!', 'until']);
      const before = untilOf(filters, c.now());
      const { removed, freedBytes } = await images.prune({
        danglingOnly: booleanFilter(filters, 'dangling') ?? true,
        accepts: (i) => i.createdAtMs <= before && acceptsPrunedLabels(filters, i.labels),
      });
      c.pruned('image', freedBytes);
      return json({ ImagesDeleted: removed.length > 0 ? removed.map(removedJson) : null, SpaceReclaimed: freedBytes });
    }),
    route('GET', '/images/{name:*}/json', async (call) => {
      const image = await images.find(name(call));
      if (
        call.apiVersion[1] >= SINCE.inspectedPlatform &&
        flag(call.query, 'manifests') &&
        call.query.get('platform')
      ) {
        const both = 'manifests and platform options cannot both be set';
        throw new SwarmtsError('invalid-argument', `conflicting options: ${both}`);
      }
      await requirePlatform(c, call, SINCE.inspectedPlatform, name(call));
      return json(imageInspectJson(image, call.apiVersion));
    }),
    route('GET', '/images/{name:*}/attestations', (call) => attestations(c, call)),
    route('GET', '/images/{name:*}/history', async (call) => {
      await requirePlatform(c, call, SINCE.archivePlatform, name(call));
      return json((await images.history(name(call))).map(historyJson));
    }),
    route('POST', '/images/{name:*}/tag', async (call) => {
      const repository = call.query.get('repo') ?? '';
      if (repository === '') throw new SwarmtsError('invalid-argument', 'invalid reference format');
      const tag = call.query.get('tag') ?? '';
      await images.tag(name(call), tag === '' ? repository : `${repository}:${tag}`);
      return empty(201);
    }),
    route('DELETE', '/images/{name:*}', async (call) => {
      if (call.query.has('platforms')) await requirePlatform(c, call, SINCE.removedPlatform, name(call));
      const options = { force: flag(call.query, 'force'), prune: !flag(call.query, 'noprune') };
      return json((await images.remove(name(call), options)).map(removedJson));
    }),
  ];
}

/** They are manifests of the image's index beside those of platforms, and of these the node keeps one. */
async function attestations(c: RouteContext, call: Call): Promise<never> {
  const wrong = (what: string) => new SwarmtsError('invalid-argument', what);
  if (call.apiVersion[1] < SINCE.attestations) {
    throw wrong(`attestations of images require minimum API version 1.${SINCE.attestations}`);
  }
  if (call.query.getAll('platform').length > 1) throw wrong('only one platform value is currently supported');
  const name = call.params.name ?? '';
  await c.backend.images.find(name);
  await requirePlatform(c, call, SINCE.attestations, name);
  const way = 'ask the registry that it is from, with `docker buildx imagetools inspect` for example';
  throw new SwarmtsError('unsupported', `this node does not keep attestations of images: for those of ${name} ${way}`);
}

const UNCOUNTED = -1;
const LIST_FILTERS = ['reference', 'label', 'dangling', 'before', 'since', 'until'];

/** Images that only serve as parents of others are left out, unless all are asked for. */
async function list({ backend, now }: RouteContext, call: Call): Promise<unknown[]> {
  const { images } = backend;
  const filters = parseFilters(call.query, LIST_FILTERS);
  const all = flag(call.query, 'all');
  const dangling = booleanFilter(filters, 'dangling');
  const createdOf = async (filter: string) => {
    const ref = filters.get(filter)?.[0];
    return ref === undefined ? undefined : (await images.find(ref)).createdAtMs;
  };
  const before = await createdOf('before');
  const since = await createdOf('since');
  const until = untilOf(filters, now());
  const patterns = filters.get('reference') ?? [];
  const found = [...(await images.list())]
    .sort((a, b) => b.createdAtMs - a.createdAtMs)
    .filter((i) => before === undefined || i.createdAtMs < before)
    .filter((i) => since === undefined || i.createdAtMs > since)
    .filter((i) => i.createdAtMs <= until && acceptsLabels(filters, 'label', i.labels))
    .map((i) => withNames(i, patterns))
    .filter((i) => {
      const isNamed = i.repoTags.length + i.repoDigests.length > 0;
      if (!isNamed && (patterns.length > 0 || (!all && i.hasChildren))) return false;
      return dangling === undefined || dangling === (i.repoTags.length === 0);
    });
  const shared = flag(call.query, 'shared-size') ? (await images.diskUsage()).sharedBytes : undefined;
  const users =
    call.apiVersion[1] >= SINCE.usersOfImages ? usersOfImages(await backend.node.containers()) : () => UNCOUNTED;
  return found.map((i) => ({
    ...imageListJson(i, users(i.id), call.apiVersion),
    ...(shared ? { SharedSize: shared.get(i.id) ?? 0 } : {}),
  }));
}

/** Only the names that fit one of the patterns. */
function withNames(i: ImageSummary, patterns: readonly string[]): ImageSummary {
  if (patterns.length === 0) return i;
  const fits = (name: string) => patterns.some((p) => referenceMatches(name, p));
  return { ...i, repoTags: i.repoTags.filter(fits), repoDigests: i.repoDigests.filter(fits) };
}

/** A shell pattern over the whole name or the repository; `*` stops at slashes. */
function referenceMatches(name: string, pattern: string): boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  let regex: RegExp;
  try {
    regex = new RegExp(`^${source}$`);
  } catch {
    throw new SwarmtsError('invalid-argument', `invalid filter 'reference=${pattern}': syntax error in pattern`);
  }
  return regex.test(name) || regex.test(name.replace(/@.*$/, '')) || regex.test(name.replace(/[:@][^/]*$/, ''));
}
