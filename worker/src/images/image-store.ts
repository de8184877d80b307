/**
 * What every verb on images works on: blobs, unpacked layers, names. It decides when blobs and layers are garbage: when no
 * image names them, no container stands on them, and no running operation holds them. Changes of the index and garbage
 * collections happen one after the other.
 */
import { type Clock, type Logger, type Random, SerialLock, SwarmtsError } from '@swarmts/lib';
import { digestKey, familiarString, parseReference, tagKey } from '@swarmts/proto';
import type { EngineEvent } from '../engine/engine-api.js';
import type { HelperApi } from '../helper/helper-api.js';
import type { LayerStore } from '../snapshots/layer-store.js';
import { BlobStore } from './blob-store.js';
import type { ImageInfo } from './image-api.js';
import { ImageIndexFile, type ImageRefs, ImageRelations, idsMatching, type StoredImage } from './image-index.js';
import { type ParsedConfig, type Platform, parseImageConfig } from './manifest.js';
import type { RegistrySettings } from './registry-endpoints.js';

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
  readonly registry: RegistrySettings;
  readonly transfers?: TransferLimits;
  /** The containers that use images. */
  readonly users: () => readonly ImageUser[];
  readonly emit: (e: EngineEvent) => void;
}

/** Of downloads and uploads; Docker's defaults where left out. */
export interface TransferLimits {
  readonly maxConcurrentDownloads?: number;
  readonly maxConcurrentUploads?: number;
  /** Tries of one download. */
  readonly maxDownloadAttempts?: number;
}

/** Keeps content from the garbage collector until the operation is over. */
export type Hold = (names: readonly string[]) => void;

export class ImageStore {
  readonly options: ImageServiceOptions;
  readonly blobs: BlobStore;
  readonly #index: ImageIndexFile;
  #related: ImageRelations | undefined;
  readonly #configs = new Map<string, ParsedConfig>();
  /** A name in a running operation, with how many of them hold it. */
  readonly #holds = new Map<string, number>();
  readonly #lock = new SerialLock();

  private constructor(options: ImageServiceOptions, blobs: BlobStore, index: ImageIndexFile) {
    this.options = options;
    this.blobs = blobs;
    this.#index = index;
  }

  static async open(options: ImageServiceOptions): Promise<ImageStore> {
    const blobs = await BlobStore.open(options.root);
    return new ImageStore(options, blobs, await ImageIndexFile.open(options.root));
  }

  get refs(): ImageRefs {
    return this.#index.refs;
  }

  /** Only inside of `change`. */
  async replace(refs: ImageRefs): Promise<void> {
    await this.#index.replace(refs);
  }

  /** The id that a reference, an id or a unique prefix of one stands for. */
  resolve(text: string): string | undefined {
    const named = this.named(text);
    if (named) return named;
    const ids = idsMatching(this.refs, text);
    return ids.length === 1 ? ids[0] : undefined;
  }

  /** The id that a reference stands for. */
  named(text: string): string | undefined {
    try {
      const ref = parseReference(text);
      const { tags, digests } = this.refs;
      return ref.digest ? digests[digestKey(ref, ref.digest)] : tags[tagKey(ref)];
    } catch {
      // Not a reference: maybe an id.
      return undefined;
    }
  }

  image(text: string): StoredImage {
    const id = this.resolve(text);
    const image = id === undefined ? undefined : this.refs.images[id];
    if (!image) throw noSuchImage(text);
    return image;
  }

  /** Images that were made from this one, by a build or a commit. */
  childrenOf(id: string): readonly StoredImage[] {
    return this.#relations().childrenOf(id);
  }

  /** Keys of the index. */
  tagsOf(id: string): readonly string[] {
    return this.#relations().tagsOf(id);
  }

  /** Keys of tags, then of digests. */
  referencesOf(id: string): readonly string[] {
    const relations = this.#relations();
    return [...relations.tagsOf(id), ...relations.digestsOf(id)];
  }

