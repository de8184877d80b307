/** The root of a swarm is replaced while it runs, and a node whose certificate has expired comes back. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createRequest, createRootCa, identityOf, signNodeCertificate } from '@swarmts/manager';
import { CfsslServer } from '../cfssl.js';
import { api } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { failed, newLab, nodesOf, ok, untilRunning, untilState } from './testing.js';

interface NodeTls {
  readonly Description: {
    readonly Hostname: string;
    readonly TLSInfo?: { readonly TrustRoot?: string; readonly CertIssuerPublicKey?: string };
  };
}

describe('certificates', () => {
  let lab: Lab;
  let ca: CfsslServer;
  let own: { readonly keyPem: string; readonly certPem: string };
  before(async () => {
    lab = await newLab({ managers: 3, workers: 1 });
    own = await createRootCa(Date.now());
    ok(await lab.swarmts('m1', 'service', 'create', '-q', '--name', 'web', '--replicas', '4', 'registry:5000/whoami'));
  });
  after(() => lab.down());
  const certificates = (node: string) => join(lab.dataRoot(node), 'swarm', 'certificates');
  const docker = async (...args: readonly string[]) => ok(await lab.docker('m1', ...args));
  const taskIds = async () => (await untilRunning(lab, 'm1', 'web', 4)).map((t) => t.ID).sort();
  const roots = async () => {
    const nodes = await api<readonly NodeTls[]>(lab.socket('m1'), 'GET', '/nodes');
    return new Set(nodes.map((n) => n.Description.TLSInfo?.TrustRoot));
  };
  const token = async (role: string) => (await docker('swarm', 'join-token', '-q', role)).trim();

  it('docker rotates the root: every node follows, no task is restarted, tokens are new', async () => {
    const [tasks, before, oldToken] = [await taskIds(), await roots(), await token('worker')];
    assert.equal(before.size, 1);
    const out = await docker('swarm', 'ca', '--rotate');
    assert.match(out, /BEGIN CERTIFICATE/);
    const [root] = await roots();
    assert.equal((await roots()).size, 1);
    assert.ok(root !== undefined && !before.has(root));
    assert.equal(ok(await lab.swarmts('m2', 'swarm', 'ca')).trim(), root.trim());
    assert.deepEqual(await taskIds(), tasks);
    await lab.addNode('w2', 'worker');
    await lab.start('w2');
    assert.match(
      failed(await lab.swarmts('w2', 'join', '--token', oldToken, '10.210.0.11:2377')),
      /does not match fingerprint/,
    );
    ok(await lab.swarmts('w2', 'join', '--token', await token('worker'), '10.210.0.11:2377'));
  });

  it('a node that is away holds the rotation up, others can join meanwhile, and it follows when it is back', async () => {
    await lab.kill('w1');
    ok(await lab.swarmts('m1', 'swarm', 'ca', '--rotate', '--detach'));
    assert.match(failed(await lab.swarmts('m1', 'swarm', 'ca', '--rotate', '--detach')), /under way already/);
    await lab.addNode('w3', 'worker');
    await lab.start('w3');
    ok(await lab.swarmts('w3', 'join', '--token', await token('worker'), '10.210.0.11:2377'));
    await untilState(lab, 'm1', 'w3', 'ready');
    assert.match(await docker('info'), /Managers: 3/);
    await lab.start('w1');
    await waitFor('the rotation is over', 60_000, async () => {
      const swarm = await api<{ readonly RootRotationInProgress: boolean }>(lab.socket('m1'), 'GET', '/swarm');
      return !swarm.RootRotationInProgress && (await roots()).size === 1;
    });
    await untilState(lab, 'm1', 'w1', 'ready');
    await taskIds();
  });

  it('the root may be one of your own; one without its key, or too old, is refused', async () => {
    const [cert, key] = [join(lab.dataRoot('m1'), 'own.crt'), join(lab.dataRoot('m1'), 'own.key')];
    writeFileSync(cert, own.certPem);
    writeFileSync(key, own.keyPem);
    assert.match(failed(await lab.docker('m1', 'swarm', 'ca', '--rotate', '--ca-cert', cert)), /--ca-key/);
    const other = join(lab.dataRoot('m1'), 'other.key');
    writeFileSync(other, (await createRootCa(Date.now())).keyPem);
    assert.match(
      failed(await lab.docker('m1', 'swarm', 'ca', '--rotate', '--ca-cert', cert, '--ca-key', other)),
      /its key is another one/,
    );
    const out = ok(await lab.swarmts('m1', 'swarm', 'ca', '--rotate', '--ca-cert', cert, '--ca-key', key));
    assert.match(out, /rotated TLS certificates: 6\/6 nodes/);
    assert.ok(out.includes(own.certPem.trim()));
    assert.deepEqual([...(await roots())], [own.certPem]);
    for (const f of [cert, key, other]) rmSync(f);
  });

  it('a node whose certificate has expired says so, and comes back as itself', async () => {
    await lab.kill('w1');
    const dir = certificates('w1');
    const { nodeId, clusterId, role } = identityOf(readFileSync(join(dir, 'swarm-node.crt'), 'utf8'));
    const { keyPem, csrPem } = await createRequest();
    const order = { csrPem, nodeId, clusterId, role, validForMs: 3_600_000, nowMs: Date.now() - 7_200_000 };
    writeFileSync(join(dir, 'swarm-node.crt'), await signNodeCertificate(own, order));
    writeFileSync(join(dir, 'swarm-node.key'), keyPem);
    await lab.start('w1');
    await untilState(lab, 'm1', 'w1', 'down');
    assert.match(
      failed(await lab.swarmts('w1', 'node', 'recover', '--token', await token('manager'))),
      /of another role/,
    );
    assert.match(failed(await lab.swarmts('w1', 'node', 'recover', '--token', 'rubbish')), /invalid join token/);
    ok(await lab.swarmts('w1', 'node', 'recover', '--token', await token('worker')));
    const back = await untilState(lab, 'm1', 'w1', 'ready');
    assert.equal(back.ID, nodeId);
    assert.equal((await nodesOf(lab, 'm1')).length, 6);
    await taskIds();
  });

  it('the root may be one whose key only an external CA has: it signs for every node, and for those that join', async () => {
    ca = new CfsslServer(lab, 'm1');
    const rotate = ['swarm', 'ca', '--rotate', '--ca-cert', ca.rootFile, '--external-ca', ca.flag] as const;
    assert.match(failed(await lab.docker('m1', ...rotate)), /no external CA can be reached: https:.*ECONNREFUSED/);
    await ca.start(own.certPem);
    const tasks = await taskIds();
    assert.ok((await docker(...rotate)).includes(ca.rootPem.trim()));
    assert.deepEqual([...(await roots())], [ca.rootPem]);
    assert.deepEqual(await taskIds(), tasks);
    assert.match(await docker('info'), /External CAs:\n\s+cfssl: https:\/\/10\.210\.0\.11:8888\/api\/v1\/cfssl\/sign/);
    await lab.addNode('w4', 'worker');
    await lab.start('w4');
    const joining = ['swarm', 'join', '--token', await token('worker'), '10.210.0.12:2377'] as const;
    ca.stop();
    const joined = lab.docker('w4', ...joining);
    await ca.start();
    ok(await joined);
    await untilState(lab, 'm1', 'w4', 'ready');
    const cert = readFileSync(join(certificates('w4'), 'swarm-node.crt'));
    assert.ok(new X509Certificate(cert).checkIssued(new X509Certificate(ca.rootPem)));
    ok(await lab.swarmts('m1', 'swarm', 'ca', '--rotate'));
    assert.ok(!(await roots()).has(ca.rootPem));
    assert.deepEqual(await taskIds(), tasks);
  });

  it('a swarm may begin with such a root, which was placed before', async () => {
    await lab.addNode('x1', 'manager');
    await lab.start('x1');
    const place = (file: string, pem: string) => writeFileSync(join(certificates('x1'), file), pem);
    mkdirSync(certificates('x1'), { recursive: true });
    place('swarm-root-ca.crt', ca.rootPem);
    const init = ['swarm', 'init', '--advertise-addr', 'eth0', '--external-ca', ca.flag] as const;
    assert.match(
      failed(await lab.docker('x1', ...init)),
      /it asks for a client certificate, and this node has none yet/,
    );
    const subject = { CN: 'firstmanager', names: [{ O: 'outside', OU: 'swarm-manager' }] };
    const { cert, key } = ca.issue('x1', subject, ['swarm-manager', 'firstmanager']);
    place('swarm-node.crt', cert);
    place('swarm-node.key', key);
    ok(await lab.docker('x1', ...init));
    const { ID: id } = await untilState(lab, 'x1', 'x1', 'ready');
    assert.equal(id, 'firstmanager');
    assert.equal(ok(await lab.docker('x1', 'swarm', 'ca')).trim(), ca.rootPem.trim());
    assert.match(
      failed(await lab.swarmts('x1', 'swarm', 'update', '--external-ca', 'protocol=cfssl,url=https://10.210.0.11:1')),
      /no external CA can be reached/,
    );
  });

  it('settings of the swarm that make no sense are refused', async () => {
    assert.match(
      failed(await lab.docker('m1', 'swarm', 'update', '--cert-expiry', '1m')),
      /minimum certificate expiry time is 1 hour/,
    );
    assert.match(
      failed(await lab.swarmts('m1', 'swarm', 'update', '--dispatcher-heartbeat', '1ms')),
      /at least 100 ms/,
    );
    await docker('swarm', 'update', '--cert-expiry', '4320h');
    assert.match(await docker('info'), /Expiry Duration: 6 months/);
    assert.match(
      failed(await lab.swarmts('m1', 'client-cert', 'create', 'ann', '--role', 'admin', '--expiry', '999999h')),
      /at least one hour \(1h\) and at most ten years \(87600h\)/,
    );
  });
});
