/** The cluster object: what users change of it, its join tokens, and its unlock key. */
import { SwarmtsError } from '@swarmts/lib';
import type { Cluster, ClusterSpec, RootCa } from '@swarmts/proto';
import { newJoinToken } from '../ca/join-token.js';
import { newUnlockKey } from '../ca/unlock-key.js';
import type { ReadTx, WriteTx } from '../store/transaction.js';
import { checkVersion } from './conflicts.js';

export interface ClusterChange {
  readonly version: number;
  readonly spec: ClusterSpec;
  readonly rotateWorkerToken: boolean;
  readonly rotateManagerToken: boolean;
  readonly rotateUnlockKey: boolean;
}

/** Throws SwarmtsError 'unavailable' before the first manager has written it. */
export function theCluster(tx: ReadTx): Cluster {
  const cluster = tx.list('cluster')[0];
  if (!cluster) throw new SwarmtsError('unavailable', 'the swarm is being initialised, try again');
  return cluster;
}

export function updateCluster(tx: WriteTx, a: ClusterChange & { readonly rotation: Partial<RootCa> }): void {
  const cluster = theCluster(tx);
  checkVersion('cluster', cluster, a.version);
  const root = Buffer.from(cluster.rootCa?.certPem ?? []).toString();
  const tokens = cluster.rootCa?.joinTokens;
  const joinTokens = {
    worker: a.rotateWorkerToken ? newJoinToken(root) : (tokens?.worker ?? ''),
    manager: a.rotateManagerToken ? newJoinToken(root) : (tokens?.manager ?? ''),
  };
  const unlockKey = nextUnlockKey(cluster, a.spec, a.rotateUnlockKey);
  const rootCa = cluster.rootCa && { ...cluster.rootCa, joinTokens, ...a.rotation };
  tx.update('cluster', { ...cluster, spec: a.spec, rootCa, unlockKey });
}

/** A new key when autolock is turned on or rotation is asked for; none without autolock. */
function nextUnlockKey(cluster: Cluster, spec: ClusterSpec, rotate: boolean): Uint8Array {
  const on = spec.encryption?.autoLockManagers ?? false;
  if (rotate && !on) throw new SwarmtsError('failed-precondition', 'cannot rotate because autolock is not turned on');
  if (!on) return new Uint8Array(0);
  return rotate || cluster.unlockKey.length === 0 ? newUnlockKey() : cluster.unlockKey;
}
