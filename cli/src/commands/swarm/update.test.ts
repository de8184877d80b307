import assert from 'node:assert/strict';
import { runCli } from '../../testing/fake-api.js';

describe('swarm update', () => {
  const routes = {
    'GET /swarm': () => ({ json: { ID: 'c', Version: { Index: 4 }, Spec: { Labels: { a: 'b' } } } }),
    'POST /swarm/update': () => ({}),
  };
  const sent = async (...args: string[]) => (await runCli(['swarm', 'update', ...args], routes)).requests.at(-1)?.body;

  it('shows its help and asks for nothing when it is given nothing to set', async () => {
    const { code, out, err, requests } = await runCli(['swarm', 'update'], routes);
    assert.deepEqual([code, err, requests.length], [0, '', 0]);
    assert.match(out, /^\nUsage: {2}swarmts swarm update \[OPTIONS\]\n\nUpdate the swarm\n/);
  });

  it('keeps the time after which tasks are orphaned in a label, beside those that there are', async () => {
    const Labels = { a: 'b', 'swarmts.node.orphan-after': '2h30m' };
    assert.deepEqual(await sent('--orphan-after', '2h30m'), { Labels });
  });

  it('refuses a time that is none', async () => {
    const { code, err } = await runCli(['swarm', 'update', '--orphan-after', 'soon'], routes);
    assert.equal(code, 125);
    assert.match(err, /invalid argument "soon" for "--orphan-after" flag/);
  });

  it('sends how many snapshots are kept, and how often they are made', async () => {
    assert.deepEqual(await sent('--max-snapshots', '3', '--snapshot-interval', '500'), {
      Labels: { a: 'b' },
      Raft: { KeepOldSnapshots: 3, SnapshotInterval: 500 },
    });
  });
});
