/**
 * Makes images on this node: a config on top of a parent, with or without a new layer. Commit, import and build all end here.
 * The layer is a plain tar archive in the blob store under its diff id.
 */
import { link, mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import { familiarString, type ImageReference, tagKey } from '@swarmts/proto';
import { runChild } from '../snapshots/child-report.js';
import { PACK_MAIN, type PackedLayer, type PackRequest, type UpperDirectory } from '../snapshots/pack-request.js';
import type { ImageConfig } from './image-api.js';
import { type StoredImage, withImage, withTag } from './image-index.js';
import type { Hold, ImageStore } from './image-store.js';
import { chainIds, MAX_CONFIG_BYTES, mediaTypes, type Platform, sha256Digest } from './manifest.js';

export interface NewImage {
  /** Undefined starts from nothing. */
  readonly parent?: StoredImage | undefined;
  /** Undefined when nothing changed in the file system. */
  readonly layer?: LayerBlob | undefined;
  readonly config: ImageConfig;
  readonly createdBy: string;
  readonly comment?: string;
  readonly author?: string;
  readonly platform?: Platform;
  /** Of the build step that made it. */
  readonly cacheKey?: string;
}

export interface LayerBlob {
  readonly diffId: string;
  readonly size: number;
  /** Where the blob is not the plain archive. */
  readonly blob?: StoredImage['layers'][number];
}

/** Packs or unwraps into the blob store; undefined when there is nothing in it. The blob is held. */
export async function layerFrom(
  store: ImageStore,
  request: ({ readonly kind: 'pack' } & UpperDirectory) | { readonly kind: 'plain'; readonly source: string },
  hold: Hold,
  signal?: AbortSignal,
): Promise<LayerBlob | undefined> {
  const target = store.blobs.tmpPath();
  try {
    await mkdir(dirname(target), { recursive: true, mode: 0o700 });
    const what: PackRequest = { ...request, target };
    const packed = await runChild<PackedLayer>(store.options.helper, PACK_MAIN, what, '', signal);
    if (packed.entries === 0) return undefined;
    hold([packed.digest]);
    await link(target, store.blobs.path(packed.digest)).catch((e: unknown) => {
      if (errnoOf(e) !== 'EEXIST') throw e;
    });
    return { diffId: packed.digest, size: packed.size };
  } finally {
    await rm(target, { force: true });
  }
}

/** Stores the image and, with `names`, tags it. Resolves to the image as it is stored. */
export async function createImage(
  store: ImageStore,
  image: NewImage,
  names: readonly ImageReference[],
  hold: Hold,
  signal?: AbortSignal,
): Promise<StoredImage> {
  const { layer, parent } = image;
  const base = parent ? await store.config(parent.id) : undefined;
  const diffIds = [...(base?.diffIds ?? []), ...(layer ? [layer.diffId] : [])];
  const chain = chainIds(diffIds);
  hold(chain);
  const config = Buffer.from(JSON.stringify(await configDocument(store, image, diffIds)));
  refuseLarge(config.length);
  if (layer) {
    const blob = store.blobs.path(layer.blob?.digest ?? layer.diffId);
    const source = { chainId: chain.at(-1) ?? '', diffId: layer.diffId, blob };
    await store.options.layers.ensure(source, signal);
  }
  const layers = [
    ...(parent?.layers ?? []),
    ...(layer ? [layer.blob ?? { mediaType: mediaTypes.ociLayer, digest: layer.diffId, size: layer.size }] : []),
  ];
  const manifest = localManifest(config, layers);
  const stored: StoredImage = {
    id: sha256Digest(config),
    manifest: sha256Digest(manifest),
    layers,
    chain,
    storedAtMs: store.options.clock.now(),
    ...(parent ? { parent: parent.id } : {}),
    ...(image.cacheKey ? { cacheKey: image.cacheKey } : {}),
  };
  hold([stored.id, stored.manifest]);
  await store.blobs.put(stored.id, config);
  await store.blobs.put(stored.manifest, manifest);
  await store.change(async () => {
    await store.replace(withImage(store.refs, stored));
    await tagAll(store, stored.id, names);
  });
  return stored;
}

/** No node would take such an image from a registry or an archive. */
function refuseLarge(configBytes: number): void {
  if (configBytes <= MAX_CONFIG_BYTES) return;
  const what = `image config of ${configBytes} bytes refused: at most ${MAX_CONFIG_BYTES} are allowed`;
  throw new SwarmtsError('invalid-argument', what);
}

/** Only inside of the store's `change`. */
export async function tagAll(store: ImageStore, id: string, names: readonly ImageReference[]): Promise<void> {
  let refs = store.refs;
  const now = store.options.clock.now();
  for (const name of names) refs = withTag(refs, tagKey(name), id, now);
  await store.replace(refs);
  for (const name of names) store.emit('tag', id, { name: familiarString(name) });
}

async function configDocument(store: ImageStore, image: NewImage, diffIds: readonly string[]): Promise<object> {
  const created = new Date(store.options.clock.now()).toISOString();
  const base = image.parent ? await store.config(image.parent.id) : undefined;
  const { os, architecture, variant } = image.platform ?? base ?? store.options.platform;
  const author = image.author || base?.author;
  return {
    architecture,
    ...(variant ? { variant } : {}),
    os,
    created,
    ...(author ? { author } : {}),
    ...(image.comment ? { comment: image.comment } : {}),
    config: image.config,
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: [
      ...(base?.rawHistory ?? []),
      {
        created,
        ...(image.author ? { author: image.author } : {}),
        created_by: image.createdBy,
        ...(image.comment ? { comment: image.comment } : {}),
        ...(image.layer ? {} : { empty_layer: true }),
      },
    ],
  };
}

function localManifest(config: Buffer, layers: StoredImage['layers']): Buffer {
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.ociManifest,
      config: { mediaType: mediaTypes.ociConfig, digest: sha256Digest(config), size: config.length },
      layers,
    }),
  );
}
