// An authority of its own for a test: certificates for members, made by the openssl command in a temporary directory.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsIdentity } from './grpc-transport.js';

const CURVE = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

export class TestAuthority {
  readonly directory = mkdtempSync(join(tmpdir(), 'raft-ca-'));

  constructor() {
    this.#openssl(
      'req',
      '-x509',
      ...CURVE,
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
      '-days',
      '2',
      '-subj',
      '/CN=authority',
    );
  }

  /** A certificate with the common name `member-<id>`, for localhost and 127.0.0.1. */
  issue(id: number): TlsIdentity {
    const name = `member-${id}`;
    writeFileSync(join(this.directory, 'ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1');
    this.#openssl('req', ...CURVE, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const signing = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2', '-extfile', 'ext'];
    this.#openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, ...signing);
    const read = (file: string): Buffer => readFileSync(join(this.directory, file));
    return { ca: read('ca.crt'), cert: read(`${name}.crt`), key: read(`${name}.key`) };
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.directory, stdio: 'pipe' });
  }

  remove(): void {
    rmSync(this.directory, { recursive: true });
  }
}

/** The member that a certificate of the test authority stands for. */
export function memberOf(certificate: { readonly subject: { readonly CN?: string | string[] } }): number | undefined {
  const match = /^member-(\d+)$/.exec(String(certificate.subject.CN));
  return match === null ? undefined : Number(match[1]);
}
