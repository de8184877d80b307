// How one simulated group is set up: everything follows from the seed, so that a seed alone repeats a run.
import { seededRandom } from '../random.js';

export interface ModelSettings {
  readonly members: number;
  readonly asyncStorageWrites: boolean;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  /** Messages go through their encoding. */
  readonly encodeMessages: boolean;
  readonly changeMembers: boolean;
  readonly jointChanges: boolean;
  readonly snapshotEntries: number;
  readonly maxAppendBytes: number;
  readonly maxInflight: number;
  readonly maxInflightBytes: number;
  readonly maxApplyBytes: number;
  /** Followers and candidates pass on what they are asked. */
  readonly forwarding: boolean;
  readonly clients: number;
  readonly keys: number;
  /** How long a client pauses between two operations, at most. */
  readonly thinkMs: number;
  /** Mean time between two faults. */
  readonly faultEveryMs: number;
  /** Applying takes its time. */
  readonly slowApply: boolean;
  readonly diskFaults: boolean;
}

export function settingsOfSeed(seed: number): ModelSettings {
  const random = seededRandom(seed * 7919 + 17);
  const oneOf = <T>(...values: readonly [T, ...T[]]): T => random.pick(values) ?? values[0];
  const checkQuorum = !random.chance(0.1);
  const drawn = {
    members: oneOf(3, 3, 4, 5, 5, 6, 7),
    asyncStorageWrites: random.chance(0.5),
    checkQuorum,
    preVote: checkQuorum || random.chance(0.5),
    encodeMessages: random.chance(0.1),
    changeMembers: random.chance(0.6),
    jointChanges: random.chance(0.6),
    snapshotEntries: oneOf(20, 50, 200),
    maxAppendBytes: oneOf(1, 1, 200, 65_536),
    maxInflight: oneOf(1, 4, 256),
    maxInflightBytes: oneOf(200, 100_000),
    maxApplyBytes: oneOf(60, 100_000),
    forwarding: random.chance(0.5),
    clients: oneOf(2, 3, 5),
    keys: oneOf(1, 2, 4),
    thinkMs: oneOf(40, 150, 300),
    faultEveryMs: oneOf(150, 300, 700),
    slowApply: random.chance(0.3),
    diskFaults: random.chance(0.6),
  };
  // With neither of them a member whose term ran ahead is not told of the membership that it is in (nor is it in etcd): no progress
  // could be asked of it.
  return { ...drawn, preVote: drawn.preVote || drawn.changeMembers };
}
