/** A root that is to take over from the present one: whether it can be used, and how who trusts the old one comes to trust it. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import {
  ALGORITHM,
  authorityKeyOf,
  BACKDATE_MS,
  importKey,
  type KeyAndCert,
  keyMatches,
  rootExtensions,
  splitBundle,
  YEAR_MS,
} from './certificates.js';

/** Shorter ones can be broken; Swarm's limit. */
const MIN_RSA_BITS = 2048;

/** The new root's key, of its certificate or a request, certified by the old one: who trusts the old root can be sure of the new one. */
export async function crossSign(
  old: KeyAndCert,
  fresh: Pick<x509.X509Certificate, 'subjectName' | 'publicKey'>,
  nowMs: number,
): Promise<string> {
  const issuer = new x509.X509Certificate(old.certPem);
  const cert = await x509.X509CertificateGenerator.create({
    subject: fresh.subjectName,
    issuer: issuer.subjectName,
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: issuer.notAfter,
    signingAlgorithm: ALGORITHM,
    publicKey: await fresh.publicKey.export(),
    signingKey: await importKey(old.keyPem),
    extensions: [...(await rootExtensions(fresh.publicKey)), await authorityKeyOf(issuer)],
  });
  return cert.toString('pem');
}

/** A request for a further certificate of the root's key. */
export async function requestOfRoot(root: KeyAndCert): Promise<string> {
  const cert = new x509.X509Certificate(root.certPem);
  const keys = { privateKey: await importKey(root.keyPem), publicKey: await cert.publicKey.export() };
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: cert.subjectName,
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return csr.toString('pem');
}

/**
 * Whether the cross-signed certificate vouches, by the root that is trusted, for the new one. That the old root let it be one of a CA
 * matters: every node has a certificate of its own key by that root, and could make a root of the key.
 */
export function vouchesFor(trustedPem: string, crossSignedPem: string, newCertPem: string): boolean {
  const [trusted, cross, fresh] = [trustedPem, crossSignedPem, newCertPem].map((pem) => new X509Certificate(pem));
  if (!trusted || !cross || !fresh) return false;
  const key = (c: X509Certificate) => c.publicKey.export({ type: 'spki', format: 'der' });
  return cross.verify(trusted.publicKey) && key(cross).equals(key(fresh)) && cross.ca && fresh.ca;
}

/**
 * A root that somebody brings, as it is kept: with its key in PKCS #8, or without one for a root whose key an external CA has. It has to
 * be one, and to last. Throws SwarmtsError 'invalid-argument'.
 */
export function checkOwnRoot(root: KeyAndCert, nowMs: number): KeyAndCert {
  const cert = parseRoot(root.certPem);
  if (root.keyPem === '') {
    checkForeignKey(cert);
    checkTime(cert, nowMs);
    return { certPem: asText(cert), keyPem: '' };
  }
  const keyPem = parseKey(root.keyPem);
  if (!keyMatches(keyPem, root.certPem)) throw bad('its key is another one');
  if (cert.publicKey.asymmetricKeyType !== 'ec' || cert.publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw bad('its key must be ECDSA with P-256');
  checkTime(cert, nowMs);
  return { certPem: asText(cert), keyPem };
}

function bad(why: string): SwarmtsError {
  return new SwarmtsError('invalid-argument', `the CA certificate cannot be used: ${why}`);
}

function parseRoot(pem: string): X509Certificate {
  if (splitBundle(pem).length > 1)
    throw bad('there are several certificates in the file, and only one can be the root');
  const cert = readPem(() => new X509Certificate(pem));
  if (!cert.ca || !cert.checkIssued(cert) || !cert.verify(cert.publicKey)) throw bad('it is not a self-signed root');
  return cert;
}

function parseKey(pem: string): string {
  return readPem(() => createPrivateKey(pem).export({ type: 'pkcs8', format: 'pem' }).toString());
}

function readPem<T>(read: () => T): T {
  try {
    return read();
  } catch (e) {
    throw isSwarmtsError(e) ? e : bad('certificate or key is not valid PEM');
  }
}

/** Of a root that only others sign with. */
function checkForeignKey({ publicKey }: X509Certificate): void {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = publicKey;
  if (type === 'ec' || (type === 'rsa' && (details?.modulusLength ?? 0) >= MIN_RSA_BITS)) return;
  throw bad(`its key must be ECDSA, or RSA with at least ${MIN_RSA_BITS} bits`);
}

function checkTime(cert: X509Certificate, nowMs: number): void {
  if (Date.parse(cert.validTo) - nowMs < YEAR_MS) throw bad(`it ends at ${cert.validTo}, in less than a year`);
}

const asText = (cert: X509Certificate) => `${cert.toString().trimEnd()}\n`;
