/** Services that run to their end: replicated and global jobs, by both command lines, over changes of the leader. */
import assert from 'node:assert/strict';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { type ApiTask, leaderOf, newLab, ok, tasksOf } from './testing.js';

const BUSYBOX = 'registry:5000/busybox';

describe('jobs', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 3, workers: 1 });
  });
  after(() => lab.down());
  const docker = async (...args: readonly string[]) => ok(await lab.docker('m1', ...args));
  const swarmts = async (...args: readonly string[]) => ok(await lab.swarmts('m1', ...args));

  let attempts = 0;
  const tasksOfJob = async (name: string): Promise<readonly ApiTask[]> => {
    const id = (await docker('service', 'inspect', '--format', '{{.ID}}', name)).trim();
    return (await tasksOf(lab, 'm1')).filter((t) => t.ServiceID === id);
  };
  const completed = (tasks: readonly ApiTask[]) => tasks.filter((t) => t.Status.State === 'complete');

  it('docker runs a replicated job, waits for it and sees it complete', async () => {
    const flags = ['--name', 'six', '--mode', 'replicated-job', '--replicas', '6', '--max-concurrent', '2'];
    const out = await docker('service', 'create', ...flags, BUSYBOX, 'true');
    assert.match(out, /job complete/);
    assert.match(await docker('service', 'ls'), /six\s+replicated job\s+0\/2 \(6\/6 completed\)/);
    assert.match(await swarmts('service', 'ls'), /six\s+replicated job\s+0\/2 \(6\/6 completed\)/);
  });

  it('a forced update runs the job again', async () => {
    await docker('service', 'update', '--force', 'six');
    const tasks = await tasksOfJob('six');
    assert.equal(completed(tasks).length, 12);
    assert.match(await docker('service', 'ls'), /\(6\/6 completed\)/);
  });

  it('a failing task is tried again as often as allowed, and the rest goes on', async () => {
    const flags = ['--mode', 'replicated-job', '--replicas', '2', '--restart-delay', '100ms'];
    const attempts = ['--restart-max-attempts', '2', '--detach', '--name', 'half'];
    const script = '[ "$SLOT" = 1 ] || exit 3';
    await docker(
      'service',
      'create',
      ...flags,
      ...attempts,
      '--env',
      'SLOT={{.Task.Slot}}',
      BUSYBOX,
      'sh',
      '-c',
      script,
    );
    const tasks = await waitFor('one slot is done and one given up', 30_000, async () => {
      const all = await tasksOfJob('half');
      const done = completed(all).length === 1 && all.filter((t) => t.Status.State === 'failed').length === 3;
      return done ? all : undefined;
    });
    assert.deepEqual(new Set(tasks.filter((t) => t.Status.State === 'failed').map((t) => t.Slot ?? 0)), new Set([0]));
  });

  it('a global job runs once on each node', async () => {
    assert.match(
      await swarmts('service', 'create', '--name', 'each', '--mode', 'global-job', BUSYBOX, 'true'),
      /job complete/,
    );
    const tasks = await tasksOfJob('each');
    assert.deepEqual([completed(tasks).length, new Set(tasks.map((t) => t.NodeID)).size], [4, 4]);
  });

  it('what does not fit a job is refused', async () => {
    const refused = await lab.docker(
      'm1',
      'service',
      'create',
      '--mode',
      'global-job',
      '--update-delay',
      '1s',
      BUSYBOX,
    );
    assert.notEqual(refused.code, 0);
    assert.match(refused.stderr, /update|jobs/i);
    assert.match((await lab.swarmts('m1', 'service', 'update', '--max-concurrent', '0', 'six')).stderr, /at least 1/);
  });

  it('thirty completions are thirty, whatever happens to the leader', async () => {
    // Another one when it is tried again.
    const name = `thirty-${++attempts}`;
    const flags = ['--mode', 'replicated-job', '--replicas', '30', '--max-concurrent', '3', '--detach', '--name', name];
    await swarmts('service', 'create', ...flags, BUSYBOX, 'sh', '-c', 'echo done; sleep 0.3');
    for (const count of [5, 12, 20]) {
      await waitFor(`${count} are done`, 60_000, async () => completed(await tasksOfJob(name)).length >= count);
      const leader = await leaderOf(lab, 'm1');
      await lab.kill(leader);
      await lab.start(leader);
    }
    const all = await waitFor('thirty are done', 90_000, async () => {
      const tasks = await tasksOfJob(name);
      return completed(tasks).length >= 30 ? tasks : undefined;
    });
    assert.equal(all.length, 30, 'no task was run twice');
    const lines = (await docker('service', 'logs', '--raw', name)).trim().split('\n');
    assert.equal(lines.length, 30);
  });
});