  #relations(): ImageRelations {
    // Every change makes another index.
    if (this.#related?.refs !== this.refs) this.#related = new ImageRelations(this.refs);
    return this.#related;
  }

  usersOf(imageId: string): ImageUser[] {
    return this.options.users().filter((u) => u.imageId === imageId);
  }

  sizeOf(image: StoredImage): number {
    return image.chain.reduce((sum, c) => sum + this.options.layers.sizeBytes(c), 0);
  }

  async describe(image: StoredImage): Promise<ImageInfo> {
    const config = await this.config(image.id);
    const familiar = (key: string) => familiarString(parseReference(key));
    return {
      id: image.id,
      repoTags: this.tagsOf(image.id).map(familiar).sort(),
      repoDigests: this.#relations().digestsOf(image.id).map(familiar).sort(),
      createdAtMs: config.createdAtMs,
      created: config.created,
      sizeBytes: this.sizeOf(image),
      architecture: config.architecture,
      ...(config.variant ? { variant: config.variant } : {}),
      os: config.os,
      labels: config.config.Labels ?? {},
      config: config.config,
      layers: config.diffIds,
      parent: image.parent ?? '',
      hasChildren: this.childrenOf(image.id).length > 0,
      author: config.author,
      comment: config.comment,
      taggedAtMs: image.taggedAtMs ?? 0,
      directories: this.options.layers.directories(image.chain),
    };
  }

  async config(id: string): Promise<ParsedConfig> {
    const known = this.#configs.get(id);
    if (known) return known;
    const config = parseImageConfig(await this.blobs.read(id));
    this.#configs.set(id, config);
    return config;
  }

  forget(id: string): void {
    this.#configs.delete(id);
  }

  /** Removes every blob and layer that nothing refers to; resolves to the chain ids of the layers that went. Only inside of `change`. */
  async sweep(): Promise<{ readonly chainId: string; readonly sizeBytes: number }[]> {
    const { layers, users } = this.options;
    const images = Object.values(this.refs.images);
    const usedBlobs = new Set(images.flatMap((i) => [i.id, i.manifest, ...i.layers.map((l) => l.digest)]));
    const ofImages = new Set(images.flatMap((i) => i.chain));
    // Asked anew for each layer: while one is removed, somebody may begin to use the next.
    const isUsed = (layer: string) =>
      ofImages.has(layer) || this.#holds.has(layer) || users().some((u) => u.chain.includes(layer));
    for (const blob of await this.blobs.list()) {
      if (!usedBlobs.has(blob) && !this.#holds.has(blob)) await this.blobs.remove(blob);
    }
    const gone: { readonly chainId: string; readonly sizeBytes: number }[] = [];
    const used = new Set(users().flatMap((u) => u.chain));
    for (const chainId of layers.list().filter((l) => !used.has(l))) {
      if (isUsed(chainId)) continue;
      gone.push({ chainId, sizeBytes: layers.sizeBytes(chainId) });
      await layers.remove(chainId);
    }
    return gone;
  }

  /** A running operation, such as a build, stands on it. */
  isHeld(name: string): boolean {
    return this.#holds.has(name);
  }

  async holding<T>(work: (hold: Hold) => Promise<T>): Promise<T> {
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

  change<T>(work: () => Promise<T>): Promise<T> {
    return this.#lock.run(work);
  }

  emit(action: string, id: string, attributes: Readonly<Record<string, string>>): void {
    this.options.emit({ type: 'image', action, id, attributes, timeMs: this.options.clock.now() });
  }
}

/** Docker names the tag that was looked for; what is no name, such as an id, stays as it is. */
export function noSuchImage(ref: string, cause?: unknown): SwarmtsError {
  return new SwarmtsError('image-not-found', `No such image: ${tagged(ref)}`, { cause });
}

function tagged(ref: string): string {
  try {
    return familiarString(parseReference(ref));
  } catch {
    return ref;
  }
}
