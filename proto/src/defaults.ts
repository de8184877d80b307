/** Swarm's defaults. Sources: docker/cli reference of `swarm init` and `service create`, swarmkit api/defaults. */

const SECOND_NS = 1e9;

export const defaults = {
  restartDelayNs: 5 * SECOND_NS,
  stopGracePeriodNs: 10 * SECOND_NS,
  updateParallelism: 1,
  updateMonitorNs: 5 * SECOND_NS,
  taskHistoryLimit: 5,
  snapshotInterval: 10_000,
  logEntriesForSlowFollowers: 500,
  /** swarmts' own, of 100 ms each: Swarm's take a second. Every manager runs with them. */
  heartbeatTick: 1,
  electionTick: 10,
  /** swarmts' own: Swarm waits 5 s. */
  heartbeatPeriodNs: 1 * SECOND_NS,
  nodeCertExpiryNs: 2160 * 3600 * SECOND_NS,
  addressPool: '10.0.0.0/8',
  subnetSize: 24,
  dataPathPort: 4789,
  listenPort: 2377,
} as const;

/** Heartbeats that may be missed before a node is DOWN. */
export const HEARTBEAT_GRACE = 3;

/** Lease of a daemon that stopped in order. */
export const GOODBYE_LEASE_MS = 60_000;

/** Tasks on a DOWN node become ORPHANED after this time. */
export const ORPHAN_AFTER_MS = 3_600_000;

/**
 * Feature levels: what a manager of an earlier release would not know what to do with is refused until every manager is of
 * the level that it came with.
 */
export const featureLevels = { clusterVolumes: 2, externalCas: 2, blockVolumes: 3 } as const;

/** Of this release: the highest of them. */
export const FEATURE_LEVEL = 3;
