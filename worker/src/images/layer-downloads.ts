/**
 * Fetches blobs into the store: at most a few at once over all pulls, the same digest only once at a time, resumed after
 * a broken connection, and stored only when size and digest are what the manifest promised.
 */
import { type Clock, errnoOf, type Logger, type Random, SwarmtsError } from '@swarmts/lib';
import type { BlobIngest, BlobStore } from './blob-store.js';
import type { Descriptor } from './manifest.js';
import type { RepositoryClient } from './registry-client.js';
import { SharedJobs, Slots, throwIfAborted } from './shared-jobs.js';
import { retrying } from './transfer-retry.js';

export interface DownloadProgress {
  readonly phase: 'waiting' | 'downloading' | 'verifying' | 'complete';
  readonly current: number;
  readonly total: number;
}

/** Docker's default for --max-concurrent-downloads. */
export const MAX_CONCURRENT_DOWNLOADS = 3;
/** Progress is reported once per this many bytes, so that a fast network does not flood the listener. */
const PROGRESS_STEP_BYTES = 1 << 20;

export interface LayerDownloadsOptions {
  readonly blobs: BlobStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly maxConcurrentDownloads?: number;
  readonly maxDownloadAttempts?: number;
}

export class LayerDownloads {
  readonly #options: LayerDownloadsOptions;
  readonly #jobs = new SharedJobs<void, DownloadProgress>();
  readonly #slots: Slots;

  constructor(options: LayerDownloadsOptions) {
    this.#options = options;
    this.#slots = new Slots(options.maxConcurrentDownloads ?? MAX_CONCURRENT_DOWNLOADS);
  }

  /** Resolves when the blob is in the store. */
  async fetch(
    client: RepositoryClient,
    blob: Descriptor,
    options: { signal?: AbortSignal | undefined; onProgress?: ((p: DownloadProgress) => void) | undefined } = {},
  ): Promise<void> {
    if (await this.#options.blobs.has(blob.digest)) return;
    let mine = false;
    const start = (signal: AbortSignal, report: (p: DownloadProgress) => void) => {
      mine = true;
      return this.#download(client, blob, signal, report);
    };
    try {
      await this.#jobs.run(blob.digest, start, options);
    } catch (e) {
      throwIfAborted(options.signal);
      // Somebody else's attempt failed with their registry and their credentials: ours may still work.
      if (mine) throw e;
      await this.#jobs.run(blob.digest, start, options);
    }
  }

  async #download(
    client: RepositoryClient,
    blob: Descriptor,
    signal: AbortSignal,
    report: (p: DownloadProgress) => void,
  ): Promise<void> {
    report({ phase: 'waiting', current: 0, total: blob.size });
    await this.#slots.use(async () => {
      throwIfAborted(signal);
      if (await this.#options.blobs.has(blob.digest)) return;
      const ingest = await this.#options.blobs.begin();
      try {
        await this.#fill(client, blob, ingest, signal, report);
        report({ phase: 'verifying', current: blob.size, total: blob.size });
        await ingest.commit(blob.digest);
        report({ phase: 'complete', current: blob.size, total: blob.size });
      } finally {
        await ingest.abort();
      }
    });
  }

  /** Retries until all bytes are there, going on where the last attempt broke off. */
  async #fill(
    client: RepositoryClient,
    blob: Descriptor,
    ingest: BlobIngest,
    signal: AbortSignal,
    report: (p: DownloadProgress) => void,
  ): Promise<void> {
    const { clock, random, logger, maxDownloadAttempts: maxAttempts } = this.#options;
    const retry = { clock, random, logger, what: `download of ${blob.digest}`, signal, maxAttempts };
    await retrying(retry, () => copyBlob(client, blob, ingest, signal, report));
  }
}

async function copyBlob(
  client: RepositoryClient,
  blob: Descriptor,
  ingest: BlobIngest,
  signal: AbortSignal,
  report: (p: DownloadProgress) => void,
): Promise<void> {
  if (ingest.written === blob.size && blob.size > 0) return;
  const { body, partial } = await client.blob(blob.digest, ingest.written, signal);
  try {
    if (!partial && ingest.written > 0) await ingest.reset();
    let reported = ingest.written;
    for await (const chunk of body) {
      const bytes: Buffer = chunk;
      if (ingest.written + bytes.length > blob.size) {
        throw new SwarmtsError('corrupt', `blob ${blob.digest} is longer than the ${blob.size} bytes of its manifest`);
      }
      await ingest.write(bytes);
      if (ingest.written - reported >= PROGRESS_STEP_BYTES || ingest.written === blob.size) {
        reported = ingest.written;
        report({ phase: 'downloading', current: ingest.written, total: blob.size });
      }
    }
  } catch (e) {
    // Node calls it "aborted".
    if (errnoOf(e) !== 'ECONNRESET') throw e;
    const of = `${ingest.written} of ${blob.size} bytes`;
    throw new SwarmtsError('unavailable', `blob ${blob.digest} broke off after ${of}: unexpected EOF`, { cause: e });
  } finally {
    body.destroy();
  }
  if (ingest.written < blob.size) {
    throw new SwarmtsError('unavailable', `blob ${blob.digest} ended after ${ingest.written} of ${blob.size} bytes`);
  }
}
