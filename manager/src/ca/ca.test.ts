import assert from 'node:assert/strict';
import { isSwarmtsError } from '@swarmts/lib';
import { NodeRole } from '@swarmts/proto';
import { createRequest, createRootCa, keyMatches, signNodeCertificate, verifyNodeCertificate } from './certificates.js';
import { newJoinToken, parseJoinToken, rootDigest, sameToken } from './join-token.js';

const NOW = Date.now();
const HOUR_MS = 3_600_000;

async function issue(root: { readonly keyPem: string; readonly certPem: string }, validForMs = HOUR_MS) {
  const { keyPem, csrPem } = await createRequest();
  const certPem = await signNodeCertificate(root, {
    csrPem,
    nodeId: 'node1',
    clusterId: 'cluster1',
    role: NodeRole.WORKER,
    validForMs,
    nowMs: NOW,
  });
  return { keyPem, certPem };
}

describe('certificates', () => {
  it('say who the node is', async () => {
    const root = await createRootCa(NOW);
    const { keyPem, certPem } = await issue(root);
    const id = verifyNodeCertificate(certPem, root.certPem, NOW);
    assert.deepEqual([id.nodeId, id.clusterId, id.role], ['node1', 'cluster1', NodeRole.WORKER]);
    assert.ok(keyMatches(keyPem, certPem));
    assert.ok(id.notBeforeMs <= NOW - HOUR_MS + 1000, 'dated back by an hour');
  });

  it('of another root are refused, even with the same name', async () => {
    const [root, other] = [await createRootCa(NOW), await createRootCa(NOW)];
    const { certPem } = await issue(other);
    assert.throws(
      () => verifyNodeCertificate(certPem, root.certPem, NOW),
      (e) => isSwarmtsError(e, 'unauthenticated'),
    );
  });

  it('are refused after their time', async () => {
    const root = await createRootCa(NOW);
    const { certPem } = await issue(root);
    assert.throws(() => verifyNodeCertificate(certPem, root.certPem, NOW + 2 * HOUR_MS), /expired/);
  });

  it('are not issued for a malformed request', async () => {
    const root = await createRootCa(NOW);
    const order = { nodeId: 'n', clusterId: 'c', role: NodeRole.WORKER, validForMs: HOUR_MS, nowMs: NOW };
    for (const csrPem of [
      '',
      'nonsense',
      '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n',
    ]) {
      await assert.rejects(signNodeCertificate(root, { ...order, csrPem }), (e) =>
        isSwarmtsError(e, 'invalid-argument'),
      );
    }
  });
});

describe('join tokens', () => {
  it('pin the root and differ in their secret', async () => {
    const root = await createRootCa(NOW);
    const [a, b] = [newJoinToken(root.certPem), newJoinToken(root.certPem)];
    assert.match(a, /^SWMTKN-1-[0-9a-z]{50}-[0-9a-z]{25}$/);
    assert.equal(parseJoinToken(a).rootDigest, rootDigest(root.certPem));
    assert.equal(parseJoinToken(b).rootDigest, rootDigest(root.certPem));
    assert.ok(!sameToken(a, b) && sameToken(a, a));
  });

  it('without one it is said that it is necessary', () => {
    for (const none of ['', ' '])
      assert.throws(() => parseJoinToken(none), /^\w*Error: A valid join token is necessary to join this cluster: /);
  });

  for (const bad of ['SWMTKN', 'SWMTKN-2-x-y', 'SWMTKN-1-abc-def', `SWMTKN-1-${'A'.repeat(50)}-${'a'.repeat(25)}`]) {
    it(`'${bad}' is refused`, () => assert.throws(() => parseJoinToken(bad), /invalid join token/));
  }
});
