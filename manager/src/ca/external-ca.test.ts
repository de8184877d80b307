import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { isSwarmtsError, seededRandom, silentLogger, systemClock } from '@swarmts/lib';
import { Cluster, ClusterSpec, ExternalCa, NodeRole, RootCa, RootRotation } from '@swarmts/proto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import {
  ALGORITHM,
  createRequest,
  createRootCa,
  importKey,
  type KeyAndCert,
  nodeCertificateOrder,
  signNodeCertificate,
  verifyNodeCertificate,
} from './certificates.js';
import { ExternalCas, externalRootOf } from './external-ca.js';
import { ExternalCaBed } from './external-ca-bed.js';
import { vouchesFor } from './new-root.js';

const HOUR_MS = 3_600_000;
const limits = { exchangeMs: 400, totalMs: 900 };
const common = { clock: systemClock, log: silentLogger, random: seededRandom(1) };
const NEVER = new AbortController().signal;

async function orderOf(change: { readonly role?: NodeRole } = {}) {
  const { keyPem, csrPem } = await createRequest();
  const order = { csrPem, nodeId: 'node1', clusterId: 'cluster1', role: NodeRole.WORKER, validForMs: HOUR_MS };
  return { keyPem, order: nodeCertificateOrder({ ...order, nowMs: Date.now(), ...change }) };
}

async function managerOf(root: KeyAndCert): Promise<KeyAndCert> {
  const { keyPem, csrPem } = await createRequest();
  const who = { nodeId: 'm1', clusterId: 'cluster1', role: NodeRole.MANAGER };
  return {
    keyPem,
    certPem: await signNodeCertificate(root, { ...who, csrPem, validForMs: HOUR_MS, nowMs: Date.now() }),
  };
}

