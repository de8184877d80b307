/**
 * What the engine keeps on disk of a container: `<data root>/containers/<id>/state.json`, written atomically at every change
 * of state. Contents of injected files are never written.
 */
import { join } from 'node:path';
import { readFileIfThere, SwarmtsError, sweepUnfinished, writeFileAtomic } from '@swarmts/lib';
import type { ProcessIdentity } from '../runtime/process-identity.js';
import type { ContainerState, ExitInfo } from './container-api.js';
import type { ContainerConfig, ExposedPort, HealthConfig, MountConfig } from './container-config.js';
import type { NetworkAttachment } from './container-network.js';
import type { HealthState } from './health-state.js';

/** A mount with the volume's name settled. */
export interface ResolvedMount extends MountConfig {
  /** A volume that nobody named: it goes with the last container that has it. */
  readonly anonymous: boolean;
  /** Of type 'image'. */
  readonly image?: { readonly imageId: string; readonly chain: readonly string[] };
  /** Taken over from another container. */
  readonly isInherited?: boolean;
}

export interface RunningProcess {
  readonly init: ProcessIdentity;
  readonly monitor: ProcessIdentity;
}

export interface ContainerRecord {
  readonly id: string;
  readonly config: ContainerConfig;
  readonly imageId: string;
  /** Layers of the root file system, bottom first. */
  readonly chain: readonly string[];
  readonly createdAtMs: number;
  readonly startedAtMs: number;
  readonly state: ContainerState;
  readonly exit?: ExitInfo;
  readonly startCount: number;
  /** By the restart policy, since somebody started it. */
  readonly restartCount?: number;
  /** Somebody has stopped it or sent it a signal since it was started. */
  readonly stoppedByUser?: boolean;
  /** The health check that applies, image and configuration merged. */
  readonly healthCheck?: { readonly config: HealthConfig; readonly shell?: readonly string[] };
  /** The last health that was reported since it was started. */
  readonly health?: HealthState;
  /** It is paused until the engine has done what it paused it for: an engine that was cut off lets it go on. */
  readonly pausedByEngine?: boolean;
  /** It has run out of memory since it was started, and that was told. */
  readonly oomTold?: boolean;
  /** Only while it runs. */
  readonly process?: RunningProcess;
  readonly network?: NetworkAttachment;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly env: readonly string[];
  readonly user: string;
  readonly workingDir: string;
  readonly hostname: string;
  /** What it listens at, as image and configuration say. */
  readonly exposedPorts?: readonly ExposedPort[];
  readonly stopSignal: string;
  readonly mounts: readonly ResolvedMount[];
  /** Empty volumes have been filled from the image. */
  readonly volumesFilled: boolean;
}

const FORMAT = 1;

export async function saveRecord(directory: string, record: ContainerRecord): Promise<void> {
  await writeFileAtomic(
    join(directory, 'state.json'),
    JSON.stringify({ format: FORMAT, record: withoutContents(record) }),
  );
}

/** Undefined when there is no record: the container was never completely created. */
export async function loadRecord(directory: string): Promise<ContainerRecord | undefined> {
  sweepUnfinished(directory);
  const text = await readFileIfThere(join(directory, 'state.json'));
  if (text === undefined) return undefined;
  // Written by saveRecord alone; the format number guards against a newer release's file.
  const doc = JSON.parse(text) as { format: number; record: ContainerRecord };
  if (doc.format !== FORMAT)
    throw new SwarmtsError('corrupt', `${directory}/state.json has the unknown format ${doc.format}`);
  return doc.record;
}

/** The record with the files' paths but not their contents. */
export function withoutContents(record: ContainerRecord): ContainerRecord {
  const files = record.config.files;
  if (!files) return record;
  const empty = new Uint8Array(0);
  return { ...record, config: { ...record.config, files: files.map((f) => ({ ...f, content: empty })) } };
}

export function volumeNames(record: ContainerRecord): string[] {
  return [...new Set(record.mounts.flatMap((m) => (m.type === 'volume' ? [m.source] : [])))];
}
