// What the driver's options mean for the core, and what holds where an option is left out.
import type { RaftOptions } from '../core/options.js';
import type { Storage } from '../storage/storage.js';
import type { RaftNodeOptions } from './options.js';
import type { SnapshotLimits } from './snapshots.js';

export const DEFAULTS = {
  electionTicks: 10,
  heartbeatTicks: 1,
  tickMs: 100,
  snapshotEntries: 10_000,
  snapshotBytes: 256 * 1024 * 1024,
  trailingEntries: 500,
  maxProposalBytes: 1536 * 1024,
  maxUncommittedBytes: 64 * 1024 * 1024,
  // Small enough that a lost message costs little, and one entry goes in any case.
  maxAppendBytes: 64 * 1024,
  maxInflight: 256,
  maxInflightBytes: 16 * 1024 * 1024,
};
/** Applied in one go, without letting anything else run. */
const MAX_APPLY_BYTES = 1024 * 1024;

export function coreOptionsOf(options: RaftNodeOptions, storage: Storage, random: () => number): RaftOptions {
  return {
    id: options.id,
    storage,
    electionTicks: options.electionTicks ?? DEFAULTS.electionTicks,
    heartbeatTicks: options.heartbeatTicks ?? DEFAULTS.heartbeatTicks,
    random,
    maxAppendBytes: options.maxAppendBytes ?? DEFAULTS.maxAppendBytes,
    maxInflight: options.maxInflight ?? DEFAULTS.maxInflight,
    maxInflightBytes: options.maxInflightBytes ?? DEFAULTS.maxInflightBytes,
    reads: options.reads ?? 'safe',
    stepDownOnRemoval: options.stepDownOnRemoval ?? true,
    maxUncommittedBytes: options.maxUncommittedBytes ?? DEFAULTS.maxUncommittedBytes,
    maxApplyBytes: MAX_APPLY_BYTES,
  };
}

export function snapshotLimitsOf(options: RaftNodeOptions): SnapshotLimits {
  return {
    entries: options.snapshotEntries ?? DEFAULTS.snapshotEntries,
    bytes: options.snapshotBytes ?? DEFAULTS.snapshotBytes,
    trailingEntries: options.trailingEntries ?? DEFAULTS.trailingEntries,
  };
}
