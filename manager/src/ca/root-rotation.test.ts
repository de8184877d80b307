import assert from 'node:assert/strict';
import { SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import { Cluster, Node, NodeDescription, RootCa, RootRotation } from '@swarmts/proto';
import { localStore } from '../store/store.js';
import { createRootCa } from './certificates.js';
import { RootRotator } from './root-rotation.js';

const GARBAGE = '-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n';

describe('a new root', () => {
  it('waits for a node that reports what is no certificate, and goes on when it has mended that', async () => {
    const clock = new SimulatedClock();
    const store = localStore(() => clock.now());
    const [old, next] = [await createRootCa(clock.now()), await createRootCa(clock.now())];
    const keys = { certPem: Buffer.from(next.certPem), keyPem: Buffer.from(next.keyPem) };
    const rotation = RootRotation.create(keys);
    const trusting = (id: string, trustRoot: string) => {
      const tlsInfo = { trustRoot, certIssuerSubject: new Uint8Array(), certIssuerPublicKey: new Uint8Array() };
      return Node.create({ id, description: NodeDescription.create({ tlsInfo }) });
    };
    await store.update((tx) => {
      const rootCa = RootCa.create({ certPem: Buffer.from(old.certPem), keyPem: Buffer.from(old.keyPem), rotation });
      tx.create('cluster', Cluster.create({ id: 'c', rootCa }));
      tx.create('node', trusting('n1', next.certPem));
      tx.create('node', trusting('n2', GARBAGE));
    });
    const told: unknown[] = [];
    const log = { ...silentLogger, warn: (_: string, f?: { node?: unknown }) => told.push(f?.node) };
    const onStuck = (e: unknown) => assert.fail(String(e));
    const rotator = new RootRotator({
      ...{ store, clock, random: seededRandom(1), onStuck },
      log: { ...log, error: (m: string) => assert.fail(m) },
    });
    const isIssuing = () => store.get('cluster', 'c')?.rootCa?.rotation?.issuing;
    rotator.start();
    await clock.advance(1000);
    assert.deepEqual([isIssuing(), told], [false, ['n2']]);
    await store.update((tx) => {
      const node = tx.get('node', 'n2');
      if (node) tx.update('node', { ...node, description: trusting('n2', next.certPem).description });
    });
    await clock.advance(1000);
    assert.equal(isIssuing(), true);
    await rotator.stop();
  });
});
