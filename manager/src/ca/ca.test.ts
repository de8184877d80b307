import assert from 'node:assert/strict';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError } from '@swarmts/lib';
import { NodeRole } from '@swarmts/proto';
import { createRequest, createRootCa, keyMatches, signNodeCertificate, verifyNodeCertificate } from './certificates.js';
import { loadCredentials, saveCredentials } from './credentials.js';
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

  for (const bad of [
    '',
    'SWMTKN',
    'SWMTKN-2-x-y',
    'SWMTKN-1-abc-def',
    `SWMTKN-1-${'A'.repeat(50)}-${'a'.repeat(25)}`,
  ]) {
    it(`'${bad}' is refused`, () => assert.throws(() => parseJoinToken(bad), /invalid join token/));
  }
});

describe('credentials on disk', () => {
  let dir: string;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'swarmts-ca-'));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  it('come back as they were saved', async () => {
    const root = await createRootCa(NOW);
    const files = { ...(await issue(root)), rootPem: root.certPem };
    await saveCredentials(dir, files);
    const loaded = await loadCredentials(dir);
    assert.deepEqual(loaded?.files, files);
    assert.equal(loaded?.identity.nodeId, 'node1');
  });

  it('are undefined where there are none', async () => assert.equal(await loadCredentials(dir), undefined));

  it('survive a crash between the new certificate and the new key', async () => {
    const root = await createRootCa(NOW);
    const old = { ...(await issue(root)), rootPem: root.certPem };
    await saveCredentials(dir, old);
    const fresh = await mkdtemp(join(tmpdir(), 'swarmts-ca-'));
    await saveCredentials(fresh, { ...(await issue(root)), rootPem: root.certPem });
    await rename(join(fresh, 'swarm-node.crt'), join(dir, 'swarm-node.crt.next'));
    assert.equal((await loadCredentials(dir))?.files.certPem, old.certPem);
    await rename(join(fresh, 'swarm-node.key'), join(dir, 'swarm-node.key'));
    const loaded = await loadCredentials(dir);
    assert.ok(loaded && keyMatches(loaded.files.keyPem, loaded.files.certPem));
    await rm(fresh, { recursive: true });
  });

  it('are refused when key and certificate do not belong together', async () => {
    const root = await createRootCa(NOW);
    const [a, b] = [await issue(root), await issue(root)];
    await saveCredentials(dir, { keyPem: a.keyPem, certPem: b.certPem, rootPem: root.certPem });
    await assert.rejects(loadCredentials(dir), (e) => isSwarmtsError(e, 'corrupt'));
  });
});
