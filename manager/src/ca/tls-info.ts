/** What a node tells of its own TLS: whom it trusts, and which of the roots issued its certificate. */
import { X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { TlsInfo } from '@swarmts/proto';
import { issuerOf } from './certificates.js';
import type { CredentialFiles } from './credentials.js';

export function tlsInfoOf(files: CredentialFiles): TlsInfo {
  const issuer = issuerOf(new X509Certificate(files.certPem), files.rootPem);
  if (!issuer) return TlsInfo.create({ trustRoot: files.rootPem });
  return TlsInfo.create({
    trustRoot: files.rootPem,
    certIssuerSubject: new Uint8Array(new x509.X509Certificate(issuer.raw).subjectName.toArrayBuffer()),
    certIssuerPublicKey: issuer.publicKey.export({ type: 'spki', format: 'der' }),
  });
}
