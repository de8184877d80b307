/** A job of a hundred completions while the leader is lost twenty times. */
import assert from 'node:assert/strict';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { leaderOf, newLab, ok, tasksOf } from './testing.js';

const COMPLETIONS = 100;
const LEADERS = 20;

describe('a long job', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 3, workers: 1 });
  });
  after(() => lab.down());

  it('completes a hundred times, over twenty leaders', async () => {
    const job = [
      '--mode',
      'replicated-job',
      '--replicas',
      `${COMPLETIONS}`,
      '--max-concurrent',
      '4',
      '-d',
      '--name',
      'many',
    ];
    ok(await lab.swarmts('m1', 'service', 'create', ...job, 'registry:5000/busybox', 'sh', '-c', 'echo done; sleep 1'));
    const all = async () => tasksOf(lab, lab.nodes.find((n) => n.role === 'manager' && n.pid)?.name ?? 'm1');
    const done = async () => (await all()).filter((t) => t.Status.State === 'complete').length;
    for (let n = 1; n <= LEADERS; n++) {
      await waitFor(`${n * 4} are done`, 120_000, async () => (await done()) >= n * 4);
      const leader = await leaderOf(lab, 'm1');
      await lab.kill(leader);
      await lab.start(leader);
    }
    await waitFor('all are done', 240_000, async () => (await done()) >= COMPLETIONS);
    const tasks = await all();
    const others = tasks.filter((t) => t.Status.State !== 'complete').map((t) => t.Status);
    assert.deepEqual(others, [], 'no task was run twice');
    assert.equal(tasks.length, COMPLETIONS);
    const lines = ok(await lab.docker('m1', 'service', 'logs', '--raw', 'many'))
      .trim()
      .split('\n');
    assert.equal(lines.length, COMPLETIONS);
  });
});
