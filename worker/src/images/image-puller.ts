/**
 * One pull from manifest to unpacked layers, telling its progress in Docker's words. It only adds content; the image
 * gets its name at the very end by the caller, so an interrupted pull leaves nothing but blobs that the next one uses.
 */
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import type { ImageReference } from '@swarmts/proto';
import type { LayerStore } from '../snapshots/layer-store.js';
import type { BlobStore } from './blob-store.js';
import type { PullProgress, RegistryAuth } from './image-api.js';
import type { StoredImage } from './image-index.js';
import type { DownloadProgress, LayerDownloads } from './layer-downloads.js';
import {
  chainIds,
  choosePlatform,
  type Descriptor,
  type ImageManifest,
  MAX_CONFIG_BYTES,
  type Platform,
  parseImageConfig,
  parseManifest,
  sha256Digest,
} from './manifest.js';
import { type RegistryClientOptions, RepositoryClient } from './registry-client.js';
import { throwIfAborted } from './shared-jobs.js';

export interface PullerOptions {
  readonly blobs: BlobStore;
  readonly downloads: LayerDownloads;
  readonly layers: LayerStore;
  readonly platform: Platform;
  readonly registry: RegistryClientOptions;
  readonly now: () => number;
  /** The image is here with all its layers. */
  readonly isWhole: (imageId: string) => boolean;
  /** Keeps what a running pull needs from the garbage collector. */
  readonly hold: (names: readonly string[]) => void;
}

