import assert from 'node:assert/strict';
import { createPrivateKey, webcrypto } from 'node:crypto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { createRootCa } from './certificates.js';
import { checkOwnRoot } from './new-root.js';

const NOW = Date.now();
const YEAR_MS = 365 * 24 * 3_600_000;

async function rsaRoot(modulusLength: number, years = 5): Promise<string> {
  const signingAlgorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
  const publicExponent = new Uint8Array([1, 0, 1]);
  const keys = await webcrypto.subtle.generateKey({ ...signingAlgorithm, modulusLength, publicExponent }, true, [
    'sign',
    'verify',
  ]);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    ...{ name: 'CN=ca.example,O=Example', signingAlgorithm, keys },
    notAfter: new Date(NOW + years * YEAR_MS),
    extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
  });
  return cert.toString('pem');
}

describe('a root that somebody brings', () => {
  it('may have its key in any form of PEM', async () => {
    const { keyPem, certPem } = await createRootCa(NOW);
    const sec1 = createPrivateKey(keyPem).export({ type: 'sec1', format: 'pem' }).toString();
    const checked = checkOwnRoot({ keyPem: sec1, certPem: `some text\n${certPem}` }, NOW);
    assert.deepEqual([checked.keyPem.trim(), checked.certPem], [keyPem.trim(), certPem]);
  });

  it('may have an RSA key that an external CA has, if it is long enough', async () => {
    const certPem = await rsaRoot(2048);
    assert.equal(checkOwnRoot({ certPem, keyPem: '' }, NOW).keyPem, '');
    const short = { certPem: await rsaRoot(1024), keyPem: '' };
    assert.throws(() => checkOwnRoot(short, NOW), /ECDSA, or RSA with at least 2048 bits/);
    const brief = { certPem: await rsaRoot(2048, 0.5), keyPem: '' };
    assert.throws(() => checkOwnRoot(brief, NOW), /in less than a year/);
  });

  it('is one certificate and no more', async () => {
    const [a, b] = [await createRootCa(NOW), await createRootCa(NOW)];
    const two = { ...a, certPem: a.certPem + b.certPem };
    assert.throws(() => checkOwnRoot(two, NOW), /several certificates in the file/);
  });
});
