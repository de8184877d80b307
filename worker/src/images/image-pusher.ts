/**
 * `docker push`: uploads what the registry lacks and puts the manifest under each tag. An image that came from a registry
 * keeps its manifest and so its digest; one that was made here gets a manifest of schema 2 over gzip layers.
 */
import { createReadStream } from 'node:fs';
import { link, rm } from 'node:fs/promises';
import { Transform } from 'node:stream';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import {
  digestKey,
  familiarName,
  familiarString,
  type ImageReference,
  isNameOnly,
  parseReference,
  repositoryOf,
  tagKey,
} from '@swarmts/proto';
import { runChild } from '../snapshots/child-report.js';
import { PACK_MAIN, type PackedLayer, type PackRequest } from '../snapshots/pack-request.js';
import type { PullProgress, TransferOptions } from './image-api.js';
import { type StoredImage, withDigest } from './image-index.js';
import { shortId } from './image-puller.js';
import type { Hold, ImageStore } from './image-store.js';
import { mediaTypes, sha256Digest } from './manifest.js';
import { RepositoryClient } from './registry-client.js';
import { Slots } from './shared-jobs.js';
import { retrying } from './transfer-retry.js';

/** Docker's default for --max-concurrent-uploads. */
const MAX_CONCURRENT_UPLOADS = 5;
/** Progress is reported once per this many bytes. */
const PROGRESS_STEP_BYTES = 512 << 10;
const READ_BYTES = 256 << 10;

interface Push {
  readonly store: ImageStore;
  readonly client: RepositoryClient;
  readonly ref: ImageReference;
  readonly report: (p: PullProgress) => void;
  readonly hold: Hold;
  readonly signal: AbortSignal | undefined;
}

type Layer = StoredImage['layers'][number];

export async function pushImages(
  store: ImageStore,
  text: string,
  options: TransferOptions & { readonly all?: boolean },
): Promise<void> {
  const ref = parseReference(text);
  if (ref.digest) throw new SwarmtsError('invalid-argument', 'cannot push a digest reference');
  const report = options.onProgress ?? (() => undefined);
  report({ status: `The push refers to repository [${repositoryOf(ref)}]` });
  const tags = tagsToPush(store, text, ref, options.all === true);
  const { registry, logger } = store.options;
  const client = new RepositoryClient(ref, options.auth, { ...registry, logger });
  try {
    await store.holding(async (hold) => {
      for (const key of tags) {
        const push = { store, client, ref: parseReference(key), report, hold, signal: options.signal };
        await pushTag(push, store.image(key));
      }
    });
  } finally {
    client.close();
  }
}

function tagsToPush(store: ImageStore, text: string, ref: ImageReference, all: boolean): string[] {
  const prefix = `${repositoryOf(ref)}:`;
  const known = Object.keys(store.refs.tags).filter((k) => k.startsWith(prefix));
  if (known.length === 0) {
    throw new SwarmtsError('image-not-found', `An image does not exist locally with the tag: ${familiarName(ref)}`);
  }
  if (all && isNameOnly(text)) return known;
  if (!known.includes(tagKey(ref))) {
    throw new SwarmtsError('image-not-found', `tag does not exist: ${familiarString(ref)}`);
  }
  return [tagKey(ref)];
}

async function pushTag(push: Push, image: StoredImage): Promise<void> {
  const { store, client, ref, report, hold, signal } = push;
  hold([image.id, image.manifest, ...image.layers.map((l) => l.digest)]);
  const { diffIds } = await store.config(image.id);
  const ids = diffIds.map(shortId);
  for (const id of ids) report({ status: 'Preparing', id, progressDetail: {} });
  const ready = await withGzipLayers(push, image);
  const slots = new Slots(store.options.transfers?.maxConcurrentUploads ?? MAX_CONCURRENT_UPLOADS);
  // The first failure ends the others.
  const abort = new AbortController();
  const both = signal ? AbortSignal.any([signal, abort.signal]) : abort.signal;
  const work = ready.layers.map(async (layer, i) => {
    const one = { ...push, signal: both };
    try {
      await slots.use(() => again(push, layer, both, () => pushLayer(one, layer, ids[i] ?? '')));
    } catch (e) {
      abort.abort(e);
      throw e;
    }
  });
  const failed = (await Promise.allSettled(work)).find((r) => r.status === 'rejected');
  if (failed) throw signal?.aborted ? failed.reason : (abort.signal.reason ?? failed.reason);
  const config = { digest: image.id, size: (await store.blobs.size(image.id)) ?? 0 };
  await again(push, config, signal, () => pushBlob(push, config));
  const tag = ref.tag ?? 'latest';
  await client.putManifest(tag, ready.manifest, ready.mediaType, signal);
  const digest = sha256Digest(ready.manifest);
  await store.change(async () => {
    if (store.refs.images[image.id]) await store.replace(withDigest(store.refs, digestKey(ref, digest), image.id));
  });
  const Size = ready.manifest.length;
  report({ status: `${tag}: digest: ${digest} size: ${Size}` });
  report({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size } });
  store.emit('push', familiarString(ref), { name: familiarString(ref) });
}

