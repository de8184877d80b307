/** A node is cut off for a while: the others lead nobody to it for long, and soon after it is back every name and address works again. */
import assert from 'node:assert/strict';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { curl, inNetworkOf, parseVisit, pidOf, resolveIn, visitUrl } from './network-probes.js';
import { newLab, ok, untilRunning, untilState } from './testing.js';

const WHOAMI = 'registry:5000/whoami';
const NODES = ['m1', 'w1', 'w2'] as const;
/** Dead backends are out of names and virtual addresses so long after the node counts as lost. */
const WITHDRAWN_MS = 5_000;
const HEALED_MS = 10_000;

describe('a node that is cut off', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 2 });
    ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', 'back'));
    const wishes = ['--mode', 'global', '--network', 'back'];
    ok(await lab.docker('m1', 'service', 'create', '-q', '--name', 'web', ...wishes, WHOAMI));
    await untilRunning(lab, 'm1', 'web', NODES.length);
  });
  after(() => lab.down());

  const pids = () => Promise.all(NODES.map((n) => pidOf(lab, n, 'web')));
  /** How many tasks a task finds by name, and how many answer at the virtual address. */
  const seenFrom = async (pid: number) => {
    const [vip = ''] = await resolveIn(pid, 'web');
    const visits = await Promise.all(Array.from({ length: 16 }, () => inNetworkOf(pid, ...curl(visitUrl(vip)))));
    return {
      names: (await resolveIn(pid, 'tasks.web')).length,
      failures: visits.filter((v) => v.code !== 0).length,
      hosts: new Set(visits.filter((v) => v.code === 0).map((v) => parseVisit(v).host)).size,
    };
  };

  const answers = async (pid: number, service: string) => {
    const [vip] = await resolveIn(pid, service);
    return vip !== undefined && (await inNetworkOf(pid, ...curl(visitUrl(vip)))).code === 0;
  };

  for (const seconds of [10, 30, 600]) {
    it(`for ${seconds} s is led to no more, and comes back within ${HEALED_MS / 1_000} s`, async () => {
      const [manager = 0] = await pids();
      const cutAt = performance.now();
      lab.isolate('w2');
      await untilState(lab, 'm1', 'w2', 'down');
      await waitFor('nobody is led to it', WITHDRAWN_MS, async () => {
        const seen = await seenFrom(manager);
        return seen.names === 2 && seen.failures === 0;
      });
      // What it comes back to is not what it has left: other tasks, and a service that it has never heard of.
      const late = `late${seconds}`;
      ok(await lab.docker('m1', 'service', 'update', '-q', '-d', '--env-add', `CUT=${seconds}`, 'web'));
      ok(await lab.docker('m1', 'service', 'create', '-q', '-d', '--name', late, '--network', 'back', WHOAMI));
      await waitFor('the time is over', seconds * 1_000 + 1_000, () => performance.now() - cutAt > seconds * 1_000);
      const healedAt = performance.now();
      lab.heal();
      await waitFor('all find all', 60_000, async () => {
        const seen = await Promise.all((await pids()).map(seenFrom));
        const knowLate = await Promise.all((await pids()).map((pid) => answers(pid, late)));
        const all = seen.every((s) => s.names === NODES.length && s.failures === 0 && s.hosts === NODES.length);
        return all && knowLate.every(Boolean);
      });
      const tookMs = performance.now() - healedAt;
      assert.ok(tookMs < HEALED_MS, `${Math.round(tookMs)} ms`);
    }).timeout(seconds * 1_000 + 180_000);
  }
});
