/** The cluster object: what users change of it, its join tokens, its unlock key, and the way to a new root CA. */
import { SwarmtsError } from '@swarmts/lib';
import { type Cluster, type ClusterSpec, type RootCa, RootRotation } from '@swarmts/proto';
import { checkOwnRoot, createRootCa, crossSign, sameCertificate } from '../ca/certificates.js';
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

/** The root that is to come in, where the spec asks for one. */
export async function nextRoot(
  cluster: Cluster,
  spec: ClusterSpec,
  own: { readonly certPem: string; readonly keyPem: string } | undefined,
  nowMs: number,
): Promise<Partial<RootCa>> {
  const forced = spec.ca?.forceRotate ?? 0;
  // Docker's client counts up only when it brings no certificate.
  if (!cluster.rootCa || (!own && forced === (cluster.spec?.ca?.forceRotate ?? 0))) return {};
  if (cluster.rootCa.rotation)
    throw new SwarmtsError(
      'failed-precondition',
      'a rotation of the root CA is under way already: wait until every node has followed, or remove those that are gone',
    );
  if (own) checkOwnRoot(own, nowMs);
  const next = own ?? (await createRootCa(nowMs));
  const present = {
    certPem: Buffer.from(cluster.rootCa.certPem).toString(),
    keyPem: Buffer.from(cluster.rootCa.keyPem).toString(),
  };
  if (sameCertificate(present.certPem, next.certPem))
    throw new SwarmtsError('invalid-argument', 'the CA certificate is the one that is in use already');
  const crossSigned = await crossSign(present, next.certPem, nowMs);
  const rotation = RootRotation.create({
    certPem: Buffer.from(`${next.certPem.trim()}\n`),
    keyPem: Buffer.from(next.keyPem),
    crossSignedPem: Buffer.from(crossSigned),
  });
  return { rotation, lastForcedRotation: forced };
}
