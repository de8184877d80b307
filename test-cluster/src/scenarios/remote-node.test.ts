/** Working on another node through the managers: exec into a task, copies, logs, with our command line and the real docker. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { failed, newLab, ok, untilRunning } from './testing.js';

describe('another node, through the managers', () => {
  let lab: Lab;
  let container = '';
  before(async () => {
    lab = await newLab({ managers: 2, workers: 1 });
    const flags = ['-q', '--name', 'web', '--constraint', 'node.hostname==w1'];
    ok(await lab.swarmts('m1', 'service', 'create', ...flags, 'registry:5000/whoami'));
    const [task] = await untilRunning(lab, 'm1', 'web', 1);
    container = task?.Status.ContainerStatus?.ContainerID ?? '';
  });
  after(() => lab.down());

  for (const via of ['m1', 'm2']) {
    it(`shows its containers and logs, asked on ${via}`, async () => {
      assert.match(ok(await lab.swarmts(via, '--node', 'w1', 'ps')), /web\.1\./);
      assert.match(ok(await lab.swarmts(via, '--node', 'w1', 'logs', container)), /whoami on/);
      const there = await lab.swarmts(via, '--node', 'w1', 'exec', container, 'cat', '/etc/hostname');
      assert.equal(ok(there).trim(), container.slice(0, 12));
      assert.doesNotMatch(ok(await lab.swarmts(via, 'ps')), /web\.1\./);
    });

    it(`docker executes, copies and streams there, asked on ${via}`, async () => {
      const there = (...args: readonly string[]) => lab.swarmts(via, 'node', 'proxy', 'w1', 'docker', ...args);
      assert.equal(ok(await there('exec', container, 'cat', '/etc/hostname')).trim(), container.slice(0, 12));
      assert.equal((await there('exec', container, 'sh', '-c', 'exit 7')).code, 7);
      const file = join(lab.dataRoot('m1'), 'big');
      writeFileSync(file, Buffer.alloc(5 * 1024 * 1024, 'x'));
      ok(await there('cp', file, `${container}:/tmp/big`));
      assert.equal(ok(await there('exec', container, 'wc', '-c', '/tmp/big')).trim(), '5242880 /tmp/big');
      const all = ok(await there('exec', container, 'cat', '/tmp/big'));
      assert.equal(all.length, 5 * 1024 * 1024);
    });
  }

  it('works on tasks by their name or id, wherever they are', async () => {
    const task = (...args: readonly string[]) => lab.swarmts('m2', 'task', ...args);
    assert.equal(ok(await task('exec', 'web.1', 'cat', '/etc/hostname')).trim(), container.slice(0, 12));
    const [{ ID = '' } = {}] = await untilRunning(lab, 'm1', 'web', 1);
    assert.equal((await task('exec', '-e', 'CODE=7', ID.slice(0, 12), 'sh', '-c', 'exit $CODE')).code, 7);
    assert.match(ok(await task('top', 'web.1')), /whoami-server/);
    assert.match(ok(await task('stats', '--no-stream', 'web.1')), /%/);
    const file = join(lab.dataRoot('m2'), 'small');
    writeFileSync(file, 'to and fro');
    ok(await task('cp', file, 'web.1:/tmp/small'));
    ok(await task('cp', 'web.1:/tmp/small', `${file}.back`));
    assert.equal(readFileSync(`${file}.back`, 'utf8'), 'to and fro');
    assert.match(failed(await task('exec', 'web.9', 'true')), /no such task: web\.9; a task is named by/);
    assert.match(failed(await task('exec', 'nobody', 'true')), /no such task: nobody/);
    assert.match(failed(await task('cp', file, '/tmp/x')), /one of the places must be in a task/);
    ok(
      await lab.swarmts(
        'm1',
        'service',
        'create',
        '-d',
        '--name',
        'homeless',
        '--constraint',
        'node.labels.x==y',
        'registry:5000/whoami',
      ),
    );
    const waiting = await waitFor('it waits', 10_000, async () => {
      const r = await task('exec', 'homeless.1', 'true');
      return r.stderr.includes('pending') ? r.stderr : undefined;
    });
    assert.match(waiting, /task homeless\.1 is pending and has no container: swarmts task explain \w+ says why/);
  });

  it('says so when the node is not there', async () => {
    assert.match(failed(await lab.swarmts('m1', '--node', 'w9', 'ps')), /node w9 not found/);
    await lab.kill('w1');
    for (const via of ['m1', 'm2'])
      await waitFor(`it is told on ${via}`, 20_000, async () =>
        /node \w+ is not connected to the managers at the moment/.test(
          (await lab.swarmts(via, '--node', 'w1', 'ps')).stderr,
        ),
      );
    await lab.start('w1');
    assert.match(failed(await lab.swarmts('w1', '--node', 'm1', 'ps')), /not a swarm manager/);
  });
});
