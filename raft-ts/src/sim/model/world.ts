// What everything in one simulation shares.
import type { Random } from '../random.js';
import type { EventQueue } from './event-queue.js';
import type { Invariants } from './invariants.js';
import type { ModelDisk } from './model-disk.js';
import type { ModelMember } from './model-member.js';
import type { ModelNetwork } from './model-network.js';
import type { PlantedBug } from './planted-bugs.js';
import type { ModelSettings } from './settings.js';

export const TICK_MS = 100;
export const ELECTION_TICKS = 10;
/** Where founders start from: a snapshot of nothing, so that the log of newcomers cannot be filled from entries alone. */
export const FOUNDED = { index: 1, term: 1 };

export interface World {
  readonly settings: ModelSettings;
  readonly bug: PlantedBug;
  readonly queue: EventQueue;
  readonly random: Random;
  readonly network: ModelNetwork;
  readonly invariants: Invariants;
  readonly disks: Map<number, ModelDisk>;
  readonly members: ModelMember[];
  readonly counts: Record<CountName, number>;
}

export type CountName =
  | 'writes'
  | 'reads'
  | 'unknown'
  | 'crashes'
  | 'pauses'
  | 'partitions'
  | 'snapshots'
  | 'changes'
  | 'transfers'
  | 'diskFaults'
  | 'replacements';
