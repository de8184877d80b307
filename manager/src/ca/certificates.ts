/**
 * The cluster's certificates: a self-signed P-256 root for 20 years, and node certificates with the cluster in O, the role
 * in OU and the node's id in CN. They are dated back by an hour, so that clocks which differ a little do not matter.
 */
import { createPrivateKey, createPublicKey, webcrypto, X509Certificate } from 'node:crypto';
import { SwarmtsError } from '@swarmts/lib';
import { NodeRole } from '@swarmts/proto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

export const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const ROOT_YEARS = 20;
export const BACKDATE_MS = 3_600_000;
export const YEAR_MS = 365 * 24 * 3_600_000;

export const MANAGER_OU = 'swarm-manager';
export const WORKER_OU = 'swarm-worker';

const provider = webcrypto;
// The library's types name the DOM's Crypto; Node's is the same thing.
x509.cryptoProvider.set(provider as never);

export interface KeyAndCert {
  readonly keyPem: string;
  readonly certPem: string;
}

export interface NodeIdentity {
  readonly nodeId: string;
  readonly clusterId: string;
  readonly role: NodeRole;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export async function createRootCa(nowMs: number): Promise<KeyAndCert> {
  const keys = await provider.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=swarm-ca',
    notBefore: new Date(nowMs - BACKDATE_MS),
    notAfter: new Date(nowMs + ROOT_YEARS * YEAR_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: await rootExtensions(keys.publicKey),
  });
  return { keyPem: await exportKey(keys.privateKey), certPem: `${cert.toString('pem').trimEnd()}\n` };
}

export async function rootExtensions(key: x509.PublicKeyType): Promise<x509.Extension[]> {
  return [
    new x509.BasicConstraintsExtension(true, 1, true),
    new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    await x509.SubjectKeyIdentifierExtension.create(key),
  ];
}

/** The certificates of a bundle. */
export function splitBundle(pem: string): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----\n?/g) ?? [];
}

export function sameCertificate(a: string, b: string): boolean {
  return new X509Certificate(a).fingerprint256 === new X509Certificate(b).fingerprint256;
}

/** A new key and a request for a certificate; which names it gets is the CA's decision. */
export async function createRequest(): Promise<{ readonly keyPem: string; readonly csrPem: string }> {
  const keys = await provider.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=swarm-node',
    keys,
    signingAlgorithm: ALGORITHM,
  });
  return { keyPem: await exportKey(keys.privateKey), csrPem: csr.toString('pem') };
}

export interface SigningOrder {
  readonly csrPem: string;
  readonly nodeId: string;
  readonly clusterId: string;
  readonly role: NodeRole;
  readonly validForMs: number;
  readonly nowMs: number;
}

/** Signs a node's request. Throws SwarmtsError 'invalid-argument' for a malformed or wrongly signed one. */
export function signNodeCertificate(root: KeyAndCert, order: SigningOrder): Promise<string> {
  return signCertificate(root, nodeCertificateOrder(order));
}

export function nodeCertificateOrder(order: SigningOrder): CertificateOrder {
  const unit = order.role === NodeRole.MANAGER ? MANAGER_OU : WORKER_OU;
  return {
    ...order,
    unit,
    name: order.nodeId,
    usages: [x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth],
    dnsNames: [unit, order.nodeId],
  };
}

