import assert from 'node:assert/strict';
import { Harness } from '../testing/harness.js';

describe('health', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
  });
  afterEach(() => api.stop());

  it('of the daemon: alive as long as it answers, ready as long as nothing is missing', async () => {
    assert.equal((await api.send('GET', '/swarmts/v1/health/live')).status, 200);
    assert.deepEqual((await api.send('GET', '/swarmts/v1/health/ready')).json, {
      Status: 'ready',
      Checks: [{ Name: 'member', OK: true, Detail: '' }],
    });
    api.backend.system.failedChecks.push({ name: 'leader', ok: false, detail: 'there is none' });
    const answer = await api.send('GET', '/swarmts/v1/health/ready');
    assert.equal(answer.status, 503);
    assert.match(String(answer.body), /"not ready".*there is none/);
  });

  it('of the cluster: who is missing, and what runs with too few tasks', async () => {
    const { Status, Managers, Nodes, Services } = (await api.send('GET', '/swarmts/v1/health')).json as {
      readonly [key: string]: unknown;
    };
    assert.deepEqual(
      { Status, Managers, Nodes, Services },
      {
        Status: 'healthy',
        Managers: { Total: 1, Reachable: 1, MayFail: 0 },
        Nodes: { Total: 1, NotReady: [] },
        Services: { Total: 0, Short: [] },
      },
    );
    api.backend.swarm.active = false;
    assert.equal((await api.send('GET', '/swarmts/v1/health')).status, 503);
  });
});
