/** What the API needs of the node's images. Records of streams are Docker's JSON progress objects. */
import type { ContainerCreate, ImageSummary } from './node-backend.js';

export type ProgressRecord = Readonly<Record<string, unknown>>;

/** The object of X-Registry-Auth as the client sent it, undefined without one. */
export type RegistryCredentials = unknown;

export interface ImagePlatform {
  readonly os: string;
  readonly architecture: string;
  /** '' for the usual one. */
  readonly variant: string;
}

export interface HistoryRecord {
  /** '<missing>' where the image of the step is not on this node. */
  readonly id: string;
  readonly createdAtMs: number;
  readonly createdBy: string;
  readonly comment: string;
  readonly tags: readonly string[];
  readonly sizeBytes: number;
}

export interface RemovedImage {
  readonly untagged?: string;
  readonly deleted?: string;
}

export interface ImagePrune {
  readonly danglingOnly: boolean;
  readonly accepts: (image: {
    readonly createdAtMs: number;
    readonly labels: Readonly<Record<string, string>>;
  }) => boolean;
}

export interface ImageImport {
  /** '' for none. */
  readonly name: string;
  readonly message: string;
  /** Dockerfile instructions. */
  readonly changes: readonly string[];
  /** "os/arch[/variant]", '' for the node's. */
  readonly platform: string;
}

export interface ContainerCommit {
  readonly container: string;
  /** '' for none. */
  readonly name: string;
  readonly author: string;
  readonly comment: string;
  readonly pause: boolean;
  readonly changes: readonly string[];
  /** Fields of Docker's container configuration that replace those of the container. */
  readonly config: Readonly<Record<string, unknown>>;
}

export interface BuildRequest {
  /** Path inside of the context. */
  readonly dockerfile: string;
  readonly tags: readonly string[];
  /** Without a value: known by name alone. */
  readonly buildArgs: ReadonlyMap<string, string | undefined>;
  readonly labels: Readonly<Record<string, string>>;
  readonly target: string;
  readonly noCache: boolean;
  /** Images whose steps count as cached. */
  readonly cacheFrom: readonly string[];
  readonly pull: boolean;
  /** Keep nothing of the containers of steps that succeeded; with `forceRemove` of those that failed either. */
  readonly remove: boolean;
  readonly forceRemove: boolean;
  /** Only the image's id is printed. */
  readonly quiet: boolean;
  readonly networkMode: string;
  readonly platform: string;
  readonly extraHosts: readonly string[];
  readonly memoryBytes: number;
  readonly memorySwapBytes: number;
  readonly cpuShares: number;
  readonly nanoCpus: number;
  readonly cpusetCpus: string;
  readonly cpusetMems: string;
  /** '' for the daemon's. */
  readonly cgroupParent: string;
  readonly security: Pick<
    ContainerCreate,
    'noNewPrivileges' | 'seccompUnconfined' | 'seccompProfile' | 'apparmorProfile' | 'selinuxLabel'
  >;
  readonly shmSizeBytes: number;
  readonly ulimits: readonly { readonly name: string; readonly soft: number; readonly hard: number }[];
  /** Registry host -> credentials. */
  readonly auths: Readonly<Record<string, RegistryCredentials>>;
  /** A tar archive, maybe compressed. */
  readonly context: AsyncIterable<Uint8Array>;
}

export interface ImageDiskUsage {
  /** Of all unpacked layers, each counted once. */
  readonly layersBytes: number;
  /** By image id: what it has in common with other images. */
  readonly sharedBytes: ReadonlyMap<string, number>;
}

export interface ImageBackend {
  list(): Promise<readonly ImageSummary[]>;
  diskUsage(): Promise<ImageDiskUsage>;
  /** By reference, id or unique prefix; 'image-not-found' "No such image: X". */
  find(ref: string): Promise<ImageSummary>;
  history(ref: string): Promise<readonly HistoryRecord[]>;
  pull(
    ref: string,
    options: { readonly auth: RegistryCredentials; readonly platform: string; readonly all: boolean },
    signal: AbortSignal,
  ): AsyncIterable<ProgressRecord>;
  push(
    ref: string,
    options: { readonly auth: RegistryCredentials; readonly all: boolean },
    signal: AbortSignal,
  ): AsyncIterable<ProgressRecord>;
  /** With platforms: what is for those alone. */
  load(
    archive: AsyncIterable<Uint8Array>,
    platforms: readonly ImagePlatform[],
    signal: AbortSignal,
  ): Promise<readonly string[]>;
  save(refs: readonly string[], signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Resolves to the id. */
  importArchive(source: string | AsyncIterable<Uint8Array>, options: ImageImport, signal: AbortSignal): Promise<string>;
  tag(ref: string, target: string): Promise<void>;
  remove(ref: string, options: { readonly force: boolean; readonly prune: boolean }): Promise<readonly RemovedImage[]>;
  prune(options: ImagePrune): Promise<{ readonly removed: readonly RemovedImage[]; readonly freedBytes: number }>;
  /** Resolves to the id of the new image. */
  commit(options: ContainerCommit): Promise<string>;
  /** Resolves to an identity token or ''; 'unauthenticated' when the registry refuses. */
  login(auth: RegistryCredentials, signal: AbortSignal): Promise<string>;
  build(request: BuildRequest, signal: AbortSignal): AsyncIterable<ProgressRecord>;
}
