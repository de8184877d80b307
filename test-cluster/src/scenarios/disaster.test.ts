/** Keys that are locked, managers that are lost for good, and data that comes back from a backup. */
import assert from 'node:assert/strict';
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab/lab.js';
import { type RunResult, tryRun } from '../lab/run.js';
import { waitFor } from '../wait.js';
import { failed, newLab, nodesOf, ok, runningTasks, untilRunning, untilState } from './testing.js';

describe('keys and lost managers', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 3, workers: 1 });
    ok(await lab.swarmts('m1', 'service', 'create', '-q', '--name', 'web', '--replicas', '4', 'registry:5000/whoami'));
  });
  after(() => lab.down());

  const keyFile = (node: string) =>
    readFileSync(join(lab.dataRoot(node), 'swarm', 'certificates', 'swarm-node.key'), 'utf8');
  const untilSealed = (node: string, sealed: boolean) =>
    waitFor(`the keys of ${node} are ${sealed ? '' : 'not '}sealed`, 15_000, () =>
      keyFile(node).includes('SEALED') === sealed ? true : undefined,
    );
  const unlock = (node: string, key: string): RunResult =>
    tryRun('docker', ['swarm', 'unlock'], {
      input: `${key}\n`,
      env: { ...process.env, DOCKER_HOST: `unix://${lab.socket(node)}` },
    });
  const unlockKey = async (via: string) => ok(await lab.docker(via, 'swarm', 'unlock-key', '-q')).trim();
  const idsOn = async (node: string) =>
    ok(await lab.docker(node, 'ps', '-q'))
      .trim()
      .split('\n')
      .sort();
  let key = '';

  it('autolock seals the keys of every manager, and of no worker', async () => {
    const out = ok(await lab.docker('m1', 'swarm', 'update', '--autolock=true'));
    assert.match(out, /SWMKEY-1-/);
    key = await unlockKey('m2');
    assert.ok(out.includes(key));
    for (const m of ['m1', 'm2', 'm3']) await untilSealed(m, true);
    assert.ok(!keyFile('w1').includes('SEALED'));
    assert.equal(ok(await lab.swarmts('m3', 'swarm', 'unlock-key', '-q')).trim(), key);
  });

  it('a locked manager says so, keeps its containers, and takes part again once it is unlocked', async () => {
    const before = await idsOn('m2');
    await lab.kill('m2');
    await lab.start('m2');
    assert.match(ok(await lab.docker('m2', 'info')), /Swarm: locked/);
    assert.match(failed(await lab.docker('m2', 'node', 'ls')), /encrypted and needs to be unlocked/);
    assert.match(failed(await lab.swarmts('m2', 'swarm', 'leave')), /Swarm is encrypted and locked\. .*`--force`/);
    assert.deepEqual(await idsOn('m2'), before);
    assert.match(unlock('m2', `SWMKEY-1-${'A'.repeat(43)}`).stderr, /invalid key provided/);
    assert.match(unlock('m2', 'rubbish').stderr, /invalid key provided/);
    ok(unlock('m2', key));
    await untilState(lab, 'm1', 'm2', 'ready');
    assert.equal(unlock('m2', key).code, 1, 'it is not locked any more');
    await untilRunning(lab, 'm1', 'web', 4);
  });

  it('a manager that was down while the key was rotated needs the key from before, once', async () => {
    await lab.kill('m3');
    ok(await lab.docker('m1', 'swarm', 'unlock-key', '--rotate', '-q'));
    const next = await unlockKey('m1');
    assert.notEqual(next, key);
    await lab.start('m3');
    assert.match(unlock('m3', next).stderr, /invalid key provided/);
    const sealed = keyFile('m3');
    ok(unlock('m3', key));
    await untilState(lab, 'm1', 'm3', 'ready');
    await waitFor('m3 has sealed its keys with the new one', 15_000, () => keyFile('m3') !== sealed);
    await lab.kill('m3');
    await lab.start('m3');
    assert.match(unlock('m3', key).stderr, /invalid key provided/);
    ok(unlock('m3', next));
    await untilState(lab, 'm1', 'm3', 'ready');
  });

  it('without autolock the keys are in clear again, and nobody is asked for one', async () => {
    ok(await lab.docker('m1', 'swarm', 'update', '--autolock=false'));
    for (const m of ['m1', 'm2', 'm3']) await untilSealed(m, false);
    assert.match(failed(await lab.docker('m1', 'swarm', 'unlock-key')), /no unlock key is set/);
    await lab.kill('m2');
    await lab.start('m2');
    await waitFor('m2 is back', 30_000, async () => (await lab.docker('m2', 'node', 'ls')).code === 0);
  });

  it('a worker cannot take the cluster over', async () => {
    assert.match(
      failed(await lab.swarmts('w1', 'swarm', 'init', '--force-new-cluster')),
      /needs the state of a manager/,
    );
  });

  it('one manager goes on alone when the others are lost, with every service, and without restarting anything', async () => {
    const mine = await idsOn('m1');
    await lab.poweroff('m2');
    await lab.poweroff('m3');
    assert.match(failed(await lab.swarmts('m1', 'service', 'scale', 'web=5')), /does not have a leader/);
    const refused = await lab.docker('m1', 'swarm', 'init');
    assert.match(refused.stderr, /already part of a swarm/);
    ok(await lab.docker('m1', 'swarm', 'init', '--force-new-cluster'));
    assert.match(ok(await lab.docker('m1', 'info')), /Managers: 1[\s\S]*Nodes: 4/);
    await untilState(lab, 'm1', 'w1', 'ready');
    await untilRunning(lab, 'm1', 'web', 4);
    const now = await idsOn('m1');
    for (const id of mine) assert.ok(now.includes(id), `container ${id} was restarted`);
    ok(await lab.docker('m1', 'service', 'scale', 'web=5'));
  });

  it('former managers that come back together, first to each other, are workers, and can be promoted again', async () => {
    lab.isolate('m1');
    await Promise.all([lab.start('m2'), lab.start('m3')]);
    await waitFor('they are a swarm of their own', 30_000, async () =>
      /Leader/.test((await lab.swarmts('m2', 'node', 'ls')).stdout),
    );
    lab.heal();
    for (const m of ['m2', 'm3']) {
      await untilState(lab, 'm1', m, 'ready');
      await waitFor(`${m} is a worker`, 30_000, async () =>
        /Worker nodes can't be used/.test((await lab.swarmts(m, 'node', 'ls')).stderr),
      );
    }
    assert.deepEqual(
      (await nodesOf(lab, 'm1')).filter((n) => n.ManagerStatus).map((n) => n.Description.Hostname),
      ['m1'],
    );
    await untilRunning(lab, 'm1', 'web', 5);
    ok(await lab.docker('m1', 'node', 'promote', 'm2'));
    await waitFor('m2 is a manager', 30_000, async () => (await lab.swarmts('m2', 'node', 'ls')).code === 0);
    ok(await lab.docker('m1', 'node', 'demote', 'm2'));
    await waitFor('m1 is the only manager', 30_000, async () => {
      return (await nodesOf(lab, 'm1')).filter((n) => n.ManagerStatus).length === 1;
    });
  });

  it('a backup of a manager brings the cluster back on an empty disk', async () => {
    await lab.shutdown('m1');
    const [data, backup] = [join(lab.dataRoot('m1'), 'swarm'), `${lab.dataRoot('m1')}.backup`];
    cpSync(data, backup, { recursive: true });
    await lab.start('m1');
    await untilState(lab, 'm1', 'm1', 'ready');
    ok(await lab.docker('m1', 'service', 'create', '-d', '--name', 'later', 'registry:5000/whoami'));
    await lab.poweroff('m1');
    rmSync(lab.dataRoot('m1'), { recursive: true });
    cpSync(backup, data, { recursive: true });
    rmSync(backup, { recursive: true });
    await lab.start('m1');
    ok(await lab.docker('m1', 'swarm', 'init', '--force-new-cluster'));
    await untilState(lab, 'm1', 'w1', 'ready');
    assert.match(failed(await lab.docker('m1', 'service', 'inspect', 'later')), /no such service/i);
    await untilRunning(lab, 'm1', 'web', 5);
    assert.equal((await runningTasks(lab, 'm1', 'web')).length, 5);
  });
});
