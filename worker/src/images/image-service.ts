/** The node's images: every verb on them, over one store. */

import { join } from 'node:path';
import { SwarmtsError } from '@swarmts/lib';
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
import { loadArchive } from './archive-loader.js';
import { saveArchive } from './archive-saver.js';
import type {
  ImageDiskUsage,
  ImageEngine,
  ImageInfo,
  ImageResolution,
  ImportOptions,
  PullOptions,
  RegistryAuth,
  TransferOptions,
} from './image-api.js';
import { tagAll } from './image-creation.js';
import { type HistoryLine, historyOf } from './image-history.js';
import { importArchive } from './image-import.js';
import { withDigest, withImage, withTag } from './image-index.js';
import { type Pruned, type PruneOptions, pruneImages } from './image-prune.js';
import { finalStatus, pullImage } from './image-puller.js';
import { pushImages } from './image-pusher.js';
import { type RemovedItem, removeImage } from './image-removal.js';
import { type ImageServiceOptions, ImageStore, noSuchImage } from './image-store.js';
import { LayerDownloads } from './layer-downloads.js';
import type { Platform } from './manifest.js';
import { platformMismatch } from './platform-match.js';
import { RepositoryClient } from './registry-client.js';
import { checkLogin } from './registry-login.js';
import { resolveImage } from './resolve-image.js';

export type { ImageServiceOptions, ImageUser } from './image-store.js';

export class ImageService implements ImageEngine {
  readonly store: ImageStore;
  readonly #downloads: LayerDownloads;

  private constructor(store: ImageStore) {
    this.store = store;
    const { clock, random, logger, transfers = {} } = store.options;
    const { blobs } = store;
    this.#downloads = new LayerDownloads({ blobs, clock, random, logger, ...transfers });
  }

  static async open(options: ImageServiceOptions): Promise<ImageService> {
    return new ImageService(await ImageStore.open(options));
  }

  get count(): number {
    return Object.keys(this.store.refs.images).length;
  }

  async pull(ref: string, options: PullOptions): Promise<string> {
    const parsed = parseReference(ref);
    const { id, fresh } = await this.#take(parsed, options);
    options.onProgress?.({ status: finalStatus(familiarString(parsed), fresh) });
    await this.#warnOfPlatform(familiarName(parsed), id, options);
    return id;
  }

