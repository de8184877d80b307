/** What a build is asked for and what it tells meanwhile. */
import type { ContainerConfig, ContainerResources } from '../engine/container-config.js';
import type { PullProgress, RegistryAuth } from '../images/image-api.js';
import type { Platform } from '../images/manifest.js';

export interface BuildOptions {
  /** Path inside of the context. */
  readonly dockerfile: string;
  readonly tags: readonly string[];
  /** Without a value: known by name alone. */
  readonly buildArgs: ReadonlyMap<string, string | undefined>;
  readonly labels: Readonly<Record<string, string>>;
  /** Name or number of the stage to end with, '' for the last. */
  readonly target: string;
  readonly noCache: boolean;
  /** Images whose steps count as cached, in place of those that were built here. Those that are not here are left out. */
  readonly cacheFrom: readonly string[];
  /** Ask the registry for every base image, even when it is here. */
  readonly pull: boolean;
  /** Remove the containers of steps that succeeded. */
  readonly remove: boolean;
  /** Remove those of steps that failed, too. */
  readonly forceRemove: boolean;
  readonly networkMode: 'local' | 'host' | 'none';
  /** With 'local': the network to be on, by id or name, or the container whose network is shared. */
  readonly network?: string;
  readonly networkContainer?: string;
  readonly platform?: Platform;
  readonly extraHosts: readonly string[];
  readonly resources: ContainerResources;
  readonly shmSizeBytes: number;
  /** What else the containers of commands get: where their cgroups are, and how they are confined. */
  readonly confinement: BuildConfinement;
  /** Credentials by registry host. */
  readonly authOf: (registry: string) => RegistryAuth | undefined;
  /** A tar archive, maybe compressed. */
  readonly context: AsyncIterable<Uint8Array>;
  /** Waited for, so that a slow reader slows the build down. */
  readonly report: (record: BuildRecord) => Promise<void>;
  readonly signal?: AbortSignal;
}

export type BuildConfinement = Pick<
  ContainerConfig,
  'cgroupParent' | 'noNewPrivileges' | 'seccompUnconfined' | 'seccompProfile' | 'apparmorProfile' | 'selinuxLabel'
>;

/** Text of the build itself, or progress of the pull of a base image. */
export type BuildRecord = { readonly stream: string } | PullProgress;
