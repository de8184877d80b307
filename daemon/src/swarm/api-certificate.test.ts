import assert from 'node:assert/strict';
import { silentLogger, systemClock } from '@swarmts/lib';
import { type CredentialFiles, Credentials, createRequest, createRootCa, signNodeCertificate } from '@swarmts/manager';
import { Node, NodeRole, NodeStatus } from '@swarmts/proto';
import { ApiCertificate } from './api-certificate.js';

async function nodeFiles(): Promise<CredentialFiles> {
  const nowMs = Date.now();
  const root = await createRootCa(nowMs);
  const { keyPem, csrPem } = await createRequest();
  const order = { csrPem, nodeId: 'n', clusterId: 'c', role: NodeRole.WORKER, validForMs: 3_600_000, nowMs };
  return { keyPem, certPem: await signNodeCertificate(root, order), rootPem: root.certPem };
}

describe("the certificate of a node's API", () => {
  let credentials: Credentials | undefined;
  let record: Node | undefined;
  let revoked: ReadonlySet<string>;
  let asked: string[];
  let fails: boolean;
  let certificate: ApiCertificate;
  let files: CredentialFiles;

  beforeEach(async () => {
    files = await nodeFiles();
    [credentials, record, revoked, asked, fails] = [undefined, undefined, new Set<string>(), [], false];
    certificate = new ApiCertificate({
      credentials: () => credentials,
      record: () => record,
      revokedClients: () => revoked,
      managers: () => ['m1', 'm2'],
      clock: systemClock,
      random: Math.random,
      log: silentLogger,
      request: async (addr) => {
        asked.push(addr);
        if (fails || addr === 'm1') throw new Error('does not answer');
        return files;
      },
    });
  });
  afterEach(() => certificate.stop());

  const changes = () => new Promise<void>((resolve) => certificate.onChange(resolve));
  const appear = async () => {
    credentials = new Credentials(files);
    record = Node.create({ id: 'n', status: NodeStatus.create({ addr: '10.0.0.1' }) });
    const changed = changes();
    certificate.mark();
    await changed;
  };

  it('comes with what was taken back of the clients', async () => {
    await appear();
    revoked = new Set(['0A']);
    const changed = changes();
    certificate.mark();
    await changed;
    assert.deepEqual(certificate.material?.revoked, revoked);
    assert.deepEqual(asked, ['m1', 'm2'], 'no other certificate is needed for that');
  });

  it('is asked for once the node is known, of the next manager where one does not answer', async () => {
    assert.equal(certificate.material, undefined);
    await appear();
    assert.deepEqual(asked, ['m1', 'm2']);
    assert.deepEqual(certificate.material, {
      certPem: files.certPem,
      keyPem: files.keyPem,
      clientCaPem: files.rootPem,
      clusterId: 'c',
      revoked: new Set(),
    });
  });

  it('is asked for again after failures', async () => {
    fails = true;
    const waiting = appear();
    while (asked.length < 4) await new Promise(setImmediate);
    fails = false;
    await waiting;
    assert.equal(certificate.material?.certPem, files.certPem);
  });

  it('is replaced when the address changes', async () => {
    await appear();
    record = Node.create({ id: 'n', status: NodeStatus.create({ addr: '10.0.0.2' }) });
    const changed = changes();
    certificate.mark();
    await changed;
    assert.equal(asked.length, 4);
  });

  it('is gone when the node leaves', async () => {
    await appear();
    const changed = changes();
    credentials = undefined;
    assert.equal(certificate.material, undefined);
    certificate.mark();
    await changed;
    credentials = new Credentials(files);
    assert.equal(certificate.material, undefined);
  });
});
