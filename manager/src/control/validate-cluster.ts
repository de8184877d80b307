/** What the settings of a cluster must fulfil. Source of the limits: Swarm's. */
import { SwarmtsError } from '@swarmts/lib';
import { type ClusterSpec, defaults, type ExternalCa, type RaftConfig } from '@swarmts/proto';
import { keyPeriod, orphanPeriod, periodMs } from '../cluster-labels.js';

const HOUR_NS = 3_600e9;
/** They are asked one after the other, while a node waits. */
const MAX_EXTERNAL_CAS = 10;
/** Faster heartbeats cost more than they tell. */
const MIN_HEARTBEAT_NS = 100e6;

export function validateClusterSpec(spec: ClusterSpec): void {
  const bad = (message: string) => new SwarmtsError('invalid-argument', message);
  const expiry = spec.ca?.nodeCertExpiryNs ?? 0;
  if (expiry !== 0 && expiry < HOUR_NS)
    throw bad(`minimum certificate expiry time is 1 hour, not ${expiry / 1e9} seconds: --cert-expiry`);
  const beat = spec.dispatcher?.heartbeatPeriodNs ?? 0;
  if (beat !== 0 && beat < MIN_HEARTBEAT_NS)
    throw bad(`the heartbeat period must be at least 100 ms, not ${beat / 1e6} ms: --dispatcher-heartbeat`);
  validateTicks(spec.raft);
  for (const period of [keyPeriod, orphanPeriod]) periodMs(spec, period);
  validateExternalCas(spec.ca?.externalCas ?? []);
}

/**
 * Swarm keeps any values and goes on with those that its managers were started with. Here they are said to have no effect: members
 * that waited for different times would depose their leaders.
 */
function validateTicks(raft: RaftConfig | undefined): void {
  for (const [field, name] of [
    ['heartbeatTick', 'HeartbeatTick'],
    ['electionTick', 'ElectionTick'],
  ] as const) {
    const value = raft?.[field] ?? 0;
    if (value !== 0 && value !== defaults[field])
      throw new SwarmtsError(
        'invalid-argument',
        `invalid ${name} ${value} of Raft: the managers run with ${defaults[field]}, which cannot be changed; leave it out, or set it to ${defaults[field]}`,
      );
  }
}

/** Their certificates may be anything until somebody goes over to them, as in Swarm. */
function validateExternalCas(all: readonly ExternalCa[]): void {
  const bad = (message: string) => new SwarmtsError('invalid-argument', message);
  if (all.length > MAX_EXTERNAL_CAS)
    throw bad(`at most ${MAX_EXTERNAL_CAS} external CAs can be set, not ${all.length}`);
  for (const { url } of all)
    if (!URL.canParse(url) || new URL(url).protocol !== 'https:')
      throw bad(
        `invalid URL "${url}" of an external CA: it has to begin with https://, as in https://ca:8888/api/v1/cfssl/sign`,
      );
}
