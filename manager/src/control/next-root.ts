/**
 * What an update of the cluster means for its root CA: nothing, another holder of the same key, or a new root that is to come in. Source
 * of the rules: Swarm's; a rotation that is under way is not replaced by another one.
 */
import { SwarmtsError } from '@swarmts/lib';
import { type Cluster, type ClusterSpec, type ExternalCa, type RootCa, RootRotation } from '@swarmts/proto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { createRootCa, type KeyAndCert, sameCertificate } from '../ca/certificates.js';
import { type ExternalCas, type ExternalRoot, externalUrls } from '../ca/external-ca.js';
import { checkOwnRoot, crossSign } from '../ca/new-root.js';
import { bundleOf } from '../ca/root-bundle.js';

export interface RootUpdate {
  readonly cluster: Cluster;
  /** As it is to be. */
  readonly spec: ClusterSpec;
  /** A root that somebody brings; without key an external CA has it. */
  readonly own: KeyAndCert | undefined;
  readonly external: ExternalCas;
  readonly nowMs: number;
  readonly signal: AbortSignal;
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

/** Says of each external CA whose key it has: that of the present root where the user says nothing and has not said it before. */
export function withRootsOfExternalCas(cluster: Cluster, spec: ClusterSpec): ClusterSpec {
  const { ca } = spec;
  if (!ca) return spec;
  const before = cluster.spec?.ca?.externalCas ?? [];
  const known = (url: string) => before.find((b) => b.url === url && b.caCert.length === 0)?.rootPem;
  const present = cluster.rootCa?.certPem ?? new Uint8Array(0);
  const rootPem = (c: ExternalCa) => (c.caCert.length > 0 ? c.caCert : (known(c.url) ?? present));
  return { ...spec, ca: { ...ca, externalCas: ca.externalCas.map((c) => ({ ...c, rootPem: rootPem(c) })) } };
}

/** What is to change of the cluster's root. Throws SwarmtsError. */
export async function nextRoot(u: RootUpdate): Promise<Partial<RootCa>> {
  const { rootCa } = u.cluster;
  if (!rootCa) return {};
  const forced = u.spec.ca?.forceRotate ?? 0;
  // Docker's client counts up only when it brings no certificate.
  const wanted = u.own !== undefined || forced !== (u.cluster.spec?.ca?.forceRotate ?? 0);
  if (!wanted) {
    await checkHolders(u, rootCa);
    return {};
  }
  if (rootCa.rotation)
    throw new SwarmtsError(
      'failed-precondition',
      'a rotation of the root CA is under way already: wait until every node has followed, or remove those that are gone',
    );
  const next = u.own ? checkOwnRoot(u.own, u.nowMs) : await createRootCa(u.nowMs);
  const present = { certPem: text(rootCa.certPem), keyPem: text(rootCa.keyPem) };
  if (next.keyPem === '') await u.external.checkReachable(externalRoot(u, next.certPem, 'new'));
  if (sameCertificate(present.certPem, next.certPem))
    return { ...otherHolder(present, next), lastForcedRotation: forced };
  const rotation = RootRotation.create({
    certPem: Buffer.from(next.certPem),
    keyPem: Buffer.from(next.keyPem),
    crossSignedPem: Buffer.from(await crossSigned(u, present, next)),
  });
  return { rotation, lastForcedRotation: forced };
}

/** Without a rotation: who signs with roots whose key the managers do not have must be left, and where it is new, be there. */
async function checkHolders(u: RootUpdate, rootCa: RootCa): Promise<void> {
  const before = u.cluster.spec?.ca?.externalCas ?? [];
  const after = u.spec.ca?.externalCas ?? [];
  const same = (a: ExternalCa, b: ExternalCa | undefined) => a.url === b?.url && text(a.rootPem) === text(b.rootPem);
  if (before.length === after.length && after.every((c, i) => same(c, before[i]))) return;
  const roots = [rootCa, ...(rootCa.rotation ? [rootCa.rotation] : [])];
  for (const root of roots.filter((r) => r.keyPem.length === 0))
    await u.external.checkReachable(externalRoot(u, text(root.certPem), root === rootCa ? 'present' : 'new'));
}

/** The managers get the key of an external CA, or let one have it alone. */
function otherHolder(present: KeyAndCert, next: KeyAndCert): Partial<RootCa> {
  if ((present.keyPem === '') === (next.keyPem === ''))
    throw new SwarmtsError('invalid-argument', 'the CA certificate is the one that is in use already');
  return { keyPem: Buffer.from(next.keyPem) };
}

async function crossSigned(u: RootUpdate, present: KeyAndCert, next: KeyAndCert): Promise<string> {
  if (present.keyPem !== '') return crossSign(present, new x509.X509Certificate(next.certPem), u.nowMs);
  if (next.keyPem === '')
    throw new SwarmtsError(
      'invalid-argument',
      'rotating from one external CA to a different external CA is not supported: go over to a root of the swarm first, with `swarm ca --rotate`',
    );
  return u.external.crossSign(externalRoot(u, present.certPem, 'present'), next, u.signal);
}

function externalRoot(u: RootUpdate, certPem: string, which: 'present' | 'new'): ExternalRoot {
  const urls = externalUrls(u, certPem);
  if (urls.length > 0) return { urls, certPem, trustedPem: trustedPem(u, certPem) };
  throw new SwarmtsError(
    'invalid-argument',
    `there must be at least one external CA for the ${which} CA certificate, whose key the managers do not have: --external-ca protocol=cfssl,url=URL`,
  );
}

/** An external CA may show a certificate of the present root until its own has taken over. */
function trustedPem({ cluster: { rootCa } }: RootUpdate, certPem: string): string {
  return rootCa ? bundleOf(rootCa) + certPem : certPem;
}
