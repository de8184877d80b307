import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { isSwarmtsError, SimulatedClock, silentLogger, systemClock } from '@swarmts/lib';
import { ClientCertificateRecord, Cluster, RootCa } from '@swarmts/proto';
import { localOperations } from '../control/operations-bed.js';
import { localStore, type Store } from '../store/store.js';
import { CaServer } from './ca-server.js';
import { createRequest, createRootCa } from './certificates.js';
import { listClients, revokedSerials } from './client-certificates.js';
import { ExternalCas } from './external-ca.js';

const HOUR_MS = 3_600_000;

describe('the certificates of clients', () => {
  let store: Store;
  let ca: CaServer;
  let nowMs: number;

  beforeEach(async () => {
    nowMs = Date.now();
    store = localStore(() => nowMs);
    const root = await createRootCa(nowMs);
    const rootCa = RootCa.create({ certPem: Buffer.from(root.certPem), keyPem: Buffer.from(root.keyPem) });
    await store.update((tx) => tx.create('cluster', Cluster.create({ id: 'c', rootCa })));
    const external = new ExternalCas({
      clock: systemClock,
      log: silentLogger,
      random: Math.random,
      identity: () => undefined,
    });
    ca = new CaServer({ store, now: () => nowMs, external, signal: new AbortController().signal });
  });

  const issue = async (name: string, validForMs = 2 * HOUR_MS) => {
    const { csrPem } = await createRequest();
    const { certPem } = await ca.issueForClient({ csrPem, name, role: 'admin', validForMs });
    return new X509Certificate(certPem).serialNumber;
  };
  const listed = () => store.view((tx) => listClients(tx, nowMs));
  const revoke = async (ref: string) => {
    const operations = localOperations(store, new SimulatedClock(nowMs));
    return (await operations.revokeClientCertificates({ ref })).map((c) => c.serial);
  };
  const revoked = () => store.view((tx) => revokedSerials(tx, nowMs));

  it('are known from when they are signed until they end', async () => {
    const serial = await issue('ann');
    assert.deepEqual(
      listed().map((c) => [c.serial, c.name, c.role, c.issuedAtMs, c.revokedAtMs]),
      [[serial, 'ann', 'admin', nowMs, 0]],
    );
    nowMs += 3 * HOUR_MS;
    assert.deepEqual(listed(), []);
    const next = await issue('rob');
    assert.deepEqual(
      store.view((tx) => tx.list('resource').map((r) => r.id)),
      [next],
      'what has ended goes when another is made',
    );
  });

  it('are taken back by serial number, by the beginning of one, and by name', async () => {
    const [a, b, c] = [await issue('ann'), await issue('rob'), await issue('rob')];
    assert.deepEqual(await revoke(a.toLowerCase().slice(0, 12)), [a]);
    assert.deepEqual(revoked(), [a]);
    assert.deepEqual((await revoke('rob')).toSorted(), [b, c].toSorted());
    const at = listed().map((r) => r.revokedAtMs);
    nowMs += 1;
    assert.deepEqual(await revoke(a), [a], 'once more changes nothing');
    assert.deepEqual(
      listed().map((r) => r.revokedAtMs),
      at,
    );
    nowMs += 3 * HOUR_MS;
    assert.deepEqual(revoked(), []);
  });

  it('are taken back by name, also more of them than one transaction may change', async () => {
    await issue('ann');
    const [first] = store.view((tx) => tx.list('resource'));
    assert.ok(first);
    const record = ClientCertificateRecord.decode(first.payload);
    await store.batch(
      Array.from({ length: 300 }, (_, i) => `AB${i}`),
      (tx, serial) => {
        const payload = ClientCertificateRecord.encode({ ...record, serial });
        tx.create('resource', { ...first, id: serial, payload, meta: undefined });
      },
      (_, e) => assert.fail(String(e)),
    );
    assert.equal((await revoke('ann')).length, 301);
    assert.equal(revoked().length, 301);
  });

  it('are named in an error where there are none, or several', async () => {
    await issue('ann');
    for (const ref of ['eve', '', 'FF'.repeat(20)])
      await assert.rejects(revoke(ref), (e) => isSwarmtsError(e, 'not-found') && /client-cert ls/.test(e.message));
    for (let i = 0; i < 40; i++) await issue(`n${i}`);
    const first = new Map<string, number>();
    for (const { serial } of listed()) first.set(serial.charAt(0), (first.get(serial.charAt(0)) ?? 0) + 1);
    const [digit] = [...first].find(([, count]) => count > 1) ?? [''];
    await assert.rejects(revoke(digit), (e) => isSwarmtsError(e, 'invalid-argument') && /is ambiguous/.test(e.message));
  });
});
