/** Certificates for tests of listeners, made by openssl: of a CA, a server, clients of both roles, and those who are none. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface Pair {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface TestCertificates {
  readonly ca: string;
  readonly server: Pair;
  readonly admin: Pair;
  readonly reader: Pair;
  /** Of a worker of the same cluster. */
  readonly node: Pair;
  /** Of an administrator of another cluster with the same CA. */
  readonly elsewhere: Pair;
  /** Of an administrator by the name, of another CA. */
  readonly stranger: Pair;
}

export function certificates(): TestCertificates {
  const dir = mkdtempSync(join(tmpdir(), 'swarmts-certs-'));
  try {
    const [ca, other] = [makeCa(dir, 'ca'), makeCa(dir, 'other')];
    const client = (unit: string, name: string, cluster = 'cluster1') =>
      sign(dir, ca, `/O=${cluster}/OU=${unit}/CN=${name}`);
    return {
      ca: readFileSync(`${ca}.pem`, 'utf8'),
      server: sign(dir, ca, '/O=cluster1/OU=swarmts-api/CN=node1', 'subjectAltName=IP:127.0.0.1,DNS:localhost'),
      admin: client('swarmts-admin', 'ann'),
      reader: client('swarmts-readonly', 'rob'),
      node: client('swarm-worker', 'node1'),
      elsewhere: client('swarmts-admin', 'eve', 'cluster2'),
      stranger: sign(dir, other, '/O=cluster1/OU=swarmts-admin/CN=mallory'),
    };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}

/** Path of the CA's files without their ending. */
function makeCa(dir: string, name: string): string {
  const path = join(dir, name);
  openssl('req', '-x509', ...EC_KEY, '-keyout', `${path}.key`, '-out', `${path}.pem`, '-subj', `/CN=${name}`);
  return path;
}

function sign(dir: string, ca: string, subject: string, extensions = 'basicConstraints=CA:FALSE'): Pair {
  const path = join(dir, 'leaf');
  writeFileSync(`${path}.ext`, extensions);
  openssl('req', '-new', ...EC_KEY, '-keyout', `${path}.key`, '-out', `${path}.csr`, '-subj', subject);
  const by = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-extfile', `${path}.ext`];
  openssl('x509', '-req', '-in', `${path}.csr`, ...by, '-out', `${path}.pem`);
  return { certPem: readFileSync(`${path}.pem`, 'utf8'), keyPem: readFileSync(`${path}.key`, 'utf8') };
}
