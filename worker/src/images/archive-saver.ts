/**
 * `docker save`: an OCI layout with the `manifest.json` of docker archives beside it, so that every loader finds what it
 * knows. Blobs are sent as they are stored: nothing is hashed or compressed, which is why this may run in the daemon.
 */
import { createReadStream } from 'node:fs';
import { SwarmtsError } from '@swarmts/lib';
import { familiarString, isNameOnly, parseReference, repositoryOf, tagKey } from '@swarmts/proto';
import { TarWriter } from '../snapshots/tar-writer.js';
import type { StoredImage } from './image-index.js';
import { type Hold, type ImageStore, noSuchImage } from './image-store.js';
import { mediaTypes } from './manifest.js';

interface SavedImage {
  readonly image: StoredImage;
  /** "busybox:latest" */
  readonly names: string[];
}

const READ_BYTES = 1 << 20;

export async function* saveArchive(
  store: ImageStore,
  refs: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  // Everything is looked up before the first byte: an error is still an error reply then.
  const images = chooseImages(store, refs);
  const release = holdAll(store, images);
  try {
    yield* archiveOf(store, images, signal);
    for (const { image } of images) store.emit('save', image.id, { name: image.id });
  } finally {
    release();
  }
}

function chooseImages(store: ImageStore, refs: readonly string[]): SavedImage[] {
  const chosen = new Map<string, SavedImage>();
  const add = (text: string, id: string, name?: string) => {
    const image = store.refs.images[id];
    if (!image) throw noSuchImage(text);
    const saved = chosen.get(id) ?? { image, names: [] };
    chosen.set(id, saved);
    if (name !== undefined && !saved.names.includes(name)) saved.names.push(name);
  };
  for (const text of refs) {
    const keys = keysNamed(store, text);
    for (const key of keys) add(text, store.refs.tags[key] ?? '', familiarString(parseReference(key)));
    if (keys.length === 0) add(text, store.resolve(text) ?? '');
  }
  return [...chosen.values()];
}

/** A name without a tag stands for all tags of its repository. */
function keysNamed(store: ImageStore, text: string): string[] {
  let ref: ReturnType<typeof parseReference>;
  try {
    ref = parseReference(text);
  } catch {
    return [];
  }
  if (ref.digest) return [];
  const prefix = `${repositoryOf(ref)}:`;
  if (isNameOnly(text)) return Object.keys(store.refs.tags).filter((k) => k.startsWith(prefix));
  return store.refs.tags[tagKey(ref)] ? [tagKey(ref)] : [];
}

/** Keeps the blobs while they are sent; the reader may be slow. */
function holdAll(store: ImageStore, images: readonly SavedImage[]): () => void {
  let release = () => {};
  const sent = new Promise<void>((resolve) => {
    release = resolve;
  });
  const names = images.flatMap(({ image }) => blobsOf(image));
  void store.holding(async (hold: Hold) => {
    hold(names);
    await sent;
  });
  return release;
}

function blobsOf(image: StoredImage): string[] {
  return [image.id, image.manifest, ...image.layers.map((l) => l.digest)];
}

async function* archiveOf(
  store: ImageStore,
  images: readonly SavedImage[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  let out: Buffer[] = [];
  const tar = new TarWriter((chunk) => out.push(Buffer.from(chunk)));
  const taken = () => {
    const chunk = Buffer.concat(out);
    out = [];
    return chunk;
  };
  for (const name of ['blobs', 'blobs/sha256']) tar.entry({ name, type: 'directory', mode: 0o755 });
  for (const digest of new Set(images.flatMap(({ image }) => blobsOf(image)))) {
    const size = await store.blobs.size(digest);
    if (size === undefined) throw new SwarmtsError('corrupt', `blob ${digest} is missing from the image store`);
    tar.entry({ name: blobName(digest), type: 'file', size, mode: 0o444 });
    for await (const chunk of createReadStream(store.blobs.path(digest), { highWaterMark: READ_BYTES, signal })) {
      tar.body(chunk);
      yield taken();
    }
  }
  for (const [name, value] of await documents(store, images)) {
    const data = Buffer.from(JSON.stringify(value));
    tar.entry({ name, type: 'file', size: data.length, mode: 0o444 });
    tar.body(data);
  }
  tar.finish();
  yield taken();
}

async function documents(store: ImageStore, images: readonly SavedImage[]): Promise<[string, unknown][]> {
  const manifests = [];
  for (const { image, names } of images) {
    const size = (await store.blobs.size(image.manifest)) ?? 0;
    const base = { mediaType: await manifestType(store, image), digest: image.manifest, size };
    if (names.length === 0) manifests.push(base);
    for (const name of names) {
      const key = tagKey(parseReference(name));
      const annotations = {
        'io.containerd.image.name': key,
        'org.opencontainers.image.ref.name': key.slice(key.lastIndexOf(':') + 1),
      };
      manifests.push({ ...base, annotations });
    }
  }
  const docker = images.map(({ image, names }) => ({
    Config: blobName(image.id),
    RepoTags: names.length > 0 ? names : null,
    Layers: image.layers.map((l) => blobName(l.digest)),
  }));
  return [
    ['index.json', { schemaVersion: 2, mediaType: mediaTypes.ociIndex, manifests }],
    ['manifest.json', docker],
    ['repositories', repositoriesOf(images)],
    ['oci-layout', { imageLayoutVersion: '1.0.0' }],
  ];
}

/** What the first loaders read: names, their tags, and the topmost layer of each. */
function repositoriesOf(images: readonly SavedImage[]): Record<string, Record<string, string>> {
  const out: Record<string, Record<string, string>> = {};
  for (const { image, names } of images) {
    const top = image.layers.at(-1)?.digest.replace(/^sha256:/, '');
    if (top === undefined) continue;
    for (const name of names) {
      const at = name.lastIndexOf(':');
      out[name.slice(0, at)] = { ...out[name.slice(0, at)], [name.slice(at + 1)]: top };
    }
  }
  return out;
}

async function manifestType(store: ImageStore, image: StoredImage): Promise<string> {
  // It was parsed when it was stored.
  const doc = JSON.parse((await store.blobs.read(image.manifest)).toString('utf8')) as { mediaType?: string };
  return doc.mediaType ?? mediaTypes.ociManifest;
}

function blobName(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}
