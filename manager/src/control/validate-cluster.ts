/** What the settings of a cluster must fulfil. Source of the limits: Swarm's. */
import { SwarmtsError } from '@swarmts/lib';
import type { ClusterSpec } from '@swarmts/proto';

const HOUR_NS = 3_600e9;
/** Faster heartbeats cost more than they tell. */
const MIN_HEARTBEAT_NS = 100e6;

export function validateClusterSpec(spec: ClusterSpec): void {
  const bad = (message: string) => new SwarmtsError('invalid-argument', message);
  const expiry = spec.ca?.nodeCertExpiryNs ?? 0;
  if (expiry !== 0 && expiry < HOUR_NS)
    throw bad(`certificates must be valid for an hour at least, not ${expiry / 1e9} seconds: --cert-expiry`);
  const beat = spec.dispatcher?.heartbeatPeriodNs ?? 0;
  if (beat !== 0 && beat < MIN_HEARTBEAT_NS)
    throw bad(`the heartbeat period must be at least 100 ms, not ${beat / 1e6} ms: --dispatcher-heartbeat`);
}
