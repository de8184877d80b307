/**
 * The authorities that registries are trusted by: the machine's own, where administrators add theirs, and else those that came with
 * Node. Source of the places: the documentation of Go's crypto/x509, which dockerd has them from.
 */
import { readFileSync } from 'node:fs';
import { rootCertificates } from 'node:tls';

const BUNDLES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/tls/cacert.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** PEM texts, each with one certificate or several. SSL_CERT_FILE names another file. */
export function trustedRoots(): readonly string[] {
  const given = process.env.SSL_CERT_FILE;
  for (const path of given ? [given] : BUNDLES) {
    try {
      return [readFileSync(path, 'utf8')];
    } catch {
      // Other distributions keep it elsewhere.
    }
  }
  return rootCertificates;
}
