/** What every container shares with its engine. */
import type { Clock, Logger } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';
import type { DeepReadOnly } from '../runtime/deep-read-only.js';
import type { MountInfo } from '../runtime/mountinfo.js';
import type { OciRuntime } from '../runtime/oci-runtime.js';
import type { VolumeStore } from '../volumes/volume-store.js';
import type { BundleContext } from './container-bundle.js';
import type { ContainerLink } from './container-config.js';
import type { LinkedContainer } from './container-links.js';
import type { PeerOf } from './container-namespaces.js';
import type { ContainerNetwork } from './container-network.js';
import type { EngineRoots } from './container-paths.js';
import type { ContainerRecord } from './container-record.js';
import type { UseEvent } from './use-events.js';

export interface ContainerContext extends EngineRoots {
  readonly helper: HelperApi;
  readonly runtime: OciRuntime;
  readonly network: ContainerNetwork;
  readonly volumes: VolumeStore;
  readonly bundle: BundleContext;
  readonly deepReadOnly: DeepReadOnly;
  readonly clock: Clock;
  /** The cgroup hierarchies of the machine, read once: with a thousand containers the list of all mounts takes 17 ms to read. */
  readonly cgroupMounts: readonly MountInfo[];
  /** Where journald takes lines. */
  readonly journalSocket: string;
  readonly logger: Logger;
  /** Programs of the OCI runtimes that containers may ask for, by name. */
  readonly runtimes: ReadonlyMap<string, string>;
  /** Another container that runs; 'conflict' when it does not. */
  readonly peerOf: PeerOf;
  /** Resolves when those that a container needs run, or are not about to. */
  readonly untilNeededRun: (record: ContainerRecord) => Promise<void>;
  /** The containers that one is linked to, as they are now; `strict`: throws Docker's words unless all of them run. */
  readonly linkedTo: (record: ContainerRecord, strict: boolean) => readonly LinkedContainer[];
  /** The same, by their names. */
  readonly linksOf: (record: ContainerRecord) => readonly ContainerLink[];
  /** What an earlier daemon left is swept: until then nothing is made that could be taken for it. */
  readonly swept: Promise<void>;
  /** A container that is to be removed when it ends has ended. */
  readonly autoRemove: (id: string) => void;
  readonly emit: (action: string, record: ContainerRecord, attributes?: Readonly<Record<string, string>>) => void;
  readonly emitUses: (events: readonly UseEvent[]) => void;
}
