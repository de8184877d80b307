/** /images and /volumes of the node. */
import { messageOf, SwarmtsError } from '@swarmts/lib';
import type { ImageSummary } from '../backend.js';
import { imageInspectJson, imageListJson, volumeJson } from '../convert/image.js';
import { accepts, acceptsLabels, booleanFilter, type FilterArgs, parseFilters } from '../filters.js';
import { type Call, empty, flag, json, type Reply, readJson } from '../http/exchange.js';
import { type Route, route } from '../http/router.js';
import { decodeRegistryAuth, REGISTRY_AUTH } from '../registry-auth.js';
import type { RouteContext } from './context.js';

export function imageRoutes(c: RouteContext): Route[] {
  const { node } = c.backend;
  const name = (call: Call) => call.params.name ?? '';
  return [
    route('GET', '/images/json', async ({ query }) => {
      const filters = parseFilters(query, ['reference', 'label', 'dangling']);
      const images = [...(await node.images())].sort((a, b) => b.createdAtMs - a.createdAtMs);
      return json(images.filter((i) => matches(i, filters)).map((i) => imageListJson(i, -1)));
    }),
    route('POST', '/images/create', async (call) => pull(c, call)),
    route('POST', '/images/load', async (call) => load(c, call)),
    route('GET', '/images/{name:*}/json', async (call) => json(imageInspectJson(await node.image(name(call))))),
    route('GET', '/images/{name:*}/history', async (call) => {
      const image = await node.image(name(call));
      return json([
        {
          Id: image.id,
          Created: Math.floor(image.createdAtMs / 1000),
          CreatedBy: '',
          Tags: image.repoTags,
          Size: image.sizeBytes,
          Comment: '',
        },
      ]);
    }),
    route('POST', '/images/{name:*}/tag', async (call) => {
      const repository = call.query.get('repo') ?? '';
      if (repository === '') throw new SwarmtsError('invalid-argument', 'invalid reference format');
      const tag = call.query.get('tag') ?? '';
      await node.tagImage(name(call), tag === '' ? repository : `${repository}:${tag}`);
      return empty(201);
    }),
    route('DELETE', '/images/{name:*}', async (call) => {
      const removed = await node.removeImage(name(call), flag(call.query, 'force'));
      return json(
        removed.map((r) => ({
          ...(r.untagged === undefined ? {} : { Untagged: r.untagged }),
          ...(r.deleted === undefined ? {} : { Deleted: r.deleted }),
        })),
      );
    }),
  ];
}

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
    route('DELETE', '/volumes/{name}', async ({ params, query }) => {
      await node.removeVolume(params.name ?? '', flag(query, 'force'));
      return empty(204);
    }),
  ];
}

/** Progress records as lines of JSON; what goes wrong after the first byte is the last record. */
async function pull({ backend }: RouteContext, call: Call): Promise<Reply> {
  const image = call.query.get('fromImage') ?? '';
  if (image === '') {
    throw new SwarmtsError('unsupported', 'importing a file system is not supported by swarmts: use load');
  }
  const tag = call.query.get('tag') ?? '';
  const ref = tag === '' ? image : tag.includes(':') ? `${image}@${tag}` : `${image}:${tag}`;
  const records = backend.node.pull(ref, decodeRegistryAuth(call.headers[REGISTRY_AUTH]), call.signal);
  return progress(call, records);
}

async function load({ backend }: RouteContext, call: Call): Promise<Reply> {
  const loaded = backend.node.load(call.body, call.signal);
  async function* records() {
    for (const ref of await loaded) {
      yield { stream: ref.startsWith('sha256:') ? `Loaded image ID: ${ref}\n` : `Loaded image: ${ref}\n` };
    }
  }
  return progress(call, records());
}

/** The first record decides: an error before it is an ordinary error reply. */
async function progress(call: Call, records: AsyncIterable<Readonly<Record<string, unknown>>>): Promise<Reply> {
  const iterator = records[Symbol.asyncIterator]();
  const first = await iterator.next();
  return {
    kind: 'stream',
    contentType: 'application/json',
    run: async (write) => {
      try {
        for (let r = first; r.done !== true; r = await iterator.next()) await write(`${JSON.stringify(r.value)}\r\n`);
      } catch (e) {
        if (call.signal.aborted) throw e;
        const message = messageOf(e);
        await write(`${JSON.stringify({ errorDetail: { message }, error: message })}\r\n`);
      } finally {
        await iterator.return?.();
      }
    },
  };
}

function matches(i: ImageSummary, filters: FilterArgs): boolean {
  const dangling = booleanFilter(filters, 'dangling');
  return (
    (dangling === undefined || dangling === (i.repoTags.length === 0)) &&
    accepts(filters, 'reference', (v) => i.repoTags.some((tag) => referenceMatches(tag, v))) &&
    acceptsLabels(filters, 'label', i.labels)
  );
}

/** A shell pattern over "name" or "name:tag"; `*` stops at slashes. */
function referenceMatches(tag: string, pattern: string): boolean {
  const source = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  const regex = new RegExp(`^${source}$`);
  const bare = tag.replace(/:[^/:]+$/, '');
  return regex.test(tag) || regex.test(bare) || regex.test(bare.slice(bare.lastIndexOf('/') + 1));
}
