import assert from 'node:assert/strict';
import type { InitRequest } from '@swarmts/api';
import { isSwarmtsError } from '@swarmts/lib';
import { NodeAvailability } from '@swarmts/proto';
import { newCluster } from './new-cluster.js';

const request: InitRequest = {
  listenAddr: '',
  advertiseAddr: '',
  dataPathAddr: '',
  dataPathPort: 0,
  defaultAddrPools: [],
  subnetSize: 0,
  forceNewCluster: false,
  availability: NodeAvailability.ACTIVE,
  autoLock: false,
  labels: {},
};
const member = { addr: '10.0.0.5:2377', raftId: 1, nowMs: Date.UTC(2030, 0) };

describe('a new cluster', () => {
  it('has the defaults where nothing is said', async () => {
    const { cluster } = (await newCluster(request, member)).bootstrap;
    assert.deepEqual([cluster.defaultAddressPools, cluster.subnetSize], [['10.0.0.0/8'], 24]);
    assert.equal(cluster.dataPathPort, 4789);
  });

  it('is held to what an update is held to', async () => {
    for (const [wrong, message] of [
      [{ nodeCertExpiryNs: 60e9 }, /an hour at least, not 60 seconds: --cert-expiry/],
      [{ heartbeatPeriodNs: 1e6 }, /at least 100 ms, not 1 ms: --dispatcher-heartbeat/],
    ] as const) {
      const made = newCluster({ ...request, ...wrong }, member);
      await assert.rejects(made, (e) => isSwarmtsError(e, 'invalid-argument') && message.test(e.message));
    }
  });
});
