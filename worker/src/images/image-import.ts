/** `docker import`: an archive of a file system becomes an image of one layer. */
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { SwarmtsError } from '@swarmts/lib';
import { parseReference } from '@swarmts/proto';
import { asStorageError } from './blob-store.js';
import type { ImportOptions } from './image-api.js';
import { createImage, layerFrom } from './image-creation.js';
import type { ImageStore } from './image-store.js';
import { hostPlatform } from './manifest.js';
import { abortError } from './shared-jobs.js';

export async function importArchive(
  store: ImageStore,
  archive: AsyncIterable<Uint8Array>,
  options: ImportOptions,
): Promise<string> {
  const ref = options.name === '' ? undefined : parseReference(options.name);
  const { platform: wanted } = options;
  if (wanted && wanted.os !== hostPlatform().os)
    throw new SwarmtsError('invalid-argument', `operating system is not supported: ${wanted.os}`);
  if (ref?.digest) throw new SwarmtsError('invalid-argument', 'cannot import digest reference');
  const source = store.blobs.tmpPath();
  return store.holding(async (hold) => {
    try {
      await spool(archive, source, options.signal);
      const layer = await layerFrom(store, { kind: 'plain', source }, hold, options.signal);
      const { config, message: comment, platform } = options;
      const image = { layer, config, comment, createdBy: '', ...(platform ? { platform } : {}) };
      const stored = await createImage(store, image, ref ? [ref] : [], hold, options.signal);
      store.emit('import', stored.id, { name: stored.id });
      return stored.id;
    } finally {
      await rm(source, { force: true });
    }
  });
}

/** A body that comes over the network, written down. */
export async function spool(archive: AsyncIterable<Uint8Array>, path: string, signal?: AbortSignal): Promise<void> {
  try {
    await pipeline(
      Readable.from(archive, { objectMode: false }),
      createWriteStream(path, { flags: 'wx', mode: 0o600 }),
      {
        ...(signal ? { signal } : {}),
      },
    );
  } catch (e) {
    if (signal?.aborted) throw abortError(signal);
    throw asStorageError(e);
  }
}
