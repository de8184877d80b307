/** What moves images: pull and import, push, load, save, login, and the refusal of searches. */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import { SINCE } from '../http/api-version.js';
import { type Call, json, type Reply, readJson } from '../http/exchange.js';
import { type Route, refuse, route } from '../http/router.js';
import { decodeRegistryAuth, REGISTRY_AUTH } from '../registry-auth.js';
import type { RouteContext } from './context.js';
import { platformsOf, requirePlatform } from './image-platform.js';
import { progressReply, progressStream } from './progress.js';

export function imageTransferRoutes(c: RouteContext): Route[] {
  const { images } = c.backend;
  return [
    route('POST', '/images/create', async (call) => (call.query.has('fromSrc') ? importImage(c, call) : pull(c, call))),
    route('POST', '/images/load', async (call) => load(c, call)),
    route('GET', '/images/get', async (call) => {
      const names = call.query.getAll('names').flatMap((n) => n.split(','));
      if (names.length === 0) throw new SwarmtsError('invalid-argument', 'no image was named: use names=IMAGE');
      refuseSeveral(call);
      await checkPlatform(c, call, SINCE.archivePlatform, names);
      return archive(images.save(names, call.signal));
    }),
    refuse(
      'GET',
      '/images/search',
      'searching for images is not supported by this registry: the distribution API has no search',
    ),
    route('GET', '/images/{name:*}/get', async (call) => {
      const names = [call.params.name ?? ''];
      refuseSeveral(call);
      await checkPlatform(c, call, SINCE.archivePlatform, names);
      return archive(images.save(names, call.signal));
    }),
    route('POST', '/images/{name:*}/push', async (call) => {
      const header = call.headers[REGISTRY_AUTH];
      const tag = call.query.get('tag') ?? '';
      const name = call.params.name ?? '';
      const ref = tag === '' ? name : `${name}:${tag}`;
      await checkPlatform(c, call, SINCE.pushedPlatform, [ref]);
      const options = { auth: decodeRegistryAuth(header), all: tag === '' };
      return progressReply(call, images.push(ref, options, call.signal));
    }),
    route('POST', '/auth', async (call) => {
      const o = await readJson(call);
      const auth = {
        username: o.string('username'),
        password: o.string('password'),
        serveraddress: o.string('serveraddress'),
        identitytoken: o.string('identitytoken'),
      };
      return json({ Status: 'Login Succeeded', IdentityToken: await images.login(auth, call.signal) });
    }),
  ];
}

/** Of archives: where clients know of platforms, they may name one or, since later, several. */
function refuseSeveral({ query, apiVersion: [, minor] }: Call): void {
  const several = query.getAll('platform').length > 1;
  if (!several || minor < SINCE.archivePlatform || minor >= SINCE.leanAnswers) return;
  const what = 'multiple platform parameters are not supported in this API version';
  throw new SwarmtsError('invalid-argument', `${what}; use API version 1.${SINCE.leanAnswers} or later`);
}

async function checkPlatform(c: RouteContext, call: Call, since: number, names: readonly string[]): Promise<void> {
  if (!call.query.has('platform')) return;
  for (const name of names) await requirePlatform(c, call, since, name);
}

async function pull({ backend }: RouteContext, call: Call): Promise<Reply> {
  const image = call.query.get('fromImage') ?? '';
  if (image === '') throw new SwarmtsError('invalid-argument', 'neither fromImage nor fromSrc is given');
  const tag = call.query.get('tag') ?? '';
  const ref = tag === '' ? image : tag.includes(':') ? `${image}@${tag}` : `${image}:${tag}`;
  const platform = call.query.get('platform') ?? '';
  // Neither tag nor digest: clients that want one of them name it.
  const all = tag === '' && !image.includes('@') && image.lastIndexOf(':') <= image.lastIndexOf('/');
  const auth = decodeRegistryAuth(call.headers[REGISTRY_AUTH]);
  return progressReply(call, backend.images.pull(ref, { auth, platform, all }, call.signal));
}

/** `docker import`: the archive is the body ("-") or at a URL. */
async function importImage({ backend }: RouteContext, call: Call): Promise<Reply> {
  const { query } = call;
  const source = query.get('fromSrc') ?? '';
  const repository = query.get('repo') ?? '';
  const tag = query.get('tag') ?? '';
  const options = {
    name: repository === '' || tag === '' ? repository : `${repository}:${tag}`,
    message: query.get('message') || `Imported from ${source}`,
    changes: query.getAll('changes'),
    platform: query.get('platform') ?? '',
  };
  async function* records() {
    yield { status: await backend.images.importArchive(source === '-' ? call.body : source, options, call.signal) };
  }
  return progressReply(call, records());
}

async function load({ backend }: RouteContext, call: Call): Promise<Reply> {
  refuseSeveral(call);
  const platforms = call.apiVersion[1] < SINCE.archivePlatform ? [] : platformsOf(call.query);
  async function* records() {
    for (const ref of await backend.images.load(call.body, platforms, call.signal)) {
      const kind = ref.startsWith('sha256:') ? ' ID' : '';
      yield { stream: `Loaded image${kind}: ${ref}\n` };
    }
  }
  return progressStream(call, records());
}

/** The first chunk decides, so that a wrong name is an error reply. */
async function archive(chunks: AsyncIterable<Uint8Array>): Promise<Reply> {
  const iterator = chunks[Symbol.asyncIterator]();
  let first: IteratorResult<Uint8Array>;
  try {
    first = await iterator.next();
  } catch (e) {
    if (isSwarmtsError(e, 'image-not-found')) throw new SwarmtsError('not-found', e.message, { cause: e });
    throw e;
  }
  return {
    kind: 'stream',
    contentType: 'application/x-tar',
    run: async (write) => {
      try {
        for (let r = first; r.done !== true; r = await iterator.next()) await write(r.value);
      } finally {
        await iterator.return?.();
      }
    },
  };
}
