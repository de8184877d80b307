/** Managers come and go: promotion, demotion, leaving, five of them, and a cut network. */
import assert from 'node:assert/strict';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { leaderOf, newLab, nodesOf, ok, untilRunning, untilState } from './testing.js';

describe('managers', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 3, workers: 2 });
  });
  after(() => lab.down());

  const managersSeenBy = async (node: string) =>
    (await nodesOf(lab, node))
      .filter((n) => n.ManagerStatus?.Reachability === 'reachable')
      .map((n) => n.Description.Hostname)
      .sort();
  const untilManagers = (via: string, names: readonly string[]) =>
    waitFor(
      `the managers are ${names.join(', ')}`,
      60_000,
      async () => JSON.stringify(await managersSeenBy(via)) === JSON.stringify([...names].sort()),
    );

  it('workers are promoted', async () => {
    ok(await lab.swarmts('m1', 'node', 'promote', 'w1', 'w2'));
    await untilManagers('m1', ['m1', 'm2', 'm3', 'w1', 'w2']);
    await waitFor('w1 answers as a manager', 30_000, async () => (await lab.swarmts('w1', 'node', 'ls')).code === 0);
  });

  it('five managers lose two and go on', async () => {
    const leader = await leaderOf(lab, 'm1');
    const [other] = ['m2', 'm3'].filter((m) => m !== leader);
    assert.ok(other);
    await lab.kill(leader);
    await lab.kill(other);
    const left = ['m1', 'm2', 'm3', 'w1', 'w2'].find((m) => m !== leader && m !== other) ?? 'w1';
    await waitFor(
      'a service is created',
      30_000,
      async () =>
        (
          await lab.swarmts(
            left,
            'service',
            'create',
            '-d',
            '--name',
            'web',
            '--replicas',
            '2',
            '--constraint',
            `node.hostname==${left}`,
            'registry:5000/whoami',
          )
        ).code === 0,
    );
    await untilRunning(lab, left, 'web', 2);
    await lab.start(leader);
    await lab.start(other);
    await untilManagers('w1', ['m1', 'm2', 'm3', 'w1', 'w2']);
  });

  it('a manager is demoted, and is a worker then', async () => {
    ok(await lab.swarmts('m1', 'node', 'demote', 'w2'));
    await untilManagers('m1', ['m1', 'm2', 'm3', 'w1']);
    await waitFor('w2 is a worker', 30_000, async () =>
      /Worker nodes can't be used/.test((await lab.swarmts('w2', 'node', 'ls')).stderr),
    );
    await untilState(lab, 'm1', 'w2', 'ready');
  });

  it('the leader itself is demoted', async () => {
    const leader = await leaderOf(lab, 'm1');
    const via = ['m1', 'm2', 'm3'].find((m) => m !== leader) ?? 'm1';
    ok(await lab.swarmts(via, 'node', 'demote', leader));
    await untilManagers(
      via,
      ['m1', 'm2', 'm3', 'w1'].filter((m) => m !== leader),
    );
    assert.notEqual(await leaderOf(lab, via), leader);
    ok(await lab.swarmts(via, 'node', 'promote', leader));
    await untilManagers(via, ['m1', 'm2', 'm3', 'w1']);
  });

  it('a leader that is cut off steps down, and follows when it is back', async () => {
    const leader = await leaderOf(lab, 'm1');
    const via = ['m1', 'm2', 'm3'].find((m) => m !== leader) ?? 'm1';
    lab.isolate(leader);
    await waitFor('another leads', 30_000, async () => (await leaderOf(lab, via)) !== leader);
    ok(await lab.swarmts(via, 'service', 'create', '-d', '--name', 'later', '--replicas', '0', 'registry:5000/whoami'));
    lab.heal();
    await waitFor('the old leader shows what was written meanwhile', 30_000, async () =>
      /later/.test((await lab.swarmts(leader, 'service', 'ls')).stdout),
    );
  });

  it('writes go on with a tenth of all packets lost', async () => {
    for (const n of lab.nodes) lab.loss(n.name, 10);
    await waitFor(
      'a service is updated',
      60_000,
      async () => (await lab.swarmts('m2', 'service', 'update', '-d', '--label-add', 'x=y', 'later')).code === 0,
    );
    lab.heal();
  });

  it('a manager leaves with force, and the others take it out', async () => {
    ok(await lab.swarmts('w1', 'leave', '--force'));
    await untilManagers('m1', ['m1', 'm2', 'm3']);
  });
});
