/** Loads an image archive into the store: spools it to disk, has a child take it apart, then stores what it contains. */
import { link, mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import type { LayerStore } from '../snapshots/layer-store.js';
import { readUnpackReport } from '../snapshots/unpack-report.js';
import { type ArchiveEntry, type ArchiveImage, type ReadEntry, readArchive } from './archive-contents.js';
import { asStorageError, type BlobStore } from './blob-store.js';
import type { StoredImage } from './image-index.js';
import { chainIds, type Platform, platformName, sha256Digest } from './manifest.js';
import { platformMismatch } from './platform-match.js';
import { abortError, throwIfAborted } from './shared-jobs.js';

const ARCHIVE_MAIN = fileURLToPath(new URL('./archive-main.js', import.meta.url));

export interface LoaderOptions {
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  readonly helper: HelperApi;
  readonly platform: Platform;
  /** What is loaded of an archive; none: everything, and of what has several the node's own. */
  readonly wanted: readonly Platform[];
  readonly now: () => number;
  readonly hold: (names: readonly string[]) => void;
}

export interface LoadedImage {
  readonly image: StoredImage;
  readonly references: readonly string[];
}

export async function loadArchive(
  archive: AsyncIterable<Uint8Array>,
  options: LoaderOptions,
  signal?: AbortSignal,
): Promise<LoadedImage[]> {
  const scratch = options.blobs.tmpPath();
  try {
    await mkdir(scratch, { mode: 0o700 });
    const file = join(scratch, 'archive');
    await spool(archive, file, signal);
    const directory = join(scratch, 'entries');
    const result = await options.helper.run({ argv: [process.execPath, ARCHIVE_MAIN, file, directory] }, signal);
    if (signal?.aborted) throw abortError(signal);
    readUnpackReport(result.stdout, 'cannot load the image archive');
    // Our own child wrote it.
    const entries = JSON.parse(await readFile(join(directory, 'entries.json'), 'utf8')) as ArchiveEntry[];
    const images = await wantedImages(entries, (f) => readFile(join(directory, f.file)), options);
    const loaded: LoadedImage[] = [];
    for (const image of images) loaded.push(await storeImage(image, directory, options, signal));
    return loaded;
  } catch (e) {
    throw asStorageError(e);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function wantedImages(
  entries: readonly ArchiveEntry[],
  read: ReadEntry,
  { platform, wanted }: LoaderOptions,
): Promise<readonly ArchiveImage[]> {
  if (wanted.length === 0) return readArchive(entries, read, platform);
  const found = new Map<string, ArchiveImage>();
  for (const p of wanted) {
    const fitting = (await readArchive(entries, read, p)).filter((i) => !platformMismatch('', p, i.config));
    if (fitting.length === 0) {
      throw new SwarmtsError('not-found', `the archive has no image for the platform ${platformName(p)}`);
    }
    for (const image of fitting) found.set(sha256Digest(image.configData), image);
  }
  return [...found.values()];
}

async function spool(archive: AsyncIterable<Uint8Array>, path: string, signal: AbortSignal | undefined): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of archive) {
      throwIfAborted(signal);
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
}

async function storeImage(
  image: ArchiveImage,
  directory: string,
  options: LoaderOptions,
  signal: AbortSignal | undefined,
): Promise<LoadedImage> {
  if (image.config.os !== 'linux') {
    throw new SwarmtsError(
      'unsupported',
      `image operating system "${image.config.os}" cannot be used on this platform`,
    );
  }
  const id = sha256Digest(image.configData);
  const manifest = sha256Digest(image.manifestData);
  const chain = chainIds(image.config.diffIds);
  options.hold([id, manifest, ...chain, ...image.layers.map((l) => l.file.digest)]);
  for (const l of image.layers) await adopt(join(directory, l.file.file), options.blobs.path(l.file.digest));
  for (const [i, l] of image.layers.entries()) {
    const source = {
      chainId: chain[i] ?? '',
      diffId: image.config.diffIds[i] ?? '',
      blob: options.blobs.path(l.file.digest),
    };
    await options.layers.ensure(source, signal);
  }
  await options.blobs.put(id, image.configData);
  await options.blobs.put(manifest, image.manifestData);
  const layers = image.layers.map((l) => ({ mediaType: l.mediaType, digest: l.file.digest, size: l.file.size }));
  return { image: { id, manifest, layers, chain, storedAtMs: options.now() }, references: image.references };
}

/** The child has verified the digest while it wrote the file; a second image in the archive may name the same layer. */
async function adopt(from: string, to: string): Promise<void> {
  const file = await open(from, 'r+');
  try {
    await file.datasync();
  } finally {
    await file.close();
  }
  try {
    await link(from, to);
  } catch (e) {
    if (errnoOf(e) !== 'EEXIST') throw e;
  }
}