export interface PullRequest {
  readonly ref: ImageReference;
  readonly auth?: RegistryAuth | undefined;
  readonly onProgress: (p: PullProgress) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface PulledImage {
  readonly image: StoredImage;
  /** Digest of what the reference named: the index for a multi-platform image. */
  readonly digest: string;
}

/** Indexes may nest; nothing sensible nests deeper. */
const MAX_INDEX_DEPTH = 3;

export async function pullImage(request: PullRequest, options: PullerOptions): Promise<PulledImage> {
  const client = new RepositoryClient(request.ref, request.auth, options.registry);
  try {
    return await pullWith(client, request, options);
  } finally {
    client.close();
  }
}

async function pullWith(client: RepositoryClient, request: PullRequest, options: PullerOptions): Promise<PulledImage> {
  const { ref, onProgress, signal } = request;
  const wanted = ref.digest ?? ref.tag ?? 'latest';
  const top = await fetchManifest(client, wanted, signal);
  onProgress({ status: `Pulling from ${ref.path}`, id: wanted });
  const chosen = await resolvePlatform(client, top, options.platform, signal);
  const { manifest } = chosen;
  options.hold([chosen.digest, manifest.config.digest, ...manifest.layers.map((l) => l.digest)]);
  const { size } = manifest.config;
  if (size > MAX_CONFIG_BYTES) {
    throw new SwarmtsError('corrupt', `image config of ${size} bytes refused: at most ${MAX_CONFIG_BYTES} are allowed`);
  }
  await options.downloads.fetch(client, manifest.config, { signal });
  const config = parseImageConfig(await options.blobs.read(manifest.config.digest), manifest.layers.length);
  if (config.os !== 'linux')
    throw new SwarmtsError('unsupported', `image operating system "${config.os}" cannot be used on this platform`);
  const chain = chainIds(config.diffIds);
  options.hold(chain);
  // An image that is up to date is not told layer by layer.
  const isWhole = options.isWhole(manifest.config.digest) && chain.every((c) => options.layers.has(c));
  if (!isWhole) await fetchLayers(client, manifest, chain, config.diffIds, request, options);
  await options.blobs.put(chosen.digest, chosen.data);
  onProgress({ status: `Digest: ${top.digest}` });
  return {
    digest: top.digest,
    image: {
      id: manifest.config.digest,
      manifest: chosen.digest,
      layers: manifest.layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
      chain,
      storedAtMs: options.now(),
    },
  };
}

interface FetchedManifest {
  readonly digest: string;
  readonly data: Buffer;
  readonly parsed: ReturnType<typeof parseManifest>;
}

async function fetchManifest(client: RepositoryClient, wanted: string, signal?: AbortSignal): Promise<FetchedManifest> {
  const { data, contentType } = await client.manifest(wanted, signal);
  const digest = sha256Digest(data);
  if (wanted.startsWith('sha256:') && digest !== wanted) {
    throw new SwarmtsError('corrupt', `manifest verification failed for digest ${wanted} (got ${digest})`);
  }
  return { digest, data, parsed: parseManifest(data, contentType) };
}

async function resolvePlatform(
  client: RepositoryClient,
  top: FetchedManifest,
  platform: Platform,
  signal: AbortSignal | undefined,
): Promise<{ digest: string; data: Buffer; manifest: ImageManifest }> {
  let current = top;
  for (let depth = 0; depth < MAX_INDEX_DEPTH; depth++) {
    if (current.parsed.kind === 'manifest') {
      return { digest: current.digest, data: current.data, manifest: current.parsed };
    }
    const entry = choosePlatform(current.parsed, platform);
    current = await fetchManifest(client, entry.digest, signal);
  }
  throw new SwarmtsError('corrupt', `manifest lists are nested more than ${MAX_INDEX_DEPTH} deep`);
}

/** Downloads in parallel; unpacks from the bottom up, each layer as soon as it and the ones below are there. */
async function fetchLayers(
  client: RepositoryClient,
  manifest: ImageManifest,
  chain: readonly string[],
  diffIds: readonly string[],
  request: PullRequest,
  options: PullerOptions,
): Promise<void> {
  // One layer's failure ends the other downloads of this pull.
  const abort = new AbortController();
  const signal = request.signal ? AbortSignal.any([request.signal, abort.signal]) : abort.signal;
  const downloads = manifest.layers.map((layer, i) =>
    fetchLayer(client, layer, chain[i] ?? '', signal, request, options),
  );
  for (const d of downloads) d.catch((e) => abort.abort(e));
  try {
    for (const [i, layer] of manifest.layers.entries()) {
      const fresh = await downloads[i];
      const id = shortId(layer.digest);
      const target = { chainId: chain[i] ?? '', diffId: diffIds[i] ?? '', blob: options.blobs.path(layer.digest) };
      if (fresh)
        request.onProgress({ status: 'Extracting', id, progressDetail: { current: layer.size, total: layer.size } });
      await options.layers.ensure(target, signal);
      if (fresh) request.onProgress({ status: 'Pull complete', id });
    }
  } catch (e) {
    abort.abort(e);
    await Promise.allSettled(downloads);
    throwIfAborted(request.signal);
    throw isSwarmtsError(e, 'aborted') && isSwarmtsError(abort.signal.reason) ? abort.signal.reason : e;
  }
}

/** Resolves to whether anything had to be fetched. */
async function fetchLayer(
  client: RepositoryClient,
  layer: Descriptor,
  chainId: string,
  signal: AbortSignal,
  request: PullRequest,
  options: PullerOptions,
): Promise<boolean> {
  const id = shortId(layer.digest);
  if (options.layers.has(chainId) && (await options.blobs.has(layer.digest))) {
    request.onProgress({ status: 'Already exists', id });
    return false;
  }
  request.onProgress({ status: 'Pulling fs layer', id });
  await options.downloads.fetch(client, layer, {
    signal,
    onProgress: (p) => reportDownload(p, id, request.onProgress),
  });
  return true;
}

function reportDownload(p: DownloadProgress, id: string, emit: (p: PullProgress) => void): void {
  if (p.phase === 'waiting') emit({ status: 'Waiting', id });
  else if (p.phase === 'verifying') emit({ status: 'Verifying Checksum', id });
  else if (p.phase === 'complete') emit({ status: 'Download complete', id });
  else emit({ status: 'Downloading', id, progressDetail: { current: p.current, total: p.total } });
}

/** Docker shows the first 12 hex digits of a digest. */
export function shortId(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12);
}

/** The last line of a pull. */
export function finalStatus(name: string, fresh: boolean): string {
  return `Status: ${fresh ? 'Downloaded newer image' : 'Image is up to date'} for ${name}`;
}
