/** The cluster settings that `swarm init` and `swarm update` share, and what they put into the cluster's spec. */
import { bool, type FlagValues, optional, optionalBool, optionalInt, optionalUint, texts } from '../../args/flag.js';
import { parseDuration } from '../../args/quantity.js';
import type { SwarmSpec } from '../../engine-types.js';
import { externalCaFlag } from './external-ca.js';

export const swarmSpecFlags = {
  autolock: optionalBool('Enable manager autolocking (requiring an unlock key to start a stopped manager)'),
  'cert-expiry': optional('duration', 'Validity period for node certificates (ns|us|ms|s|m|h)', parseDuration, {
    defaultText: '2160h0m0s',
  }),
  'dispatcher-heartbeat': optional('duration', 'Dispatcher heartbeat period (ns|us|ms|s|m|h)', parseDuration, {
    defaultText: '1s',
  }),
  'external-ca': externalCaFlag,
  'max-snapshots': optionalUint('Number of additional Raft snapshots to retain'),
  'orphan-after': optional(
    'duration',
    'How long tasks of a node that is down are taken for running (ns|us|ms|s|m|h)',
    asDuration,
    {
      defaultText: '1h0m0s',
    },
  ),
  'snapshot-interval': optionalUint('Number of log entries between Raft snapshots', { defaultText: '10000' }),
  'task-history-limit': optionalInt('Task history retention limit', { defaultText: '5' }),
};

/** As it was typed, if it is one. */
function asDuration(text: string): string {
  parseDuration(text);
  return text;
}

/** Docker's spec has no field for it. */
const ORPHAN_AFTER = 'swarmts.node.orphan-after';

export function applySwarmFlags(spec: SwarmSpec, f: FlagValues<typeof swarmSpecFlags>): SwarmSpec {
  const caConfig = {
    ...spec.CAConfig,
    ...(f['cert-expiry'] === undefined ? {} : { NodeCertExpiry: f['cert-expiry'] }),
    ...(f['external-ca'].length === 0 ? {} : { ExternalCAs: f['external-ca'] }),
  };
  return {
    ...spec,
    ...(f['orphan-after'] === undefined ? {} : { Labels: { ...spec.Labels, [ORPHAN_AFTER]: f['orphan-after'] } }),
    ...(f['task-history-limit'] === undefined
      ? {}
      : { Orchestration: { ...spec.Orchestration, TaskHistoryRetentionLimit: f['task-history-limit'] } }),
    ...(f['snapshot-interval'] === undefined && f['max-snapshots'] === undefined
      ? {}
      : {
          Raft: {
            ...spec.Raft,
            ...(f['snapshot-interval'] === undefined ? {} : { SnapshotInterval: f['snapshot-interval'] }),
            ...(f['max-snapshots'] === undefined ? {} : { KeepOldSnapshots: f['max-snapshots'] }),
          },
        }),
    ...(f['dispatcher-heartbeat'] === undefined
      ? {}
      : { Dispatcher: { ...spec.Dispatcher, HeartbeatPeriod: f['dispatcher-heartbeat'] } }),
    ...(Object.keys(caConfig).length === 0 ? {} : { CAConfig: caConfig }),
    ...(f.autolock === undefined
      ? {}
      : { EncryptionConfig: { ...spec.EncryptionConfig, AutoLockManagers: f.autolock } }),
  };
}

export const initFlags = {
  ...swarmSpecFlags,
  'default-addr-pool': texts('Default address pool in CIDR format', { type: 'ipNetSlice' }),
  'force-new-cluster': bool('Force create a new cluster from current state'),
};
