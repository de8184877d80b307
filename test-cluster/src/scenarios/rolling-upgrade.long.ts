/**
 * A cluster goes over from the previous release to this one, node by node: managers first, the leader last of them. No task is
 * restarted or lost, no connection refused, and nothing is refused for longer than it takes to change the leader.
 */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lab } from '../lab/lab.js';
import { previousRelease, type Release } from '../lab/release.js';
import { waitFor } from '../wait.js';
import { startLoad } from './connection-load.js';
import { outsidePid } from './network-probes.js';
import { newLab, nodesOf, ok, runningTasks, untilRunning } from './testing.js';

const ADDRESSES = ['10.210.0.11', '10.210.0.12', '10.210.0.13', '10.210.0.14', '10.210.0.15'];
const NODES = ['m1', 'm2', 'm3', 'w1', 'w2'];
const MANAGERS = ['m1', 'm2', 'm3'];
const WHOAMI = 'registry:5000/whoami';
/** An election, and what clients wait between two tries. */
const LONGEST_REFUSAL_MS = 5_000;

/** Writes all the time, on one manager after the other, and tells how long nothing was taken. */
function startWriting(lab: Lab): () => Promise<{ readonly written: number; readonly longestMs: number }> {
  let stopped = false;
  let written = 0;
  let longestMs = 0;
  const work = async () => {
    let lastMs = Date.now();
    for (let n = 0; !stopped; n++) {
      const via = MANAGERS[n % MANAGERS.length] ?? 'm1';
      const r = await lab.swarmts(via, 'service', 'update', '-d', '--label-add', `n=${n}`, 'web');
      if (r.code === 0) {
        written++;
        longestMs = Math.max(longestMs, Date.now() - lastMs);
        lastMs = Date.now();
      }
      await sleep(200);
    }
  };
  const done = work();
  return async () => {
    stopped = true;
    await done;
    return { written, longestMs };
  };
}

describe('a rolling upgrade', () => {
  let lab: Lab;
  let release: Release;
  before(async () => {
    release = previousRelease();
    lab = await newLab({ managers: 3, workers: 2, program: release.daemon });
    const create = ['service', 'create', '-d', '--replicas', '5', '--publish', '8080:80', '--name', 'web', WHOAMI];
    ok(await lab.docker('m1', ...create));
    await untilRunning(lab, 'm1', 'web', 5);
  });
  after(async () => {
    await lab?.down();
    release?.remove();
  });

  /** Every manager takes what users ask of it, whichever release it and the leader are of. */
  async function allWork(): Promise<void> {
    for (const via of MANAGERS) {
      assert.equal((await nodesOf(lab, via)).length, NODES.length);
      const name = `by-${via}`;
      ok(await lab.docker(via, 'service', 'create', '-d', '--name', name, '--replicas', '1', WHOAMI));
      await untilRunning(lab, via, name, 1);
      ok(await lab.docker(via, 'service', 'update', '-d', '--env-add', 'A=1', name));
      ok(await lab.docker(via, 'service', 'inspect', name));
      ok(await lab.docker(via, 'service', 'rm', name));
    }
  }

  it('restarts no task, refuses no connection, and keeps the cluster usable', async () => {
    const before = new Set((await runningTasks(lab, 'm1', 'web')).map((t) => t.ID));
    const leader = (await nodesOf(lab, 'm1')).find((n) => n.ManagerStatus?.Leader)?.Description.Hostname ?? 'm1';
    const managers = [...MANAGERS.filter((m) => m !== leader), leader];
    const endLoad = startLoad(outsidePid(lab), ADDRESSES, 8080, 50);
    const endWriting = startWriting(lab);
    for (const node of [...managers, 'w1', 'w2']) {
      await lab.upgrade(node);
      const asked = node === 'm1' ? 'm2' : 'm1';
      await waitFor(`${node} is ready`, 30_000, async () => {
        const nodes = await nodesOf(lab, asked).catch(() => []);
        const ready = nodes.filter((n) => n.Status.State === 'ready');
        const reachable = nodes.filter((n) => n.ManagerStatus?.Reachability === 'reachable');
        return ready.length === NODES.length && reachable.length === MANAGERS.length;
      });
      await allWork();
    }
    const { written, longestMs } = await endWriting();
    const { good, bad } = await endLoad();
    assert.deepEqual(bad, {}, `${good} connections were good`);
    assert.ok(good > 500 && written > 15, `${good} connections, ${written} writes`);
    assert.ok(longestMs < LONGEST_REFUSAL_MS, `for ${longestMs} ms nothing was taken`);
    const after = (await runningTasks(lab, 'm1', 'web')).map((t) => t.ID);
    assert.deepEqual(after.toSorted(), [...before].toSorted());
  });

  it('brings the features of the new release when every manager has it', async () => {
    const create = await lab.swarmts('m2', 'volume', 'create', '--driver', 'none.csi', '--group', 'g', 'v');
    ok(create);
    ok(await lab.swarmts('m2', 'volume', 'rm', '-f', 'v'));
  });
});
