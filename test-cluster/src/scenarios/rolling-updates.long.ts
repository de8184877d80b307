/** Twenty updates of a published service under 500 connections per second: none is refused. */
import assert from 'node:assert/strict';
import type { Lab } from '../lab/lab.js';
import { startLoad } from './connection-load.js';
import { outsidePid } from './network-probes.js';
import { newLab, ok, runningTasks, untilRunning } from './testing.js';

const NODES = ['10.210.0.11', '10.210.0.12', '10.210.0.13'];
const UPDATES = 20;
const CONNECTIONS_PER_S = 500;
const SERVER = 'mkdir -p /www; echo ok >/www/index.html; sleep 1; exec httpd -f -p 80 -h /www';

describe('rolling updates', () => {
  let lab: Lab;
  before(async () => {
    lab = await newLab({ managers: 1, workers: 2 });
    const health = ['--health-cmd', 'wget -q -O /dev/null http://127.0.0.1/', '--health-interval', '500ms'];
    const update = ['--update-parallelism', '2', '--update-monitor', '500ms', '--stop-grace-period', '3s'];
    const wishes = ['--replicas', '4', '--publish', '8080:80', ...health, ...update];
    const server = ['registry:5000/busybox', 'sh', '-c', SERVER];
    ok(await lab.docker('m1', 'service', 'create', '-q', '--name', 'web', ...wishes, ...server));
    await untilRunning(lab, 'm1', 'web', 4);
  });
  after(() => lab.down());

  for (const order of ['start-first', 'stop-first']) {
    it(`with ${order} refuse no connection`, async () => {
      const end = startLoad(outsidePid(lab), NODES, 8080, CONNECTIONS_PER_S);
      const seen = new Set<string>();
      for (let n = 1; n <= UPDATES / 2; n++) {
        const change = ['--update-order', order, '--env-add', `ROUND=${order}${n}`];
        ok(await lab.docker('m1', 'service', 'update', '-q', ...change, 'web'));
        for (const t of await runningTasks(lab, 'm1', 'web')) seen.add(t.ID);
      }
      const { good, bad } = await end();
      assert.deepEqual(bad, {}, `${good} were good`);
      assert.ok(good > 1000, `${good} connections`);
      assert.equal(seen.size, (UPDATES / 2) * 4, 'every update replaced every task');
    });
  }
});
