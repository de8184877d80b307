import assert from 'node:assert/strict';
import { silentLogger } from '@swarmts/lib';
import { Cluster, IssueCertificateRequest, Node, NodeSpec, NodeState, NodeStatus, RootCa } from '@swarmts/proto';
import { localStore } from '../store/store.js';
import { CaServer } from './ca-server.js';
import { createRequest, createRootCa } from './certificates.js';
import { ExternalCas } from './external-ca.js';

const NOW = Date.now();
const DAY_MS = 86_400_000;

async function bed() {
  const store = localStore(() => NOW);
  const root = await createRootCa(NOW);
  const setKey = (keyPem: string) =>
    store.update((tx) => {
      const rootCa = RootCa.create({ certPem: Buffer.from(root.certPem), keyPem: Buffer.from(keyPem) });
      const [cluster] = tx.list('cluster');
      if (cluster) tx.update('cluster', { ...cluster, rootCa });
      else tx.create('cluster', Cluster.create({ id: 'c', rootCa }));
    });
  await setKey(root.keyPem);
  await store.update((tx) => {
    const status = NodeStatus.create({ state: NodeState.NODE_READY });
    tx.create('node', Node.create({ id: 'n1', spec: NodeSpec.create({}), status }));
  });
  const clock = { now: () => NOW, monotonic: () => NOW, after: () => ({ cancel: () => undefined }) };
  const external = new ExternalCas({ clock, log: silentLogger, random: Math.random, identity: () => undefined });
  const ca = new CaServer({ store, now: () => NOW, external, signal: new AbortController().signal });
  const renew = async () => {
    const { csrPem } = await createRequest();
    return ca.issue(IssueCertificateRequest.create({ csrPem: Buffer.from(csrPem) }), 'n1');
  };
  const node = () => store.get('node', 'n1');
  return { root, setKey, renew, node };
}

describe('the certificate of a node', () => {
  it('is noted with its end', async () => {
    const { renew, node } = await bed();
    await renew();
    const end = node()?.certificateExpiresAtMs ?? 0;
    assert.ok(Math.abs(end - NOW - 90 * DAY_MS) < DAY_MS, `it ends in ${(end - NOW) / DAY_MS} days`);
  });

  it('that nobody can sign is told of at the node, until it is signed', async () => {
    const { root, setKey, renew, node } = await bed();
    await setKey('');
    await assert.rejects(renew(), /no key of the root CA/);
    assert.match(node()?.status?.message ?? '', /^its certificate was not renewed: the managers have no key/);
    await setKey(root.keyPem);
    await renew();
    assert.equal(node()?.status?.message, '');
    assert.equal(node()?.status?.state, NodeState.NODE_READY);
  });
});