describe('an external CA', () => {
  let ca: ExternalCaBed;
  let cas: ExternalCas;
  beforeEach(async () => {
    ca = await ExternalCaBed.start();
    const identity = await managerOf(ca.root);
    cas = new ExternalCas({ ...common, identity: () => identity, limits });
  });
  afterEach(() => ca.close());
  const rootWith = (...urls: readonly string[]) => ({ urls, certPem: ca.root.certPem, trustedPem: ca.root.certPem });
  const sign = async (...urls: readonly string[]) => cas.sign(rootWith(...urls), (await orderOf()).order, NEVER);
  const refusal = (message: RegExp) => (e: unknown) =>
    isSwarmtsError(e, 'failed-precondition') && message.test(e.message);

  it('is sent the request with subject and hosts by a manager that says who it is', async () => {
    const { order } = await orderOf({ role: NodeRole.MANAGER });
    const certPem = await cas.sign(rootWith(ca.url), order, NEVER);
    const { nodeId, clusterId, role } = verifyNodeCertificate(certPem, ca.root.certPem, Date.now());
    assert.deepEqual([nodeId, clusterId, role], ['node1', 'cluster1', NodeRole.MANAGER]);
    const [{ body, clientUnit } = assert.fail()] = ca.requests;
    assert.equal(clientUnit, 'swarm-manager');
    assert.deepEqual(body, {
      certificate_request: order.csrPem,
      hosts: ['swarm-manager', 'node1'],
      subject: { CN: 'node1', names: [{ O: 'cluster1', OU: 'swarm-manager' }] },
    });
  });

  it('that is down is passed over for the next one', async () => {
    const gone = await ExternalCaBed.start({ root: ca.root });
    await gone.close();
    await sign(gone.url, ca.url);
    assert.equal(ca.requests.length, 1);
  });

  it('that is down for a moment is asked again', async () => {
    await ca.close();
    const signed = sign(ca.url);
    await ca.listen();
    assert.match(await signed, /BEGIN CERTIFICATE/);
  });

  it('that comes back too late is named, with what is wrong', async () => {
    await ca.close();
    const gone = ca.url;
    ca = await ExternalCaBed.start();
    await assert.rejects(sign(gone), refusal(new RegExp(`has not signed the certificate: ${gone}: .*ECONNREFUSED`)));
  });

  it('that does not answer is given up after its time', async () => {
    ca.instead = () => true;
    await assert.rejects(sign(ca.url), refusal(/it does not answer within 0.4 s/));
  });

  it('that refuses is quoted, and not asked again', async () => {
    ca.instead = (answer) => {
      const errors = [{ code: 5200, message: 'Invalid or unknown policy' }];
      answer.writeHead(400).end(JSON.stringify({ success: false, result: null, errors }));
      return true;
    };
    await assert.rejects(sign(ca.url), refusal(/it refuses: Invalid or unknown policy/));
    assert.equal(ca.requests.length, 1);
  });

  it('may be told to come back by whoever stops', async () => {
    const stop = new AbortController();
    ca.instead = () => {
      stop.abort();
      return true;
    };
    await assert.rejects(cas.sign(rootWith(ca.url), (await orderOf()).order, stop.signal), refusal(/aborted/));
  });

  it('has to show a certificate of the root that it signs with', async () => {
    const foreign = await ExternalCaBed.start();
    try {
      const only = new AbortController();
      const signed = cas.sign(
        rootWith(foreign.url),
        (await orderOf()).order,
        AbortSignal.any([only.signal, AbortSignal.timeout(300)]),
      );
      await assert.rejects(signed, refusal(/its TLS certificate is not of the swarm's root CA/));
      assert.equal(foreign.requests.length, 0, 'nothing was sent to it');
      await assert.rejects(cas.checkReachable(rootWith(foreign.url)), /its TLS certificate is not of the swarm/);
    } finally {
      await foreign.close();
    }
  });

  for (const [what, status, text] of [
    ['no JSON', 200, '<html>'],
    ['no object', 200, 'null'],
    ['a success without certificate', 200, '{"success":true,"result":{}}'],
    ['neither success nor errors', 200, '{}'],
    ['an error of the server', 503, 'busy'],
    ['more than a certificate can be', 200, 'x'.repeat(300_000)],
  ] as const) {
    it(`that answers with ${what} is asked again, and named`, async () => {
      ca.instead = (answer) => {
        answer.writeHead(status).end(text);
        return true;
      };
      const signed = cas.sign(rootWith(ca.url), (await orderOf()).order, AbortSignal.timeout(800));
      await assert.rejects(signed, refusal(/not of the CFSSL protocol|HTTP status 503|longer than|aborted|timeout/));
      assert.ok(ca.requests.length > 1);
    });
  }

  it('gives nobody a certificate that is not what was ordered', async () => {
    const other = await createRootCa(Date.now());
    const foreignKey = (await createRequest()).csrPem;
    const clientOnly = (await orderOf()).order.usages.slice(1);
    for (const [altered, message] of [
      [{ signer: other }, /not by the key of the swarm's root CA/],
      [{ csrPem: foreignKey }, /for another key than the one that was sent/],
      [{ name: 'node2' }, /CN=node2 in its subject instead of CN=node1/],
      [{ unit: 'swarm-manager' }, /OU=swarm-manager in its subject instead of OU=swarm-worker/],
      [{ clusterId: 'other' }, /O=other in its subject instead of O=cluster1/],
      [{ dnsNames: ['node1'] }, /lacks the hosts swarm-worker/],
      [{ usages: clientOnly }, /its profile needs "server auth"/],
      [{ nowMs: Date.now() - 3 * HOUR_MS }, /is valid from .*, and not now/],
    ] as const) {
      ca.alter = () => altered;
      await assert.rejects(sign(ca.url), refusal(message));
    }
  });

  it('is not sent a request that is none', async () => {
    const { order } = await orderOf();
    await assert.rejects(cas.sign(rootWith(ca.url), { ...order, csrPem: 'nonsense' }, NEVER), (e) =>
      isSwarmtsError(e, 'invalid-argument'),
    );
    assert.equal(ca.requests.length, 0);
  });

  it('is reachable when one of several is', async () => {
    const gone = await ExternalCaBed.start({ root: ca.root });
    await gone.close();
    await cas.checkReachable(rootWith(gone.url, ca.url));
    await assert.rejects(cas.checkReachable(rootWith(gone.url)), /no external CA can be reached: https.*ECONNREFUSED/);
  });

  it('is told that this manager has no certificate yet where it insists on one', async () => {
    const strict = await ExternalCaBed.start({ root: ca.root, clients: 'required' });
    const nobody = new ExternalCas({ ...common, identity: () => undefined });
    try {
      const { order } = await orderOf();
      assert.match(await cas.sign(rootWith(strict.url), order, NEVER), /BEGIN/);
      await assert.rejects(
        nobody.sign(rootWith(strict.url), order, AbortSignal.timeout(300)),
        refusal(/it asks for a client certificate, and this node has none yet/),
      );
    } finally {
      await strict.close();
    }
  });

  it('certifies a new root as a CA, or is told which profile it lacks', async () => {
    const fresh = await createRootCa(Date.now());
    await assert.rejects(cas.crossSign(rootWith(ca.url), fresh, NEVER), refusal(/give it a profile "CA" that may/));
    const [{ body } = assert.fail()] = ca.requests;
    assert.equal(body.profile, 'CA');
    assert.deepEqual(body.extensions, [{ id: '2.5.29.19', critical: true, value: '30060101ff020101' }]);
    assert.ok(new X509Certificate(fresh.certPem).ca);
  });
});

describe('who signs', () => {
  const pem = (text: string) => Buffer.from(text);
  const clusterOf = (rootCa: Partial<RootCa>, externalCas: readonly Partial<ExternalCa>[]) =>
    Cluster.create({
      rootCa: RootCa.create(rootCa),
      spec: ClusterSpec.create({
        ca: { nodeCertExpiryNs: 0, forceRotate: 0, externalCas: externalCas.map((c) => ExternalCa.create(c)) },
      }),
    });

  it('is the external CA of the root that issues: the present one, and during a rotation the next one when all trust it', async () => {
    const [present, next] = [await createRootCa(Date.now()), await createRootCa(Date.now())];
    const externalCas = [
      { url: 'https://present', rootPem: pem(present.certPem) },
      { url: 'https://next', rootPem: pem(next.certPem) },
      { url: 'https://nobody', rootPem: pem('no certificate') },
    ];
    const rotation = RootRotation.create({ certPem: pem(next.certPem) });
    const urls = (rootCa: Partial<RootCa>) =>
      externalRootOf(clusterOf({ certPem: pem(present.certPem), ...rootCa }, externalCas))?.urls;
    assert.deepEqual(urls({}), ['https://present']);
    assert.deepEqual(urls({ rotation }), ['https://present']);
    assert.deepEqual(urls({ rotation: { ...rotation, issuing: true } }), ['https://next']);
    assert.equal(externalRootOf(clusterOf({ certPem: pem(present.certPem) }, externalCas.slice(1))), undefined);
  });
});

describe('a root that is vouched for', () => {
  it('is not one that a node has made of the key of its own certificate', async () => {
    const root = await createRootCa(Date.now());
    const node = await managerOf(root);
    const forged = await x509.X509CertificateGenerator.createSelfSigned({
      name: 'CN=swarm-ca',
      signingAlgorithm: ALGORITHM,
      keys: {
        privateKey: await importKey(node.keyPem),
        publicKey: await new x509.X509Certificate(node.certPem).publicKey.export(),
      },
      extensions: [new x509.BasicConstraintsExtension(true, 1, true)],
    });
    assert.equal(vouchesFor(root.certPem, node.certPem, forged.toString('pem')), false);
  });
});