export interface CertificateOrder {
  readonly csrPem: string;
  readonly clusterId: string;
  /** What the holder may be, as the organizational unit of the subject. */
  readonly unit: string;
  readonly name: string;
  readonly usages: readonly x509.ExtendedKeyUsage[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses?: readonly string[];
  readonly validForMs: number;
  readonly nowMs: number;
}

/** Signs a request: of it only the key is taken. Throws SwarmtsError 'invalid-argument' for a malformed or wrongly signed one. */
export async function signCertificate(root: KeyAndCert, order: CertificateOrder): Promise<string> {
  const csr = await parseRequest(order.csrPem);
  const names = [
    ...order.dnsNames.map((value) => ({ type: 'dns' as const, value })),
    ...(order.ipAddresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  const issuer = new x509.X509Certificate(root.certPem);
  const cert = await x509.X509CertificateGenerator.create({
    subject: [{ O: [order.clusterId] }, { OU: [order.unit] }, { CN: [order.name] }],
    issuer: issuer.subjectName,
    notBefore: new Date(order.nowMs - BACKDATE_MS),
    notAfter: new Date(order.nowMs + order.validForMs),
    signingAlgorithm: ALGORITHM,
    publicKey: csr.publicKey,
    signingKey: await importKey(root.keyPem),
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      // Roots have equal names: the key tells which of two is meant.
      await authorityKeyOf(issuer),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment, true),
      new x509.ExtendedKeyUsageExtension([...order.usages]),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
    ],
  });
  return cert.toString('pem');
}

/** Refers to the key of a root as the root itself does: it need not be one of ours. */
export async function authorityKeyOf(root: x509.X509Certificate): Promise<x509.AuthorityKeyIdentifierExtension> {
  const own = root.getExtension(x509.SubjectKeyIdentifierExtension);
  return own
    ? new x509.AuthorityKeyIdentifierExtension(own.keyId)
    : x509.AuthorityKeyIdentifierExtension.create(root.publicKey);
}

/** Throws SwarmtsError 'invalid-argument' for a malformed or wrongly signed one. */
export async function parseRequest(csrPem: string): Promise<x509.Pkcs10CertificateRequest> {
  try {
    const csr = new x509.Pkcs10CertificateRequest(csrPem);
    if (await csr.verify()) return csr;
  } catch (e) {
    throw new SwarmtsError('invalid-argument', 'malformed certificate signing request', { cause: e });
  }
  throw new SwarmtsError('invalid-argument', 'the certificate signing request is not signed by its own key');
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await provider.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}

export async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  return provider.subtle.importKey('pkcs8', x509.PemConverter.decodeFirst(pem), ALGORITHM, false, ['sign']);
}

/**
 * Who a certificate (DER or PEM) says its holder is. Throws SwarmtsError 'unauthenticated' unless one of the roots signed it and
 * it is valid at `nowMs`.
 */
export function verifyNodeCertificate(cert: string | Uint8Array, rootPem: string, nowMs: number): NodeIdentity {
  const c = new X509Certificate(cert);
  if (!issuerOf(c, rootPem))
    throw new SwarmtsError('unauthenticated', 'the certificate was not issued by this cluster');
  const identity = identityOf(c);
  if (nowMs < identity.notBeforeMs)
    throw new SwarmtsError('unauthenticated', `the certificate is not valid before ${c.validFrom}`);
  if (nowMs > identity.notAfterMs) throw new SwarmtsError('unauthenticated', `the certificate expired at ${c.validTo}`);
  return identity;
}

/** The root of the bundle that issued the certificate. */
export function issuerOf(cert: X509Certificate, bundlePem: string): X509Certificate | undefined {
  return splitBundle(bundlePem)
    .map((pem) => new X509Certificate(pem))
    .find((root) => cert.checkIssued(root) && cert.verify(root.publicKey));
}

/** Reads a certificate without judging it. */
export function identityOf(cert: X509Certificate | string): NodeIdentity {
  const c = typeof cert === 'string' ? new X509Certificate(cert) : cert;
  const field = (name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(c.subject)?.[1] ?? '';
  const ou = field('OU');
  if (ou !== MANAGER_OU && ou !== WORKER_OU)
    throw new SwarmtsError('unauthenticated', `unknown role '${ou}' in certificate`);
  return {
    nodeId: field('CN'),
    clusterId: field('O'),
    role: ou === MANAGER_OU ? NodeRole.MANAGER : NodeRole.WORKER,
    notBeforeMs: Date.parse(c.validFrom),
    notAfterMs: Date.parse(c.validTo),
  };
}

/** Whether key and certificate belong together. */
export function keyMatches(keyPem: string, certPem: string): boolean {
  const fromKey = createPublicKey(createPrivateKey(keyPem)).export({ type: 'spki', format: 'der' });
  const fromCert = new X509Certificate(certPem).publicKey.export({ type: 'spki', format: 'der' });
  return Buffer.compare(fromKey, fromCert) === 0;
}
