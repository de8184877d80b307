/**
 * Random kills of one node's daemon or helper while containers run, end by themselves, come and go: what runs goes on with the same
 * processes, exit codes of what ended meanwhile are right, and nothing is left behind in the end.
 */
import assert from 'node:assert/strict';
import { seededRandom } from '@swarmts/lib';
import { api, callApi } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { commandOf, emptyNode } from './emptied-node.js';
import { newLab, ok } from './testing.js';

const IMAGE = 'registry:5000/busybox';
const REPAIR_MS = 30_000;

interface Inspected {
  readonly Id: string;
  readonly State: { readonly Status: string; readonly Pid: number; readonly ExitCode: number };
}

export interface KillOptions {
  readonly kills: number;
  readonly containers: number;
  readonly seed: number;
}

export function describeEngineKills({ kills, containers, seed }: KillOptions): void {
  describe(`${kills} kills of daemon and helper beside ${containers} containers (seed ${seed})`, function () {
    this.timeout(60_000 + kills * REPAIR_MS);
    const random = seededRandom(seed);
    let lab: Lab;
    let churning = true;
    /** Containers that end by themselves, with the code that they end with. */
    const ending = new Map<string, number>();
    const pids = new Map<string, number>();
    before(async () => {
      lab = await newLab({ managers: 1, workers: 0 });
      ok(await lab.docker('m1', 'pull', '-q', IMAGE));
    });
    after(() => lab.down());

    const socket = () => lab.socket('m1');
    const inspect = (name: string) => api<Inspected>(socket(), 'GET', `/containers/${name}/json`);
    const create = (name: string, script: string) =>
      callApi(socket(), 'POST', `/containers/create?name=${name}`, { Image: IMAGE, Cmd: ['sh', '-c', script] });
    /** There may be no daemon at the moment. */
    const attempt = async (method: string, path: string) =>
      callApi(socket(), method, path).then(
        (a) => a.status,
        () => 0,
      );

    async function churn(worker: number): Promise<void> {
      for (let i = 0; churning; i++) {
        const name = `churn-${worker}-${i}`;
        const code = 1 + Math.floor(random() * 100);
        const made = await create(name, `sleep 0.${Math.floor(random() * 10)}; exit ${code}`).catch(() => undefined);
        const started = made?.status === 201 ? await attempt('POST', `/containers/${name}/start`) : 0;
        // Only of those whose start was confirmed it is sure that they ran.
        if (started === 204) ending.set(name, code);
        if (started !== 204 || random() < 0.5) {
          ending.delete(name);
          await attempt('DELETE', `/containers/${name}?force=1&v=1`);
        }
        await new Promise((resolve) => setTimeout(resolve, random() * 200));
      }
    }

    async function kill(): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, random() * 400));
      const daemon = lab.nodes.find((n) => n.name === 'm1')?.pid ?? 0;
      if (random() < 0.6) {
        await lab.kill('m1');
        await new Promise((resolve) => setTimeout(resolve, random() * 300));
        await lab.start('m1');
        return;
      }
      const helper = lab.processes('m1').find((p) => p !== daemon && commandOf(p).startsWith('swarmts-helper'));
      if (helper !== undefined) process.kill(helper, 'SIGKILL');
    }

    it('leave what runs alone', async () => {
      for (let i = 0; i < containers; i++) {
        const name = `steady-${i}`;
        await create(name, 'sleep 100000');
        await api(socket(), 'POST', `/containers/${name}/start`);
        pids.set(name, (await inspect(name)).State.Pid);
      }
      const workers = [0, 1, 2].map(churn);
      for (let i = 0; i < kills; i++) {
        await kill();
        for (const [name, pid] of pids) {
          const { State } = await waitFor(`${name} is there after kill ${i + 1}`, REPAIR_MS, () => inspect(name));
          assert.deepEqual([State.Status, State.Pid], ['running', pid], `${name} after kill ${i + 1}`);
        }
      }
      churning = false;
      await Promise.all(workers);
    });

    it('leave the exit codes of what ended right', async () => {
      assert.ok(ending.size > 0);
      for (const [name, code] of ending) {
        const { State } = await waitFor(`${name} has ended`, REPAIR_MS, async () => {
          const found = await inspect(name);
          return found.State.Status === 'exited' ? found : undefined;
        });
        assert.equal(State.ExitCode, code, name);
      }
    });

    it('leave nothing behind', () => emptyNode(lab, 'm1', REPAIR_MS));
  });
}
