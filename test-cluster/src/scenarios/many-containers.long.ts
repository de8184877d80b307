/** A thousand containers on one node: they start, outlive their daemon, are worked with, and go. */
import assert from 'node:assert/strict';
import { api, callApi } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { emptyNode } from './emptied-node.js';
import { newLab, ok } from './testing.js';

const COUNT = 1000;
const IN_FLIGHT = 8;
const IMAGE = 'registry:5000/busybox';
/** It is 1.5 s on two idle cores. */
const ANSWERS_WITHIN_MS = 10_000;
const TIMEOUT_MS = 120_000;

describe(`${COUNT} containers on one node`, function () {
  this.timeout(600_000);
  let lab: Lab;
  const pids = new Map<string, number>();
  before(async () => {
    lab = await newLab();
    ok(await lab.docker('m1', 'pull', '-q', IMAGE));
  });
  after(() => lab.down());

  const socket = () => lab.socket('m1');
  const pidOf = async (name: string) => {
    const { State } = await api<{ State: { Status: string; Pid: number } }>(
      socket(),
      'GET',
      `/containers/${name}/json`,
    );
    assert.equal(State.Status, 'running', name);
    return State.Pid;
  };
  const run = async (name: string) => {
    const Cmd = ['sh', '-c', 'echo begun; exec sleep 100000'];
    await api(socket(), 'POST', `/containers/create?name=${name}`, { Image: IMAGE, Cmd });
    await api(socket(), 'POST', `/containers/${name}/start`);
    pids.set(name, await pidOf(name));
  };

  it('start', async () => {
    const names = Array.from({ length: COUNT }, (_, i) => `many-${i}`);
    const work = async () => {
      for (let name = names.pop(); name; name = names.pop()) await run(name);
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, work));
    assert.equal(new Set(pids.values()).size, COUNT);
  });

  it('go on while their daemon is killed, and are all there as soon as the next one answers', async () => {
    await lab.kill('m1');
    const before = performance.now();
    await lab.start('m1');
    const tookMs = performance.now() - before;
    assert.ok(tookMs < ANSWERS_WITHIN_MS, `the API answers after ${Math.round(tookMs)} ms`);
    assert.equal((await api<readonly object[]>(socket(), 'GET', '/containers/json')).length, COUNT);
    for (const [name, pid] of pids) assert.equal(await pidOf(name), pid, name);
  });

  it('are worked with like few', async () => {
    for (const name of ['many-0', `many-${COUNT - 1}`]) {
      assert.equal(ok(await lab.docker('m1', 'exec', name, 'echo', 'inside')), 'inside\n');
      assert.equal(ok(await lab.docker('m1', 'logs', name)), 'begun\n');
      assert.equal((await callApi(socket(), 'GET', `/containers/${name}/stats?stream=0&one-shot=1`)).status, 200);
    }
    ok(await lab.docker('m1', 'run', '--rm', '-v', 'data:/data', IMAGE, 'true'));
  });

  it('go without leaving anything', () => emptyNode(lab, 'm1', TIMEOUT_MS));
});
