/**
 * Docker's TLSInfo of a root certificate: the certificate itself, its subject and public key in DER (RFC 5280, 4.1). Only
 * as much DER is read as leads to the two fields; a certificate that cannot be read shows only its PEM.
 */
import { X509Certificate } from 'node:crypto';
import type { TlsInfo } from '@swarmts/proto';

export function rootTlsInfo(pem: Uint8Array | undefined): TlsInfo | undefined {
  if (pem === undefined || pem.byteLength === 0) return undefined;
  const trustRoot = Buffer.from(pem).toString('utf8');
  const parts = subjectAndKey(trustRoot);
  return {
    trustRoot,
    certIssuerSubject: parts?.subject ?? new Uint8Array(),
    certIssuerPublicKey: parts?.key ?? new Uint8Array(),
  };
}

function subjectAndKey(pem: string): { subject: Uint8Array; key: Uint8Array } | undefined {
  try {
    const certificate = new X509Certificate(pem);
    const outer = elements(content(certificate.raw));
    const fields = elements(content(outer[0] ?? new Uint8Array()));
    // [0] version is optional: serial, signature, issuer, validity, subject, key follow.
    const first = fields[0]?.[0] === 0xa0 ? 1 : 0;
    const subject = fields[first + 4];
    const key = fields[first + 5];
    return subject === undefined || key === undefined ? undefined : { subject, key };
  } catch {
    return undefined;
  }
}

function header(der: Uint8Array): { start: number; end: number } {
  const first = der[1] ?? 0;
  if (first < 0x80) return { start: 2, end: 2 + first };
  const size = first & 0x7f;
  let length = 0;
  for (let i = 0; i < size; i++) length = length * 256 + (der[2 + i] ?? 0);
  return { start: 2 + size, end: 2 + size + length };
}

function content(der: Uint8Array): Uint8Array {
  const { start, end } = header(der);
  return der.subarray(start, end);
}

function elements(der: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let rest = der; rest.byteLength > 1; ) {
    const { end } = header(rest);
    out.push(rest.subarray(0, end));
    rest = rest.subarray(end);
  }
  return out;
}
