/** The main job: five replicas that survive the loss of a worker and of the leader. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { api } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { failed, leaderOf, newLab, nodesOf, ok, runningTasks, tasksOf, untilRunning, untilState } from './testing.js';

describe('a cluster of three managers and two workers', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 3, workers: 2 });
  });
  after(() => lab.down());

  it('has five ready nodes, one of them the leader', async () => {
    const nodes = await waitFor('all nodes are ready', 20_000, async () => {
      const all = await nodesOf(lab, 'm2');
      return all.length === 5 &&
        all.every((n) => n.Status.State === 'ready') &&
        all.filter((n) => n.ManagerStatus?.Reachability === 'reachable').length === 3
        ? all
        : undefined;
    });
    assert.equal(nodes.filter((n) => n.ManagerStatus?.Leader).length, 1);
    assert.ok(nodes.filter((n) => n.ManagerStatus).every((n) => n.ManagerStatus?.Reachability === 'reachable'));
  });

  it('runs five replicas, one on each node, asked for on a follower', async () => {
    ok(await lab.swarmts('m2', 'service', 'create', '--name', 'web', '--replicas', '5', 'registry:5000/whoami'));
    const tasks = await untilRunning(lab, 'm3', 'web', 5);
    assert.equal(new Set(tasks.map((t) => t.NodeID)).size, 5);
    assert.deepEqual(tasks.map((t) => t.Slot).sort(), [1, 2, 3, 4, 5]);
  });

  it('answers on each replica', async () => {
    for (const node of ['m1', 'm2', 'm3', 'w1', 'w2']) {
      const containers = await api<readonly { readonly Id: string }[]>(lab.socket(node), 'GET', '/containers/json');
      assert.equal(containers.length, 1);
      const { NetworkSettings } = await api<{
        readonly NetworkSettings: { readonly Networks: { readonly bridge: { readonly IPAddress: string } } };
      }>(lab.socket(node), 'GET', `/containers/${containers[0]?.Id}/json`);
      const url = `http://${NetworkSettings.Networks.bridge.IPAddress}/`;
      const page = ok(await lab.exec(node, ['curl', '-fsS', '--max-time', '10', url]));
      assert.match(page, new RegExp(`Hostname: ${containers[0]?.Id.slice(0, 12)}`));
    }
  });

  it('shows the logs of all nodes', async () => {
    const lines = await waitFor('five lines of log', 20_000, async () => {
      const out = ok(
        await lab
          .swarmts('w1', 'service', 'logs', 'web')
          .then((r) => (r.code === 0 ? r : lab.swarmts('m1', 'service', 'logs', 'web'))),
      );
      const all = out.trim().split('\n');
      return all.length === 5 ? all : undefined;
    });
    assert.equal(new Set(lines.map((l) => /@(\w+)/.exec(l)?.[1])).size, 5);
    for (const l of lines) assert.match(l, /^web\.\d\.\w+@\w+\s+\| whoami on \w+ listens on port 80$/);
  });

  it('keeps five running when a worker loses its power', async () => {
    await lab.poweroff('w2');
    await untilState(lab, 'm1', 'w2', 'down');
    const tasks = await untilRunning(lab, 'm1', 'web', 5);
    assert.deepEqual(tasks.map((t) => t.Slot).sort(), [1, 2, 3, 4, 5]);
    const w2 = (await nodesOf(lab, 'm1')).find((n) => n.Description.Hostname === 'w2');
    const lost = (await tasksOf(lab, 'm1')).find((t) => t.NodeID === w2?.ID);
    assert.equal(lost?.Status.State, 'running', 'nobody knows better');
    assert.match(lost?.Status.Message ?? '', /^node down since/);
  });

  it('goes on when the leader is killed, and scales', async () => {
    const leader = await leaderOf(lab, 'm1');
    const other = ['m1', 'm2', 'm3'].find((m) => m !== leader) ?? 'm1';
    const before = (await runningTasks(lab, 'm1', 'web')).map((t) => t.ID);
    // Who follows the logs through a manager that stays is not cut off, and hears of the tasks to come.
    const logs = request({ socketPath: lab.socket(other), path: '/services/web/logs?stdout=1&follow=1&tail=0' }).end();
    const [answer] = (await once(logs, 'response')) as [IncomingMessage];
    let heard = '';
    answer.on('data', (part: Buffer) => {
      heard += part;
    });
    await lab.poweroff(leader);
    ok(await lab.swarmts(other, 'service', 'scale', 'web=10'));
    const speakers = () => heard.match(/(?<=whoami on )\w+(?= listens)/g) ?? [];
    await waitFor('the logs of the new tasks', 30_000, async () => speakers().length >= 5).catch((e: Error) => {
      throw new Error(`${e.message}: ${answer.readableEnded ? 'they have ended' : 'more may come'} after ${heard}`);
    });
    assert.deepEqual(speakers(), [...new Set(speakers())], 'no line came twice');
    logs.destroy();
    const after = (await untilRunning(lab, other, 'web', 10)).map((t) => t.ID);
    const replaced = before.filter((id) => !after.includes(id));
    assert.ok(replaced.length <= 2, `only what ran on ${leader} was replaced, not ${replaced.length} tasks`);
    await lab.start(leader);
    await untilState(lab, other, leader, 'ready');
  });

  it('takes the lost worker back and stops what it still had', async () => {
    await lab.start('w2');
    const w2 = await untilState(lab, 'm1', 'w2', 'ready');
    await waitFor('the old task is ended', 30_000, async () => {
      const mine = (await tasksOf(lab, 'm1')).filter((t) => t.NodeID === w2.ID && t.DesiredState !== 'running');
      return mine.every((t) => ['shutdown', 'failed', 'complete'].includes(t.Status.State));
    });
  });

  it('refuses to write without a quorum, in words and at once, and still shows its containers', async () => {
    const leader = await leaderOf(lab, 'm1');
    const [a, b] = ['m1', 'm2', 'm3'].filter((m) => m !== leader);
    assert.ok(a && b);
    await lab.kill(a);
    await lab.kill(b);
    await waitFor(
      'the leader has stepped down',
      20_000,
      async () => (await lab.swarmts(leader, 'service', 'ls')).code !== 0,
    );
    const begin = performance.now();
    const message = failed(await lab.swarmts(leader, 'service', 'scale', '-d', 'web=3'));
    assert.match(message, /The swarm does not have a leader. It's possible that too few managers are online/);
    assert.ok(performance.now() - begin < 15_000);
    assert.match(ok(await lab.swarmts(leader, 'ps')), /whoami/);
    const onWorker = ['info', '--format', '{{.Swarm.LocalNodeState}}: {{.Swarm.Error}}'];
    await waitFor('a worker says that it has no manager', 20_000, async () =>
      ok(await lab.swarmts('w1', ...onWorker)).startsWith('active: This node is not connected to a manager'),
    );
    await lab.start(a);
    await lab.start(b);
    await leaderOf(lab, leader);
    ok(await lab.swarmts(leader, 'service', 'scale', 'web=3'));
  });

  it('removes the service and its containers', async () => {
    assert.equal(ok(await lab.swarmts('m1', 'service', 'rm', 'web')).trim(), 'web');
    await waitFor('no container is left', 60_000, async () => {
      const all = await Promise.all(
        lab.nodes.map((n) => api<readonly unknown[]>(lab.socket(n.name), 'GET', '/containers/json?all=1')),
      );
      return all.every((c) => c.length === 0);
    });
  });
});
