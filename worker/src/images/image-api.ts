/** The engine's verbs on images, as the agent, the API and the builder see them. */
import type { HistoryLine } from './image-history.js';
import type { Pruned, PruneOptions } from './image-prune.js';
import type { RemovedItem } from './image-removal.js';
import type { Platform } from './manifest.js';

export interface ImageInfo {
  /** "sha256:<hex>" of the image config. */
  readonly id: string;
  /** "name:tag" references. */
  readonly repoTags: readonly string[];
  readonly repoDigests: readonly string[];
  readonly createdAtMs: number;
  /** As the image's config has it. */
  readonly created: string;
  /** Bytes of the unpacked layers. */
  readonly sizeBytes: number;
  readonly architecture: string;
  readonly variant?: string;
  readonly os: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The raw OCI image config. */
  readonly config: ImageConfig;
  readonly layers: readonly string[];
  /** Id of the image that it was made from on this node, or ''. */
  readonly parent: string;
  readonly hasChildren: boolean;
  readonly author: string;
  readonly comment: string;
  /** 0 when it was never tagged here. */
  readonly taggedAtMs: number;
  /** Of the unpacked layers, topmost first. */
  readonly directories: readonly string[];
}

export interface ImageConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, unknown>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: Readonly<Record<string, unknown>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly Shell?: readonly string[];
  readonly OnBuild?: readonly string[];
  readonly Healthcheck?: {
    readonly Test?: readonly string[];
    readonly Interval?: number;
    readonly Timeout?: number;
    readonly StartPeriod?: number;
    readonly StartInterval?: number;
    readonly Retries?: number;
  };
}

export interface RegistryAuth {
  readonly username: string;
  readonly password: string;
  readonly identityToken?: string;
  readonly serverAddress?: string;
}

/** What a registry says that a reference stands for. */
export interface ImageResolution {
  readonly digest: string;
  /** Of the manifest or index that the digest is of. */
  readonly mediaType: string;
  readonly sizeBytes: number;
  readonly platforms: readonly { readonly architecture: string; readonly os: string; readonly variant?: string }[];
}

/** One record of Docker's progress stream. */
export interface PullProgress {
  readonly id?: string;
  readonly status?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
  /** What programs read, such as the digest that was pushed. */
  readonly aux?: Readonly<Record<string, unknown>>;
}

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
  /** Loads a docker-archive or OCI archive (tar, maybe compressed), or what it has for the wanted platforms alone; resolves to the loaded references or ids. */
  load(
    archive: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
    wanted?: readonly Platform[],
  ): Promise<readonly string[]>;
  /** An archive that `load`, docker and OCI tools read. */
  save(refs: readonly string[], signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** Makes an image of one layer from an archive of a file system; resolves to its id. */
  importArchive(archive: AsyncIterable<Uint8Array>, options: ImportOptions): Promise<string>;
  tag(source: string, target: string): Promise<void>;
  /** Untags, and deletes when no tag is left. Resolves to what was done. In use: SwarmtsError 'conflict'. */
  remove(ref: string, force: boolean, prune?: boolean): Promise<readonly RemovedItem[]>;
  prune(options: PruneOptions): Promise<Pruned>;
}
