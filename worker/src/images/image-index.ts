/**
 * The names of the local images: `refs.json`, written atomically. It maps tags and digests to image ids and keeps for
 * each image what it is made of. A blob or layer that no image here names is garbage.
 */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readFileIfThere, SwarmtsError, sweepUnfinished, writeFileAtomic } from '@swarmts/lib';
import type { Descriptor } from './manifest.js';

export interface StoredImage {
  /** Digest of the image config, which is the image's id. */
  readonly id: string;
  /** Digest of the manifest it was pulled or loaded with. */
  readonly manifest: string;
  readonly layers: readonly Pick<Descriptor, 'mediaType' | 'digest' | 'size'>[];
  /** Chain ids, bottom first. */
  readonly chain: readonly string[];
  readonly storedAtMs: number;
  /** The image that this one was made from, when a build or a commit on this node has made it. */
  readonly parent?: string;
  /** What the build step that made it depended on. */
  readonly cacheKey?: string;
  readonly taggedAtMs?: number;
}

export interface ImageRefs {
  readonly images: Readonly<Record<string, StoredImage>>;
  /** "docker.io/library/busybox:latest" -> image id. */
  readonly tags: Readonly<Record<string, string>>;
  /** "docker.io/library/busybox@sha256:..." -> image id. */
  readonly digests: Readonly<Record<string, string>>;
}

const FORMAT = 1;
const EMPTY: ImageRefs = { images: {}, tags: {}, digests: {} };

export class ImageIndexFile {
  readonly #path: string;
  #refs: ImageRefs;

  private constructor(path: string, refs: ImageRefs) {
    this.#path = path;
    this.#refs = refs;
  }

  static async open(root: string): Promise<ImageIndexFile> {
    sweepUnfinished(root);
    const path = join(root, 'refs.json');
    const text = await readFileIfThere(path);
    return new ImageIndexFile(path, text === undefined ? EMPTY : parseRefs(text, path));
  }

  get refs(): ImageRefs {
    return this.#refs;
  }

  /** Memory follows the disk: a change that could not be written did not happen. */
  async replace(refs: ImageRefs): Promise<void> {
    // Every start of a task asks for its image again, and mostly finds it as it was.
    if (isDeepStrictEqual(refs, this.#refs)) return;
    await writeFileAtomic(this.#path, `${JSON.stringify({ format: FORMAT, ...refs }, null, 1)}\n`);
    this.#refs = refs;
  }
}

function parseRefs(text: string, path: string): ImageRefs {
  let doc: Partial<ImageRefs> & { format?: number };
  try {
    // Written by this class alone; the format number guards against a newer release's file.
    doc = JSON.parse(text) as typeof doc;
  } catch (e) {
    throw new SwarmtsError('corrupt', `${path} is damaged; move it away to start with an empty image store`, {
      cause: e,
    });
  }
  if (doc.format !== FORMAT) throw new SwarmtsError('corrupt', `${path} has the unknown format ${doc.format}`);
  return { images: doc.images ?? {}, tags: doc.tags ?? {}, digests: doc.digests ?? {} };
}

/** Ids matching `sha256:<hex>` or a hexadecimal prefix. */
export function idsMatching(refs: ImageRefs, text: string): string[] {
  const hex = text.startsWith('sha256:') ? text.slice('sha256:'.length) : text;
  if (!/^[0-9a-f]{1,64}$/.test(hex)) return [];
  return Object.keys(refs.images).filter((id) => id.startsWith(`sha256:${hex}`));
}

export function withImage(refs: ImageRefs, image: StoredImage): ImageRefs {
  return { ...refs, images: { ...refs.images, [image.id]: refs.images[image.id] ?? image } };
}

/** `nowMs` is remembered as the time of the image's last tag; a tag that stays where it is keeps the old one. */
export function withTag(refs: ImageRefs, key: string, id: string, nowMs?: number): ImageRefs {
  const image = refs.images[id];
  const isNew = nowMs !== undefined && image && refs.tags[key] !== id;
  const images = isNew ? { ...refs.images, [id]: { ...image, taggedAtMs: nowMs } } : refs.images;
  return { ...refs, images, tags: { ...refs.tags, [key]: id } };
}

export function withDigest(refs: ImageRefs, key: string, id: string): ImageRefs {
  return { ...refs, digests: { ...refs.digests, [key]: id } };
}

export function withoutKeys(refs: ImageRefs, keys: ReadonlySet<string>): ImageRefs {
  const keep = (names: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(names).filter(([k]) => !keys.has(k)));
  return { ...refs, tags: keep(refs.tags), digests: keep(refs.digests) };
}

export function withoutImages(refs: ImageRefs, ids: ReadonlySet<string>): ImageRefs {
  const images = Object.fromEntries(Object.entries(refs.images).filter(([k]) => !ids.has(k)));
  return { ...refs, images };
}

/** What belongs to an image, looked up in one go: there may be thousands of images. */
export class ImageRelations {
  /** The index that this is of. */
  readonly refs: ImageRefs;
  readonly #tags = new Map<string, string[]>();
  readonly #digests = new Map<string, string[]>();
  readonly #children = new Map<string, StoredImage[]>();

  constructor(refs: ImageRefs) {
    this.refs = refs;
    for (const [key, id] of Object.entries(refs.tags)) add(this.#tags, id, key);
    for (const [key, id] of Object.entries(refs.digests)) add(this.#digests, id, key);
    for (const image of Object.values(refs.images)) if (image.parent) add(this.#children, image.parent, image);
  }

  /** Keys, "docker.io/library/busybox:latest". */
  tagsOf(id: string): readonly string[] {
    return this.#tags.get(id) ?? [];
  }

  /** Keys, "docker.io/library/busybox@sha256:...". */
  digestsOf(id: string): readonly string[] {
    return this.#digests.get(id) ?? [];
  }

  childrenOf(id: string): readonly StoredImage[] {
    return this.#children.get(id) ?? [];
  }
}

function add<T>(lists: Map<string, T[]>, key: string, value: T): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}
