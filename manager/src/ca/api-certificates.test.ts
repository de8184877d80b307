import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { isSwarmtsError } from '@swarmts/lib';
import { Node, NodeDescription, NodeStatus } from '@swarmts/proto';
import { apiServerCertificateOrder, checkClientOrder, clientCertificateOrder } from './api-certificates.js';
import { createRequest, createRootCa, issuerOf, signCertificate, verifyNodeCertificate } from './certificates.js';

const NOW = Date.now();
const HOUR_MS = 3_600_000;
const signing = { clusterId: 'cluster1', nowMs: NOW };

describe('certificates of the API', () => {
  it('of clients say who they are and what they may do, and are none of a node', async () => {
    const root = await createRootCa(NOW);
    const { csrPem } = await createRequest();
    const order = { csrPem, name: 'ann', role: 'readonly' as const, validForMs: 2 * HOUR_MS };
    const cert = new X509Certificate(await signCertificate(root, clientCertificateOrder(order, signing)));
    assert.equal(cert.subject, 'O=cluster1\nOU=swarmts-readonly\nCN=ann');
    assert.ok(issuerOf(cert, root.certPem));
    assert.deepEqual(cert.keyUsage, ['1.3.6.1.5.5.7.3.2']);
    assert.equal(Math.round((Date.parse(cert.validTo) - NOW) / HOUR_MS), 2);
    assert.throws(
      () => verifyNodeCertificate(cert.raw, root.certPem, NOW),
      (e) => isSwarmtsError(e, 'unauthenticated'),
    );
  });

  it('of nodes are for the names and addresses that the managers know', async () => {
    const root = await createRootCa(NOW);
    const { csrPem } = await createRequest();
    const node = Node.create({
      id: 'node1',
      description: NodeDescription.create({ hostname: 'one' }),
      status: NodeStatus.create({ addr: '10.1.1.1' }),
      managerStatus: { raftId: 1, addr: '[fd00::1]:2377', leader: true, reachability: 2 },
    });
    const order = { ...signing, csrPem, hostname: 'one', validForMs: HOUR_MS };
    const cert = new X509Certificate(await signCertificate(root, apiServerCertificateOrder(node, order)));
    for (const address of ['127.0.0.1', '::1', '10.1.1.1', 'fd00::1']) assert.ok(cert.checkIP(address), address);
    for (const name of ['localhost', 'one', 'node1']) assert.ok(cert.checkHost(name), name);
    assert.ok(!cert.checkHost('two') && !cert.checkIP('10.1.1.2'));
    assert.deepEqual(cert.keyUsage, ['1.3.6.1.5.5.7.3.1']);
    assert.throws(() => verifyNodeCertificate(cert.raw, root.certPem, NOW), /unknown role/);
  });

  it('are not made for bad names, roles and times', () => {
    const good = { name: 'ann@ops-1.x', role: 'admin' as const, validForMs: HOUR_MS };
    checkClientOrder(good);
    for (const [change, message] of [
      [{ name: '' }, /invalid name ""/],
      [{ name: 'a/b' }, /invalid name "a\/b"/],
      [{ name: '-a' }, /invalid name "-a"/],
      [{ name: 'a'.repeat(65) }, /at most 64/],
      [{ role: 'boss' as 'admin' }, /invalid role "boss" of a client: use admin or readonly/],
      [{ validForMs: HOUR_MS - 1 }, /at least one hour/],
      [{ validForMs: Number.NaN }, /at least one hour/],
      [{ validForMs: 11 * 365 * 24 * HOUR_MS }, /at most ten years/],
    ] as const) {
      assert.throws(() => checkClientOrder({ ...good, ...change }), message);
    }
  });
});
