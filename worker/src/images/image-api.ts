/** The engine's verbs on images, as the agent, the API and the builder see them. */
import type { ImageConfig, ImageInfo, ImageResolution, PullProgress, RegistryAuth } from '../engine/engine-api.js';
import type { HistoryLine } from './image-history.js';
import type { Pruned, PruneOptions } from './image-prune.js';
import type { RemovedItem } from './image-removal.js';
import type { Platform } from './manifest.js';

export interface TransferOptions {
  readonly auth?: RegistryAuth;
  readonly onProgress?: (p: PullProgress) => void;
  readonly signal?: AbortSignal;
}

export interface PullOptions extends TransferOptions {
  /** Default: the node's. */
  readonly platform?: Platform;
}

export interface ImportOptions {
  /** '' leaves the image without a name. */
  readonly name: string;
  /** What the history says about the origin. */
  readonly message: string;
  readonly config: ImageConfig;
  readonly platform?: Platform;
  readonly signal?: AbortSignal;
}

export interface CommitOptions {
  /** '' leaves the image without a name. */
  readonly name: string;
  readonly author: string;
  readonly comment: string;
  /** Stop the processes while the files are read; default true. */
  readonly pause: boolean;
  /** The configuration of the image, from that of the container. */
  readonly config: (container: ImageConfig) => ImageConfig;
}

export interface ImageDiskUsage {
  /** Of all unpacked layers, each counted once. */
  readonly layersBytes: number;
  /** By image id: what it has in common with other images. */
  readonly sharedBytes: ReadonlyMap<string, number>;
}

export interface ImageEngine {
  /** Resolves to the image id. A reference that is not there throws SwarmtsError 'image-not-found' with the registry's word. */
  pull(ref: string, options: PullOptions): Promise<string>;
  /** Every tag of a repository; resolves to the image ids. */
  pullAll(repository: string, options: PullOptions): Promise<readonly string[]>;
  /** Uploads the image under its name, or all of a repository's tags. */
  push(ref: string, options: TransferOptions & { readonly all?: boolean }): Promise<void>;
  /** Asks the registry for digest and platforms of a reference without pulling it. Throws as `pull`. */
  resolve(
    ref: string,
    options: { readonly auth?: RegistryAuth; readonly signal?: AbortSignal },
  ): Promise<ImageResolution>;
  /** Tries credentials on a registry; resolves to an identity token or ''. Refused: 'unauthenticated'. */
  login(auth: RegistryAuth, signal?: AbortSignal): Promise<string>;
  list(): Promise<readonly ImageInfo[]>;
  diskUsage(): ImageDiskUsage;
  /** By reference, id or unique id prefix; undefined when absent. */
  find(ref: string): Promise<ImageInfo | undefined>;
  history(ref: string): Promise<readonly HistoryLine[]>;
  /** Loads a docker-archive or OCI archive (tar, maybe compressed); resolves to the loaded references or ids. */
  load(archive: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<readonly string[]>;
  /** An archive that `load`, docker and OCI tools read. */
  save(refs: readonly string[], signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Makes an image of one layer from an archive of a file system; resolves to its id. */
  importArchive(archive: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<string>;
  tag(source: string, target: string): Promise<void>;
  /** Untags, and deletes when no tag is left. Resolves to what was done. In use: SwarmtsError 'conflict'. */
  remove(ref: string, force: boolean, prune?: boolean): Promise<readonly RemovedItem[]>;
  prune(options: PruneOptions): Promise<Pruned>;
}
