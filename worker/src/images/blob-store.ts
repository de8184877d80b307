/**
 * The content-addressed store of images: `blobs/sha256/<hex>`. A blob exists under its name only when its whole content
 * has been verified against that name; everything unfinished lives in `tmp` and is swept when the store is opened.
 */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, messageOf, newHexId, SwarmtsError } from '@swarmts/lib';
import { isSha256Digest } from '@swarmts/proto';

export class BlobStore {
  readonly #blobs: string;
  readonly #tmp: string;
  /** Under way: what is about to go is not there any more. */
  readonly #removals = new Map<string, Promise<void>>();

  private constructor(root: string) {
    this.#blobs = join(root, 'blobs', 'sha256');
    this.#tmp = join(root, 'tmp');
  }

  /** Opens the store under `root` and removes what earlier processes left unfinished. */
  static async open(root: string): Promise<BlobStore> {
    const store = new BlobStore(root);
    await mkdir(store.#blobs, { recursive: true, mode: 0o700 });
    await rm(store.#tmp, { recursive: true, force: true });
    await mkdir(store.#tmp, { recursive: true, mode: 0o700 });
    return store;
  }

  path(digest: string): string {
    if (!isSha256Digest(digest)) throw new SwarmtsError('invalid-argument', `invalid digest '${digest}'`);
    return join(this.#blobs, digest.slice('sha256:'.length));
  }

  async has(digest: string): Promise<boolean> {
    return (await this.size(digest)) !== undefined;
  }

  /** Bytes of the blob, or undefined when it is not there. */
  async size(digest: string): Promise<number | undefined> {
    await this.#removals.get(digest)?.catch(() => undefined);
    try {
      return (await stat(this.path(digest))).size;
    } catch (e) {
      if (errnoOf(e) === 'ENOENT') return undefined;
      throw e;
    }
  }

  /** The whole blob; for manifests and configs only. */
  async read(digest: string): Promise<Buffer> {
    try {
      return await readFile(this.path(digest));
    } catch (e) {
      throw new SwarmtsError('corrupt', `blob ${digest} is missing from the image store`, { cause: e });
    }
  }

  async put(digest: string, data: Uint8Array): Promise<void> {
    if (await this.has(digest)) return;
    const ingest = await this.begin();
    try {
      await ingest.write(data);
      await ingest.commit(digest);
    } finally {
      await ingest.abort();
    }
  }

  async begin(): Promise<BlobIngest> {
    const path = this.tmpPath();
    try {
      return new BlobIngest(path, await open(path, 'wx', 0o600), (digest) => this.path(digest));
    } catch (e) {
      throw asStorageError(e);
    }
  }

  /** A fresh path inside of the store's file system, swept at the next open. */
  tmpPath(): string {
    return join(this.#tmp, newHexId().slice(0, 16));
  }

  async list(): Promise<string[]> {
    return (await readdir(this.#blobs)).map((name) => `sha256:${name}`);
  }

  async remove(digest: string): Promise<void> {
    const removal = rm(this.path(digest), { force: true });
    this.#removals.set(digest, removal);
    try {
      await removal;
    } finally {
      this.#removals.delete(digest);
    }
  }
}

/** One blob being written. `abort` after `commit` does nothing, so it belongs into `finally`. */
export class BlobIngest {
  readonly #path: string;
  #file: FileHandle;
  readonly #target: (digest: string) => string;
  #hash: Hash = createHash('sha256');
  #written = 0;
  #open = true;

  constructor(path: string, file: FileHandle, target: (digest: string) => string) {
    this.#path = path;
    this.#file = file;
    this.#target = target;
  }

  get written(): number {
    return this.#written;
  }

  /** One that fails has written nothing: the next one begins at the same place. */
  async write(chunk: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < chunk.length; ) {
        at += (await this.#file.write(chunk, at, chunk.length - at, this.#written + at)).bytesWritten;
      }
    } catch (e) {
      throw asStorageError(e);
    }
    this.#hash.update(chunk);
    this.#written += chunk.length;
  }

  /** Starts again from nothing. */
  async reset(): Promise<void> {
    await this.#file.close();
    this.#file = await open(this.#path, 'w', 0o600);
    this.#hash = createHash('sha256');
    this.#written = 0;
  }

  /** Verifies the digest and gives the blob its name. */
  async commit(digest: string): Promise<void> {
    const actual = `sha256:${this.#hash.digest('hex')}`;
    if (actual !== digest) {
      throw new SwarmtsError('corrupt', `filesystem layer verification failed for digest ${digest} (got ${actual})`);
    }
    try {
      await this.#file.datasync();
      await this.#close();
      await rename(this.#path, this.#target(digest));
    } catch (e) {
      throw asStorageError(e);
    }
  }

  async abort(): Promise<void> {
    if (this.#open) await this.#close();
    await rm(this.#path, { force: true });
  }

  async #close(): Promise<void> {
    this.#open = false;
    await this.#file.close();
  }
}

/** ENOSPC and EDQUOT become 'no-space'; everything else stays what it is. */
export function asStorageError(e: unknown): unknown {
  const errno = errnoOf(e);
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return new SwarmtsError('no-space', `no space left on device: ${messageOf(e)}`, { cause: e });
  }
  return e;
}
