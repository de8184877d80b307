import assert from 'node:assert/strict';
import { isSwarmtsError, seededRandom, silentLogger, systemClock } from '@swarmts/lib';
import { Cluster, ClusterSpec, ExternalCa, RootCa, RootRotation } from '@swarmts/proto';
import { createRootCa, type KeyAndCert } from '../ca/certificates.js';
import { ExternalCas } from '../ca/external-ca.js';
import { ExternalCaBed } from '../ca/external-ca-bed.js';
import { vouchesFor } from '../ca/new-root.js';
import { nextRoot, withRootsOfExternalCas } from './next-root.js';

const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString();
const endpoint = (url: string, caCert = '') => ExternalCa.create({ url, caCert: Buffer.from(caCert) });

describe('the root of a cluster that is updated', () => {
  let ca: ExternalCaBed;
  let inside: KeyAndCert;
  before(async () => {
    ca = await ExternalCaBed.start();
    inside = await createRootCa(Date.now());
  });
  after(() => ca.close());
  beforeEach(() => {
    ca.alter = () => ({});
  });
  const outside = () => ({ certPem: ca.root.certPem, keyPem: '' });
  const specWith = (externalCas: readonly ExternalCa[], forceRotate = 0) =>
    ClusterSpec.create({ ca: { nodeCertExpiryNs: 0, forceRotate, externalCas: [...externalCas] } });

  function clusterOf(root: KeyAndCert, externalCas: readonly ExternalCa[] = [], rotation?: KeyAndCert): Cluster {
    const bytes = ({ certPem, keyPem }: KeyAndCert) => ({ certPem: Buffer.from(certPem), keyPem: Buffer.from(keyPem) });
    const next = rotation ? { rotation: RootRotation.create(bytes(rotation)) } : {};
    const cluster = Cluster.create({ rootCa: RootCa.create({ ...bytes(root), ...next }) });
    return { ...cluster, spec: withRootsOfExternalCas(cluster, specWith(externalCas)) };
  }

  const update = (cluster: Cluster, spec: ClusterSpec, own?: KeyAndCert): Promise<Partial<RootCa>> =>
    nextRoot({
      ...{ cluster, own, nowMs: Date.now(), signal: new AbortController().signal },
      spec: withRootsOfExternalCas(cluster, spec),
      external: new ExternalCas({
        clock: systemClock,
        log: silentLogger,
        random: seededRandom(1),
        identity: () => undefined,
        limits: { exchangeMs: 500, totalMs: 500 },
      }),
    });
  const refused = (message: RegExp) => (e: unknown) =>
    isSwarmtsError(e, 'invalid-argument', 'failed-precondition') && message.test(e.message);

  it('stays while only external CAs are added that nobody goes over to, whether they are there or not', async () => {
    const spec = specWith([endpoint('https://127.0.0.1:1'), endpoint('https://127.0.0.1:2', 'no certificate')]);
    assert.deepEqual(await update(clusterOf(inside), spec), {});
  });

  it('goes over to an external one that is there, without its key, vouched for by the old one', async () => {
    const next = await update(clusterOf(inside), specWith([endpoint(ca.url, ca.root.certPem)]), outside());
    assert.equal(text(next.rotation?.certPem), ca.root.certPem);
    assert.equal(text(next.rotation?.keyPem), '');
    assert.ok(vouchesFor(inside.certPem, text(next.rotation?.crossSignedPem), ca.root.certPem));
  });

  it('does not go over to an external one that nobody names, or that is not there', async () => {
    await assert.rejects(
      update(clusterOf(inside), specWith([]), outside()),
      refused(/at least one external CA for the new/),
    );
    const other = specWith([endpoint(ca.url)]);
    await assert.rejects(update(clusterOf(inside), other, outside()), refused(/at least one external CA for the new/));
    const gone = specWith([endpoint('https://127.0.0.1:1/sign', ca.root.certPem)]);
    await assert.rejects(update(clusterOf(inside), gone, outside()), refused(/no external CA can be reached/));
  });

  it('keeps somebody who signs when the managers do not have its key', async () => {
    const present = clusterOf(outside(), [endpoint(ca.url)]);
    assert.deepEqual(await update(present, specWith([endpoint(ca.url)])), {}, 'nothing is asked when nothing changes');
    await assert.rejects(update(present, specWith([])), refused(/at least one external CA for the present/));
    await assert.rejects(
      update(present, specWith([endpoint('https://127.0.0.1:1/sign')])),
      refused(/no external CA can be reached/),
    );
    assert.deepEqual(await update(present, specWith([endpoint('https://127.0.0.1:1/sign'), endpoint(ca.url)])), {});
  });

  it('during a rotation keeps somebody who signs with the new one', async () => {
    const named = endpoint(ca.url, ca.root.certPem);
    const present = clusterOf(inside, [named], outside());
    await assert.rejects(update(present, specWith([])), refused(/at least one external CA for the new/));
    await assert.rejects(update(present, specWith([named], 1)), refused(/under way already/));
  });

  it('does not go from one external CA to another', async () => {
    const other = await ExternalCaBed.start();
    try {
      const spec = specWith([endpoint(ca.url), endpoint(other.url, other.root.certPem)]);
      const next = { certPem: other.root.certPem, keyPem: '' };
      await assert.rejects(
        update(clusterOf(outside(), [endpoint(ca.url)]), spec, next),
        refused(/from one external CA to a different external CA is not supported/),
      );
    } finally {
      await other.close();
    }
  });

  it('comes back from an external CA when that one vouches for it', async () => {
    const present = clusterOf(outside(), [endpoint(ca.url)]);
    await assert.rejects(update(present, specWith([endpoint(ca.url)], 1)), refused(/give it a profile "CA"/));
    ca.signsCas = true;
    const next = await update(present, specWith([endpoint(ca.url)], 1));
    assert.notEqual(text(next.rotation?.keyPem), '');
    assert.equal(next.lastForcedRotation, 1);
    assert.ok(vouchesFor(ca.root.certPem, text(next.rotation?.crossSignedPem), text(next.rotation?.certPem)));
  });

  it('takes or gives away the key of the same root without a rotation', async () => {
    const present = clusterOf(outside(), [endpoint(ca.url)]);
    const taken = await update(present, specWith([endpoint(ca.url)]), ca.root);
    assert.equal(text(taken.keyPem).trim(), ca.root.keyPem.trim());
    const given = await update(clusterOf(ca.root), specWith([endpoint(ca.url)]), outside());
    assert.deepEqual([text(given.keyPem), given.rotation], ['', undefined]);
    await assert.rejects(update(clusterOf(ca.root), specWith([]), ca.root), refused(/the one that is in use already/));
  });

  it('that an external CA was named for without its certificate stays that CA’s, whatever root comes after it', async () => {
    const before = clusterOf(outside(), [endpoint(ca.url)]);
    const after = { ...before, rootCa: RootCa.create({ certPem: Buffer.from(inside.certPem) }) };
    const [kept] = withRootsOfExternalCas(after, specWith([endpoint(ca.url)])).ca?.externalCas ?? [];
    assert.equal(text(kept?.rootPem), ca.root.certPem);
    assert.equal(text(kept?.caCert), '', 'what the user said stays as it is');
    const [fresh] = withRootsOfExternalCas(after, specWith([endpoint('https://other')])).ca?.externalCas ?? [];
    assert.equal(text(fresh?.rootPem), inside.certPem);
  });
});
