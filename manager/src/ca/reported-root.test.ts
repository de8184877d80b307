import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { Node, NodeDescription } from '@swarmts/proto';
import { createRootCa, sameCertificate } from './certificates.js';
import { ReportedRoot } from './reported-root.js';

const NOW = Date.now();

function reporting(trustRoot: string, certIssuerPublicKey: Uint8Array = new Uint8Array(0)): Node {
  const tlsInfo = { trustRoot, certIssuerSubject: new Uint8Array(0), certIssuerPublicKey };
  return Node.create({ id: 'n', description: NodeDescription.create({ tlsInfo }) });
}

describe('a root as nodes report of it', () => {
  it('is looked for once in what thousands of nodes report alike', async () => {
    const [old, next] = [await createRootCa(NOW), await createRootCa(NOW)];
    let parsed = 0;
    const root = new ReportedRoot(next.certPem, (a, b) => {
      parsed++;
      return sameCertificate(a, b);
    });
    for (let i = 0; i < 1_000; i++) {
      assert.equal(root.isTrustedBy(reporting(old.certPem)), false);
      assert.equal(root.isTrustedBy(reporting(old.certPem + next.certPem)), true);
    }
    assert.equal(parsed, 3);
  });

  it('throws with every node that reports what is no certificate', async () => {
    const root = new ReportedRoot((await createRootCa(NOW)).certPem);
    const garbage = reporting('-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n');
    for (let i = 0; i < 2; i++) assert.throws(() => root.isTrustedBy(garbage));
    assert.equal(root.isTrustedBy(Node.create({ id: 'new' })), false);
  });

  it('has issued what names its key', async () => {
    const { certPem } = await createRootCa(NOW);
    const root = new ReportedRoot(certPem);
    const key = new X509Certificate(certPem).publicKey.export({ type: 'spki', format: 'der' });
    assert.deepEqual([root.hasIssuedFor(reporting('', key)), root.hasIssuedFor(reporting(certPem))], [true, false]);
  });
});
