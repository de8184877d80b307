/** Killing and restarting processes: containers go on, nothing is lost, everything is found again. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { api } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { leaderOf, newLab, nodesOf, ok, tasksOf, untilRunning, untilState } from './testing.js';

interface ContainerJson {
  readonly Id: string;
  readonly State: string;
}

describe('processes that are killed', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 1 });
    ok(
      await lab.swarmts(
        'm1',
        'service',
        'create',
        '--name',
        'web',
        '--replicas',
        '4',
        '--restart-delay',
        '1s',
        'registry:5000/whoami',
      ),
    );
  });
  after(() => lab.down());

  const containers = (node: string) => api<readonly ContainerJson[]>(lab.socket(node), 'GET', '/containers/json');
  const pidOf = async (node: string, id: string) =>
    (await api<{ readonly State: { readonly Pid: number } }>(lab.socket(node), 'GET', `/containers/${id}/json`)).State
      .Pid;
  /** On the worker, unless its tasks have gone elsewhere because it was away for too long. */
  const aContainer = async () => {
    const onNodes = await Promise.all(
      ['w1', 'm1'].map(async (node) => (await containers(node)).map((c) => ({ node, id: c.Id }))),
    );
    return onNodes.flat()[0] ?? assert.fail('no node runs any container');
  };
  const taskIds = async () => (await untilRunning(lab, 'm1', 'web', 4)).map((t) => t.ID).sort();

  it('a worker daemon: its containers and tasks are the same afterwards', async () => {
    const before = await containers('w1');
    const tasks = await taskIds();
    const pids = await Promise.all(before.map((c) => pidOf('w1', c.Id)));
    await lab.kill('w1');
    for (const pid of pids) assert.doesNotThrow(() => process.kill(pid, 0), 'the container goes on');
    await lab.start('w1');
    await untilState(lab, 'm1', 'w1', 'ready');
    const after = await containers('w1');
    assert.deepEqual(after.map((c) => c.Id).sort(), before.map((c) => c.Id).sort());
    assert.deepEqual(await Promise.all(before.map((c) => pidOf('w1', c.Id))), pids);
    assert.deepEqual(await taskIds(), tasks);
  });

  it('a daemon that stops in order is not counted down', async () => {
    const tasks = await taskIds();
    await lab.shutdown('w1');
    // Three heartbeats and more: a node without lease would be down by then.
    const until = performance.now() + 5_000;
    await waitFor('five seconds have passed with the node up', 10_000, async () => {
      const w1 = (await nodesOf(lab, 'm1')).find((n) => n.Description.Hostname === 'w1');
      assert.equal(w1?.Status.State, 'ready');
      return performance.now() > until;
    });
    await lab.start('w1');
    assert.deepEqual(await taskIds(), tasks);
  });

  it('the only manager: it comes back with everything, and moves nothing', async () => {
    const tasks = await taskIds();
    await lab.kill('m1');
    await lab.start('m1');
    await leaderOf(lab, 'm1');
    await untilState(lab, 'm1', 'w1', 'ready');
    assert.deepEqual(await taskIds(), tasks);
    const all = await tasksOf(lab, 'm1');
    assert.equal(all.length, 4, 'no task was replaced');
  });

  it('daemons: names and virtual addresses of an overlay network go on meanwhile', async () => {
    ok(await lab.swarmts('m1', 'network', 'create', '-d', 'overlay', 'back'));
    const create = ['service', 'create', '-d', '--network', 'back', '--mode', 'global', '--stop-grace-period', '0s'];
    ok(await lab.swarmts('m1', ...create, '--name', 'asked', 'registry:5000/whoami'));
    await untilRunning(lab, 'm1', 'asked', 2);
    const ask = 'nslookup asked 127.0.0.11 >/dev/null 2>&1 && wget -q -O /dev/null http://asked/';
    const loop = `n=0; while true; do n=$((n+1)); if ${ask}; then [ $((n%50)) = 0 ] && echo good; else echo bad; fi; sleep 0.02; done`;
    ok(await lab.swarmts('m1', ...create, '--name', 'asker', 'registry:5000/busybox', 'sh', '-c', loop));
    await untilRunning(lab, 'm1', 'asker', 2);
    const said = async () => ok(await lab.swarmts('m1', 'service', 'logs', '--raw', 'asker')).split('\n');
    const good = async () => (await said()).filter((l) => l === 'good').length;
    for (const node of ['w1', 'm1']) {
      await lab.kill(node);
      await lab.start(node);
      await untilState(lab, 'm1', 'w1', 'ready');
      const before = await good();
      await waitFor('they have asked on', 30_000, async () => (await good()) >= before + 4);
    }
    assert.deepEqual(
      (await said()).filter((l) => l === 'bad'),
      [],
    );
    for (const name of ['asker', 'asked']) ok(await lab.swarmts('m1', 'service', 'rm', name));
    await waitFor('they are gone', 20_000, async () => {
      const all = await Promise.all(['m1', 'w1'].map(containers));
      return all.flat().length === 4;
    });
  });

  it('a container: its task fails and a new one runs after the delay', async () => {
    const victim = await aContainer();
    process.kill(await pidOf(victim.node, victim.id), 'SIGKILL');
    await waitFor('the task has failed', 20_000, async () =>
      (await tasksOf(lab, 'm1')).some(
        (t) => t.Status.State === 'failed' && /non-zero exit \(137\)/.test(t.Status.Err ?? ''),
      ),
    );
    await untilRunning(lab, 'm1', 'web', 4);
  });

  it('a monitor: its container does not go on unseen', async () => {
    const victim = await aContainer();
    const pid = await pidOf(victim.node, victim.id);
    process.kill(parentOf(pid), 'SIGKILL');
    await waitFor('the task has failed', 20_000, async () =>
      (await tasksOf(lab, 'm1')).some(
        (t) => t.Status.ContainerStatus?.ContainerID === victim.id && t.Status.State === 'failed',
      ),
    );
    await waitFor('the container is gone', 20_000, () => !isAlive(pid));
    await untilRunning(lab, 'm1', 'web', 4);
  });

  it('the helper: the daemon starts another and goes on', async () => {
    const helper = childrenOf(lab.nodes.find((n) => n.name === 'w1')?.pid ?? 0)[0];
    assert.ok(helper);
    process.kill(helper, 'SIGKILL');
    ok(await lab.swarmts('m1', 'service', 'scale', 'web=8'));
    await untilRunning(lab, 'm1', 'web', 8);
    assert.equal((await containers('w1')).length, 4);
  });

  it('everything on a worker: its tasks run again', async () => {
    await lab.poweroff('w1');
    await untilState(lab, 'm1', 'w1', 'down');
    await untilRunning(lab, 'm1', 'web', 8);
    await lab.start('w1');
    await untilState(lab, 'm1', 'w1', 'ready');
    ok(await lab.swarmts('m1', 'service', 'scale', 'web=12'));
    await untilRunning(lab, 'm1', 'web', 12);
  });

  it('everything everywhere: the cluster comes back by itself', async () => {
    await lab.poweroff('m1');
    await lab.poweroff('w1');
    await lab.start('m1');
    await lab.start('w1');
    await untilRunning(lab, 'm1', 'web', 12, 90_000);
  });
});

function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

function isAlive(pid: number): boolean {
  try {
    return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

function childrenOf(pid: number): readonly number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((p) => Number.isInteger(p) && p > 0)
    .filter((p) => {
      try {
        return parentOf(p) === pid;
      } catch {
        return false;
      }
    });
}