/** An upload that broke off is begun anew: whether the registry has the blob meanwhile is asked again. */
function again<T>(
  push: Push,
  blob: { readonly digest: string },
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const { clock, random, logger } = push.store.options;
  return retrying({ clock, random, logger, what: `upload of ${blob.digest}`, signal }, work);
}

interface ReadyImage {
  readonly layers: readonly Layer[];
  readonly manifest: Buffer;
  readonly mediaType: string;
}

/** The image as it can be sent: plain layers, which only this node has made, are compressed first, once and for all. */
async function withGzipLayers(push: Push, image: StoredImage): Promise<ReadyImage> {
  const { store, hold } = push;
  if (!image.layers.some((l) => l.mediaType === mediaTypes.ociLayer)) {
    const manifest = await store.blobs.read(image.manifest);
    // It was parsed when it was stored.
    const { mediaType } = JSON.parse(manifest.toString('utf8')) as { mediaType?: string };
    return { layers: image.layers, manifest, mediaType: mediaType ?? mediaTypes.ociManifest };
  }
  const layers: Layer[] = [];
  for (const layer of image.layers) layers.push(await gzipped(push, layer));
  const size = (await store.blobs.size(image.id)) ?? 0;
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.dockerManifest,
      config: { mediaType: mediaTypes.dockerConfig, size, digest: image.id },
      layers: layers.map((l) => ({ mediaType: mediaTypes.dockerLayerGzip, size: l.size, digest: l.digest })),
    }),
  );
  const digest = sha256Digest(manifest);
  hold([digest]);
  await store.blobs.put(digest, manifest);
  await store.change(async () => {
    const now = store.refs.images[image.id];
    if (!now) return;
    const images = { ...store.refs.images, [image.id]: { ...now, manifest: digest, layers } };
    await store.replace({ ...store.refs, images });
  });
  return { layers, manifest, mediaType: mediaTypes.dockerManifest };
}

async function gzipped(push: Push, layer: Layer): Promise<Layer> {
  const { store, hold, signal } = push;
  if (layer.mediaType !== mediaTypes.ociLayer) return layer;
  const target = store.blobs.tmpPath();
  try {
    const request: PackRequest = { kind: 'gzip', source: store.blobs.path(layer.digest), target };
    const { digest, size } = await runChild<PackedLayer>(
      store.options.helper,
      PACK_MAIN,
      request,
      'cannot compress a layer',
      signal,
    );
    hold([digest]);
    await link(target, store.blobs.path(digest)).catch((e: unknown) => {
      if (errnoOf(e) !== 'EEXIST') throw e;
    });
    return { mediaType: mediaTypes.dockerLayerGzip, digest, size };
  } finally {
    await rm(target, { force: true });
  }
}

async function pushLayer(push: Push, layer: Layer, id: string): Promise<void> {
  const { client, report, signal } = push;
  if (await client.hasBlob(layer.digest, signal)) {
    report({ status: 'Layer already exists', id, progressDetail: {} });
    return;
  }
  const origin = originOf(push, layer.digest);
  const place = await client.beginUpload(
    origin === undefined ? undefined : { digest: layer.digest, path: origin },
    signal,
  );
  if (place === 'mounted') {
    report({ status: `Mounted from ${origin}`, id, progressDetail: {} });
    return;
  }
  const onSent = (current: number) => report({ status: 'Pushing', id, progressDetail: { current, total: layer.size } });
  await client.upload(place, layer, () => readBlob(push.store, layer.digest, onSent), signal);
  report({ status: 'Pushed', id, progressDetail: {} });
}

async function pushBlob(push: Push, blob: { readonly digest: string; readonly size: number }): Promise<void> {
  const { client, signal, store } = push;
  if (await client.hasBlob(blob.digest, signal)) return;
  const place = await client.beginUpload(undefined, signal);
  if (place !== 'mounted')
    await client.upload(place, blob, () => readBlob(store, blob.digest, () => undefined), signal);
}

function readBlob(store: ImageStore, digest: string, onSent: (bytes: number) => void) {
  let sent = 0;
  let told = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      sent += chunk.length;
      if (sent - told >= PROGRESS_STEP_BYTES) {
        told = sent;
        onSent(sent);
      }
      done(null, chunk);
    },
  });
  const source = createReadStream(store.blobs.path(digest), { highWaterMark: READ_BYTES });
  source.on('error', (e) => meter.destroy(e));
  meter.on('close', () => source.destroy());
  return source.pipe(meter);
}

/** Another repository of the same registry that the layer is known to be in. */
function originOf(push: Push, digest: string): string | undefined {
  const { refs } = push.store;
  for (const [key, id] of Object.entries(refs.digests)) {
    const ref = parseReference(key);
    if (ref.domain !== push.ref.domain || ref.path === push.ref.path) continue;
    if (refs.images[id]?.layers.some((l) => l.digest === digest)) return ref.path;
  }
  return undefined;
}
