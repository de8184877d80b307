import assert from 'node:assert/strict';
import type { InitRequest } from '@swarmts/api';
import { isSwarmtsError } from '@swarmts/lib';
import {
  type CredentialFiles,
  createRequest,
  createRootCa,
  type ExternalCas,
  identityOf,
  type KeyAndCert,
  signCertificate,
  signNodeCertificate,
} from '@swarmts/manager';
import { ExternalCa, NodeAvailability, NodeRole } from '@swarmts/proto';
import { newCluster } from './new-cluster.js';

const request: InitRequest = {
  listenAddr: '',
  advertiseAddr: '',
  dataPathAddr: '',
  dataPathPort: 0,
  defaultAddrPools: [],
  subnetSize: 0,
  forceNewCluster: false,
  forceRotate: 0,
  availability: NodeAvailability.ACTIVE,
  autoLock: false,
  labels: {},
};
const origin = {
  placed: undefined,
  externalCas: { sign: () => assert.fail('no external CA is asked') },
  signal: new AbortController().signal,
};
const member = { addr: '10.0.0.5:2377', dataPathAddr: '10.1.0.5', raftId: 1, nowMs: Date.UTC(2030, 0) };

describe('a new cluster', () => {
  it('has the defaults where nothing is said', async () => {
    const { cluster } = (await newCluster(request, member, origin)).bootstrap;
    assert.deepEqual([cluster.defaultAddressPools, cluster.subnetSize], [['10.0.0.0/8'], 24]);
    assert.equal(cluster.dataPathPort, 4789);
  });

  it('knows where its first node is, so that its first network is elsewhere', async () => {
    const { node } = (await newCluster(request, member, origin)).bootstrap;
    assert.deepEqual([node.managerStatus?.addr, node.status?.addr], ['10.0.0.5:2377', '10.1.0.5']);
  });

  it('keeps log and snapshots as asked for', async () => {
    const raft = { snapshotInterval: 500, keepOldSnapshots: 3 };
    const { cluster } = (await newCluster({ ...request, raft }, member, origin)).bootstrap;
    const spec = cluster.spec?.raft;
    assert.deepEqual([spec?.snapshotInterval, spec?.keepOldSnapshots, spec?.logEntriesForSlowFollowers], [500, 3, 500]);
  });

  it('is held to what an update is held to', async () => {
    for (const [wrong, message] of [
      [{ nodeCertExpiryNs: 60e9 }, /expiry time is 1 hour, not 60 seconds: --cert-expiry/],
      [{ heartbeatPeriodNs: 1e6 }, /at least 100 ms, not 1 ms: --dispatcher-heartbeat/],
      [
        { raft: { electionTick: 3 } },
        /invalid ElectionTick 3 of Raft: the managers run with 10, which cannot be changed/,
      ],
    ] as const) {
      const made = newCluster({ ...request, ...wrong }, member, origin);
      await assert.rejects(made, (e) => isSwarmtsError(e, 'invalid-argument') && message.test(e.message));
    }
  });

  describe('with a root that was placed before', () => {
    const externalCas = [ExternalCa.create({ url: 'https://ca' })];
    let root: KeyAndCert;
    before(async () => {
      root = await createRootCa(Date.now());
    });
    const placed = (manager?: CredentialFiles) => ({ rootPem: root.certPem, manager });
    const now = { ...member, nowMs: Date.now() };
    const signedFor = async (role: NodeRole) => {
      const { keyPem, csrPem } = await createRequest();
      const order = { csrPem, nodeId: 'n1', clusterId: 'c1', role, validForMs: 3_600_000, nowMs: Date.now() };
      return { keyPem, certPem: await signNodeCertificate(root, order), rootPem: root.certPem };
    };

    it('has its first certificate from the external CA, and no key of it', async () => {
      const asked: string[] = [];
      const sign: ExternalCas['sign'] = async ({ urls, certPem }, order) => {
        assert.deepEqual([urls, certPem], [['https://ca'], root.certPem]);
        asked.push(order.unit);
        return signCertificate(root, order);
      };
      const made = await newCluster({ ...request, externalCas }, now, {
        ...origin,
        placed: placed(),
        externalCas: { sign },
      });
      assert.deepEqual(asked, ['swarm-manager']);
      const { cluster, node } = made.bootstrap;
      assert.equal(Buffer.from(cluster.rootCa?.certPem ?? []).toString(), root.certPem);
      assert.equal(cluster.rootCa?.keyPem.length, 0);
      assert.deepEqual(identityOf(made.files.certPem).nodeId, node.id);
      assert.deepEqual(identityOf(made.files.certPem).clusterId, cluster.id);
    });

    it('takes the certificate that lies beside it, if it is one of a manager', async () => {
      const made = await newCluster({ ...request, externalCas }, now, {
        ...origin,
        placed: placed(await signedFor(NodeRole.MANAGER)),
      });
      assert.deepEqual([made.nodeId, made.bootstrap.cluster.id], ['n1', 'c1']);
      const other = await createRootCa(Date.now());
      for (const [manager, message] of [
        [await signedFor(NodeRole.WORKER), /not one of a manager/],
        [{ ...(await signedFor(NodeRole.MANAGER)), keyPem: other.keyPem }, /do not belong together/],
        [{ ...(await signedFor(NodeRole.MANAGER)), rootPem: other.certPem }, /not issued by this cluster/],
        [{ ...(await signedFor(NodeRole.MANAGER)), certPem: 'x' }, /not valid PEM/],
      ] as const) {
        const wrong = newCluster({ ...request, externalCas }, now, {
          ...origin,
          placed: { ...placed(manager), rootPem: manager.rootPem },
        });
        await assert.rejects(wrong, (e) => isSwarmtsError(e, 'invalid-argument') && message.test(e.message));
      }
    });

    it('makes a root of its own where no external CA is named for that one', async () => {
      for (const named of [[], [ExternalCa.create({ url: 'https://ca', caCert: Buffer.from('another root') })]]) {
        const made = await newCluster({ ...request, externalCas: named }, now, { ...origin, placed: placed() });
        assert.notEqual(made.files.rootPem, root.certPem);
        assert.notEqual(made.bootstrap.cluster.rootCa?.keyPem.length, 0);
      }
    });

    it('refuses what is no root', async () => {
      const wrong = newCluster({ ...request, externalCas }, now, {
        ...origin,
        placed: { rootPem: 'x', manager: undefined },
      });
      await assert.rejects(wrong, /the CA certificate cannot be used: certificate or key is not valid PEM/);
    });
  });
});
