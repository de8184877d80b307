/**
 * The node's images: pull, load, tag, find, remove. It owns `<data root>/images` and decides when blobs and layers are
 * garbage: when no image names them, no container stands on them, and no running pull or load holds them.
 */
import { join } from 'node:path';
import { type Clock, type Logger, type Random, SwarmtsError } from '@swarmts/lib';
import type {
  ContainerEngine,
  EngineEvent,
  ImageInfo,
  ImageResolution,
  PullProgress,
  RegistryAuth,
} from '../engine/engine-api.js';
import type { HelperApi } from '../helper/helper-api.js';
import type { LayerStore } from '../snapshots/layer-store.js';
import { loadArchive } from './archive-loader.js';
import { BlobStore } from './blob-store.js';
import {
  ImageIndexFile,
  idsMatching,
  keysOf,
  type StoredImage,
  withDigest,
  withImage,
  withoutImage,
  withoutKeys,
  withTag,
} from './image-index.js';
import { finalStatus, pullImage, shortId } from './image-puller.js';
import { LayerDownloads } from './layer-downloads.js';
import { type ParsedConfig, type Platform, parseImageConfig } from './manifest.js';
import { digestKey, familiarString, type ImageReference, parseReference, tagKey } from './reference.js';
import type { RegistryOptions } from './registry-endpoints.js';
import { resolveImage } from './resolve-image.js';

export interface ImageUser {
  readonly containerId: string;
  readonly imageId: string;
  readonly running: boolean;
  /** Chain ids of the layers that the container's root file system stands on. */
  readonly chain: readonly string[];
}

export interface ImageServiceOptions {
  readonly root: string;
  readonly layers: LayerStore;
  readonly helper: HelperApi;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly platform: Platform;
  readonly registry: RegistryOptions & { readonly certsDir?: string };
  readonly maxConcurrentDownloads?: number;
  /** The containers that use images. */
  readonly users: () => readonly ImageUser[];
  readonly emit: (e: EngineEvent) => void;
}

/** A name in a running pull or load, with how many of them hold it. */
type Holds = Map<string, number>;

export class ImageService {
  readonly #options: ImageServiceOptions;
  readonly #blobs: BlobStore;
  readonly #index: ImageIndexFile;
  readonly #downloads: LayerDownloads;
  readonly #configs = new Map<string, ParsedConfig>();
  readonly #holds: Holds = new Map();
  /** Changes of the index and garbage collections, one after the other. */
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(options: ImageServiceOptions, blobs: BlobStore, index: ImageIndexFile) {
    this.#options = options;
    this.#blobs = blobs;
    this.#index = index;
    const { clock, random, logger } = options;
    const limit = options.maxConcurrentDownloads;
    this.#downloads = new LayerDownloads({ blobs, clock, random, logger, ...(limit ? { maxConcurrent: limit } : {}) });
  }

  static async open(options: ImageServiceOptions): Promise<ImageService> {
    const blobs = await BlobStore.open(options.root);
    const index = await ImageIndexFile.open(options.root);
    return new ImageService(options, blobs, index);
  }

