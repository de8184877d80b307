/** What somebody else has signed against what was ordered. Pure. */
import { X509Certificate } from 'node:crypto';
import { SwarmtsError } from '@swarmts/lib';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { type CertificateOrder, issuerOf } from './certificates.js';

export type Ordered = Pick<CertificateOrder, 'name' | 'unit' | 'clusterId' | 'usages' | 'dnsNames' | 'ipAddresses'> & {
  /** Of the request: subject public key info in DER. */
  readonly key: Buffer;
};

/** Throws SwarmtsError 'failed-precondition' unless the certificate is what was ordered. */
export function checkSigned(pem: string, rootPem: string, order: Ordered, nowMs: number): void {
  let cert: X509Certificate;
  try {
    cert = new X509Certificate(pem);
  } catch {
    throw refused('what it answers is no certificate');
  }
  if (!issuerOf(cert, rootPem)) throw refused("its certificate is not by the key of the swarm's root CA");
  if (!cert.publicKey.export({ type: 'spki', format: 'der' }).equals(order.key))
    throw refused('its certificate is for another key than the one that was sent');
  checkSubject(new x509.X509Certificate(cert.raw).subjectName, order);
  if (cert.ca) throw refused('its certificate is one of a CA, and no node may be that');
  const missing = order.usages.filter((usage) => cert.keyUsage !== undefined && !cert.keyUsage.includes(usage));
  if (missing.length > 0)
    throw refused(
      `its certificate may not be used as ordered: its profile needs ${missing.map(usageName).join(' and ')}`,
    );
  const nameless = [
    ...order.dnsNames.filter((name) => cert.checkHost(name) === undefined),
    ...(order.ipAddresses ?? []).filter((ip) => cert.checkIP(ip) === undefined),
  ];
  if (nameless.length > 0) throw refused(`its certificate lacks the hosts ${nameless.join(', ')} that were asked for`);
  if (nowMs < Date.parse(cert.validFrom) || nowMs > Date.parse(cert.validTo))
    throw refused(`its certificate is valid from ${cert.validFrom} to ${cert.validTo}, and not now`);
}

function checkSubject(subject: x509.Name, order: Ordered): void {
  for (const [field, wanted] of [
    ['CN', order.name],
    ['OU', order.unit],
    ['O', order.clusterId],
  ] as const) {
    const values = subject.getField(field);
    if (values.length !== 1 || values[0] !== wanted)
      throw refused(`its certificate says ${field}=${values.join(', ')} in its subject instead of ${field}=${wanted}`);
  }
}

/** As profiles of CFSSL call them. */
function usageName(oid: x509.ExtendedKeyUsageType): string {
  return oid === x509.ExtendedKeyUsage.serverAuth ? '"server auth"' : '"client auth"';
}

function refused(why: string): SwarmtsError {
  return new SwarmtsError('failed-precondition', why);
}