  /** `fresh`: the image, or its name, was not here before. */
  async #take(parsed: ImageReference, options: PullOptions): Promise<{ readonly id: string; readonly fresh: boolean }> {
    const { store } = this;
    const { layers, platform, clock, logger, registry } = store.options;
    const onProgress = options.onProgress ?? (() => undefined);
    return store.holding(async (hold) => {
      const { image, digest } = await pullImage(
        { ref: parsed, auth: options.auth, onProgress, signal: options.signal },
        {
          blobs: store.blobs,
          downloads: this.#downloads,
          layers,
          platform: options.platform ?? platform,
          registry: { ...registry, logger },
          now: () => clock.now(),
          isWhole: (id) => store.refs.images[id] !== undefined,
          hold,
        },
      );
      const fresh = await store.change(async () => {
        const before = store.refs;
        const byDigest = withDigest(withImage(before, image), digestKey(parsed, digest), image.id);
        await store.replace(parsed.digest ? byDigest : withTag(byDigest, tagKey(parsed), image.id, clock.now()));
        return before.images[image.id] === undefined || (!parsed.digest && before.tags[tagKey(parsed)] !== image.id);
      });
      store.emit('pull', familiarString(parsed), { name: familiarString(parsed) });
      return { id: image.id, fresh };
    });
  }

  /** An image of one platform only is taken whatever it is for. */
  async #warnOfPlatform(ref: string, id: string, { platform, onProgress }: PullOptions): Promise<void> {
    const mismatch = platform && platformMismatch(ref, platform, await this.store.config(id));
    if (mismatch) onProgress?.({ status: `WARNING: ${mismatch}` });
  }

  async pullAll(repository: string, options: PullOptions): Promise<readonly string[]> {
    const ref = parseReference(repository);
    if (!isNameOnly(repository)) throw new SwarmtsError('invalid-argument', "tag can't be used with --all-tags/-a");
    const { registry, logger } = this.store.options;
    const client = new RepositoryClient(ref, options.auth, { ...registry, logger });
    let tags: readonly string[];
    try {
      tags = await client.tags(options.signal);
    } finally {
      client.close();
    }
    const taken: { readonly id: string; readonly fresh: boolean }[] = [];
    for (const tag of tags) taken.push(await this.#take(parseReference(`${repositoryOf(ref)}:${tag}`), options));
    const fresh = taken.some((t) => t.fresh);
    options.onProgress?.({ status: finalStatus(familiarName(ref), fresh) });
    return taken.map((t) => t.id);
  }

  async push(ref: string, options: TransferOptions & { readonly all?: boolean }): Promise<void> {
    await pushImages(this.store, ref, options);
  }

  async login(auth: RegistryAuth, signal?: AbortSignal): Promise<string> {
    const { registry, logger } = this.store.options;
    return checkLogin(auth, { ...registry, logger }, signal);
  }

  async load(
    archive: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    wanted: readonly Platform[] = [],
  ): Promise<readonly string[]> {
    const { store } = this;
    const { layers, helper, platform, clock } = store.options;
    return store.holding(async (hold) => {
      const now = () => clock.now();
      const options = { blobs: store.blobs, layers, helper, platform, wanted, now, hold };
      const loaded = await loadArchive(archive, options, signal);
      const names: string[] = [];
      await store.change(async () => {
        let refs = store.refs;
        for (const { image, references } of loaded) {
          refs = withImage(refs, image);
          for (const r of references) refs = withTag(refs, tagKey(parseReference(r)), image.id, now());
          names.push(
            ...(references.length > 0 ? references.map((r) => familiarString(parseReference(r))) : [image.id]),
          );
        }
        await store.replace(refs);
      });
      for (const { image } of loaded) store.emit('load', image.id, { name: image.id });
      return names;
    });
  }

  async *save(refs: readonly string[], signal?: AbortSignal): AsyncGenerator<Uint8Array> {
    yield* saveArchive(this.store, refs, signal);
  }

  async importArchive(archive: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<string> {
    return importArchive(this.store, archive, options);
  }

  async tag(source: string, target: string): Promise<void> {
    const ref = parseReference(target);
    if (ref.digest) throw new SwarmtsError('invalid-argument', 'refusing to create a tag with a digest reference');
    if (familiarName(ref) === 'sha256') {
      const why = 'refusing to create an ambiguous tag using digest algorithm as name';
      throw new SwarmtsError('invalid-argument', why);
    }
    await this.store.change(async () => {
      const id = this.store.resolve(source);
      if (!id) throw noSuchImage(source);
      await tagAll(this.store, id, [ref]);
    });
  }

  async resolve(
    ref: string,
    options: { readonly auth?: RegistryAuth; readonly signal?: AbortSignal },
  ): Promise<ImageResolution> {
    const { registry, logger } = this.store.options;
    return resolveImage(parseReference(ref), options.auth, { ...registry, logger }, options.signal);
  }

  async list(): Promise<readonly ImageInfo[]> {
    const infos = await Promise.all(Object.values(this.store.refs.images).map((i) => this.store.describe(i)));
    return infos.sort((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1));
  }

  diskUsage(): ImageDiskUsage {
    const { layers } = this.store.options;
    const images = Object.values(this.store.refs.images);
    const users = new Map<string, number>();
    // Images that a build has made on the way belong to the one that came out of it.
    const whole = images.filter((i) => this.store.childrenOf(i.id).length === 0 || this.store.tagsOf(i.id).length > 0);
    for (const layer of whole.flatMap((i) => i.chain)) users.set(layer, (users.get(layer) ?? 0) + 1);
    const sum = (list: readonly string[]) => list.reduce((bytes, l) => bytes + layers.sizeBytes(l), 0);
    const shared = images.map((i) => [i.id, sum(i.chain.filter((l) => (users.get(l) ?? 0) > 1))] as const);
    return { layersBytes: sum(layers.list()), sharedBytes: new Map(shared) };
  }

  async find(ref: string): Promise<ImageInfo | undefined> {
    const id = this.store.resolve(ref);
    const image = id === undefined ? undefined : this.store.refs.images[id];
    return image && this.store.describe(image);
  }

  async history(ref: string): Promise<readonly HistoryLine[]> {
    return historyOf(this.store, ref);
  }

  /** Chain ids of an image's layers, bottom first. */
  chainOf(imageId: string): readonly string[] {
    return this.store.refs.images[imageId]?.chain ?? [];
  }

  async remove(ref: string, force: boolean, prune = true): Promise<readonly RemovedItem[]> {
    return this.store.change(() => removeImage(this.store, ref, { force, prune }));
  }

  async prune(options: PruneOptions): Promise<Pruned> {
    return this.store.change(() => pruneImages(this.store, options));
  }

  /** Removes every blob and layer that nothing refers to. */
  async collectGarbage(): Promise<void> {
    await this.store.change(() => this.store.sweep());
  }
}

/** As Docker names what is not there: with the tag that was meant. */
export function imagesRoot(dataRoot: string): string {
  return join(dataRoot, 'images');
}