  get count(): number {
    return Object.keys(this.#index.refs.images).length;
  }

  async pull(ref: string, options: Parameters<ContainerEngine['images']['pull']>[1]): Promise<string> {
    const parsed = parseReference(ref);
    return this.#holding(async (hold) => {
      const onProgress = options.onProgress ?? (() => undefined);
      const { image, digest } = await this.#fetch(parsed, options.auth, onProgress, hold, options.signal);
      const fresh = await this.#change(async () => {
        const before = this.#index.refs;
        const byDigest = withDigest(withImage(before, image), digestKey(parsed, digest), image.id);
        await this.#index.replace(parsed.digest ? byDigest : withTag(byDigest, tagKey(parsed), image.id));
        return before.images[image.id] === undefined || (!parsed.digest && before.tags[tagKey(parsed)] !== image.id);
      });
      onProgress({ status: finalStatus(parsed, parsed.digest ?? parsed.tag ?? '', fresh) });
      this.#emit('pull', familiarString(parsed), { name: familiarString(parsed) });
      return image.id;
    });
  }

  async load(archive: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<readonly string[]> {
    return this.#holding(async (hold) => {
      const { layers, helper, platform, clock } = this.#options;
      const now = () => clock.now();
      const loaded = await loadArchive(archive, { blobs: this.#blobs, layers, helper, platform, now, hold }, signal);
      const names: string[] = [];
      await this.#change(async () => {
        let refs = this.#index.refs;
        for (const { image, references } of loaded) {
          refs = withImage(refs, image);
          for (const r of references) refs = withTag(refs, tagKey(parseReference(r)), image.id);
          names.push(
            ...(references.length > 0 ? references.map((r) => familiarString(parseReference(r))) : [image.id]),
          );
        }
        await this.#index.replace(refs);
      });
      for (const name of names) this.#emit('load', name, { name });
      return names;
    });
  }

  async tag(source: string, target: string): Promise<void> {
    const ref = parseReference(target);
    if (ref.digest) throw new SwarmtsError('invalid-argument', 'refusing to create a tag with a digest reference');
    await this.#change(async () => {
      const id = this.#resolve(source);
      if (!id) throw noSuchImage(source);
      await this.#index.replace(withTag(this.#index.refs, tagKey(ref), id));
      this.#emit('tag', id, { name: familiarString(ref) });
    });
  }

  async resolve(
    ref: string,
    options: { readonly auth?: RegistryAuth; readonly signal?: AbortSignal },
  ): Promise<ImageResolution> {
    const { registry, logger } = this.#options;
    return resolveImage(parseReference(ref), options.auth, { ...registry, logger }, options.signal);
  }

  async list(): Promise<readonly ImageInfo[]> {
    const infos = await Promise.all(Object.values(this.#index.refs.images).map((i) => this.#describe(i)));
    return infos.sort((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1));
  }

  async find(ref: string): Promise<ImageInfo | undefined> {
    const id = this.#resolve(ref);
    const image = id === undefined ? undefined : this.#index.refs.images[id];
    return image && this.#describe(image);
  }

  /** Chain ids of an image's layers, bottom first. */
  chainOf(imageId: string): readonly string[] {
    return this.#index.refs.images[imageId]?.chain ?? [];
  }

  async remove(ref: string, force: boolean): Promise<readonly { untagged?: string; deleted?: string }[]> {
    return this.#change(async () => {
      const id = this.#resolve(ref);
      const image = id === undefined ? undefined : this.#index.refs.images[id];
      if (!image) throw noSuchImage(ref);
      const byId = idsMatching(this.#index.refs, ref).includes(image.id) && !this.#hasName(ref);
      return byId ? this.#removeById(image, force) : this.#removeByName(parseReference(ref), image, force);
    });
  }

  /** Removes every blob and layer that nothing refers to. */
  async collectGarbage(): Promise<void> {
    await this.#change(() => this.#sweep());
  }

  async #fetch(
    ref: ImageReference,
    auth: RegistryAuth | undefined,
    onProgress: (p: PullProgress) => void,
    hold: (names: readonly string[]) => void,
    signal: AbortSignal | undefined,
  ) {
    const { layers, platform, clock, logger, registry } = this.#options;
    return pullImage(
      { ref, auth, onProgress, signal },
      {
        blobs: this.#blobs,
        downloads: this.#downloads,
        layers,
        platform,
        registry: { ...registry, logger },
        now: () => clock.now(),
        hold,
      },
    );
  }

  #resolve(text: string): string | undefined {
    const refs = this.#index.refs;
    const named = this.#named(text);
    if (named) return named;
    const ids = idsMatching(refs, text);
    return ids.length === 1 ? ids[0] : undefined;
  }

  #hasName(text: string): boolean {
    return this.#named(text) !== undefined;
  }

  #named(text: string): string | undefined {
    try {
      const ref = parseReference(text);
      const { tags, digests } = this.#index.refs;
      return ref.digest ? digests[digestKey(ref, ref.digest)] : tags[tagKey(ref)];
    } catch {
      // Not a reference: maybe an id.
      return undefined;
    }
  }

  async #describe(image: StoredImage): Promise<ImageInfo> {
    const config = await this.#config(image.id);
    const refs = this.#index.refs;
    const familiar = (key: string) => familiarString(parseReference(key));
    return {
      id: image.id,
      repoTags: keysOf(refs.tags, image.id).map(familiar).sort(),
      repoDigests: keysOf(refs.digests, image.id).map(familiar).sort(),
      createdAtMs: config.createdAtMs,
      sizeBytes: image.chain.reduce((sum, c) => sum + this.#options.layers.sizeBytes(c), 0),
      architecture: config.architecture,
      os: config.os,
      labels: config.config.Labels ?? {},
      config: config.config,
      layers: config.diffIds,
    };
  }

  async #config(id: string): Promise<ParsedConfig> {
    const known = this.#configs.get(id);
    if (known) return known;
    const config = parseImageConfig(await this.#blobs.read(id));
    this.#configs.set(id, config);
    return config;
  }

  async #removeByName(ref: ImageReference, image: StoredImage, force: boolean) {
    const refs = this.#index.refs;
    const key = ref.digest ? digestKey(ref, ref.digest) : tagKey(ref);
    const otherTags = keysOf(refs.tags, image.id).filter((k) => k !== key);
    if (otherTags.length > 0) {
      await this.#index.replace(withoutKeys(refs, new Set([key])));
      this.#emit('untag', image.id, { name: familiarString(ref) });
      return [{ untagged: familiarString(ref) }];
    }
    const user = this.#usersOf(image.id)[0];
    if (user && !force) {
      const name = familiarString(ref);
      const who = `container ${shortId(user.containerId)} is using its referenced image ${shortId(image.id)}`;
      throw new SwarmtsError(
        'conflict',
        `conflict: unable to remove repository reference "${name}" (must be forced) - ${who}`,
      );
    }
    return this.#delete(image, force);
  }

  async #removeById(image: StoredImage, force: boolean) {
    const tags = keysOf(this.#index.refs.tags, image.id);
    const repositories = new Set(tags.map((t) => t.slice(0, t.lastIndexOf(':'))));
    if (repositories.size > 1 && !force) {
      throw unableToDelete(image.id, 'must be forced', 'image is referenced in multiple repositories');
    }
    return this.#delete(image, force);
  }

  async #delete(image: StoredImage, force: boolean) {
    const users = this.#usersOf(image.id);
    const running = users.find((u) => u.running);
    if (running) {
      const why = `image is being used by running container ${shortId(running.containerId)}`;
      throw unableToDelete(image.id, 'cannot be forced', why);
    }
    if (users[0] && !force) {
      const why = `image is being used by stopped container ${shortId(users[0].containerId)}`;
      throw unableToDelete(image.id, 'must be forced', why);
    }
    const refs = this.#index.refs;
    const keys = [...keysOf(refs.tags, image.id), ...keysOf(refs.digests, image.id)];
    await this.#index.replace(withoutImage(withoutKeys(refs, new Set(keys)), image.id));
    this.#configs.delete(image.id);
    const untagged = keys.map((k) => familiarString(parseReference(k)));
    for (const name of untagged) this.#emit('untag', image.id, { name });
    this.#emit('delete', image.id, { name: image.id });
    const layers = await this.#sweep();
    return [...untagged.map((u) => ({ untagged: u })), { deleted: image.id }, ...layers.map((l) => ({ deleted: l }))];
  }

  #usersOf(imageId: string): ImageUser[] {
    return this.#options.users().filter((u) => u.imageId === imageId);
  }

  /** Resolves to the chain ids of the layers that went. */
  async #sweep(): Promise<string[]> {
    const images = Object.values(this.#index.refs.images);
    const usedBlobs = new Set(images.flatMap((i) => [i.id, i.manifest, ...i.layers.map((l) => l.digest)]));
    const usedLayers = new Set([...images.flatMap((i) => i.chain), ...this.#options.users().flatMap((u) => u.chain)]);
    for (const blob of await this.#blobs.list()) {
      if (!usedBlobs.has(blob) && !this.#holds.has(blob)) await this.#blobs.remove(blob);
    }
    const garbage = this.#options.layers.list().filter((l) => !usedLayers.has(l) && !this.#holds.has(l));
    for (const layer of garbage) await this.#options.layers.remove(layer);
    return garbage;
  }

  /** Runs `work` with a way to keep content from the garbage collector until it is over. */
  async #holding<T>(work: (hold: (names: readonly string[]) => void) => Promise<T>): Promise<T> {
    const mine: string[] = [];
    try {
      return await work((names) => {
        mine.push(...names);
        for (const n of names) this.#holds.set(n, (this.#holds.get(n) ?? 0) + 1);
      });
    } finally {
      for (const n of mine) {
        const left = (this.#holds.get(n) ?? 1) - 1;
        if (left > 0) this.#holds.set(n, left);
        else this.#holds.delete(n);
      }
    }
  }

  #change<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(work);
    this.#tail = result.catch(() => undefined);
    return result;
  }

  #emit(action: string, id: string, attributes: Readonly<Record<string, string>>): void {
    this.#options.emit({ type: 'image', action, id, attributes, timeMs: this.#options.clock.now() });
  }
}

export function imagesRoot(dataRoot: string): string {
  return join(dataRoot, 'images');
}

function noSuchImage(ref: string): SwarmtsError {
  return new SwarmtsError('image-not-found', `No such image: ${ref}`);
}

function unableToDelete(id: string, how: string, why: string): SwarmtsError {
  return new SwarmtsError('conflict', `conflict: unable to delete ${shortId(id)} (${how}) - ${why}`);
}
