/** Many tasks come and go over many networks; what is on the nodes afterwards has to be what was there before. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { newLab, ok, untilRunning } from './testing.js';

const NODES = ['m1', 'w1', 'w2'] as const;
const LONG_MS = 120_000;

export interface Churn {
  readonly networks: number;
  /** Tasks of each network's service at a time. */
  readonly replicas: number;
  /** How often they are all replaced. */
  readonly rounds: number;
}

export function describeChurn(c: Churn): void {
  const tasks = c.networks * c.replicas * c.rounds;
  describe(`${tasks} tasks over ${c.networks} networks`, () => {
    let lab: Lab;
    const start = new Map<string, string>();
    const names = Array.from({ length: c.networks }, (_, i) => `churn${i}`);
    before(async () => {
      lab = await newLab({ managers: 1, workers: 2 });
      for (const node of NODES) start.set(node, await settledTraces(lab, node));
    });
    after(() => lab.down());

    const create = async (name: string) => {
      ok(await lab.docker('m1', 'network', 'create', '-d', 'overlay', name));
      const wishes = ['-d', '-q', '--name', name, '--network', name, '--replicas', String(c.replicas)];
      const fast = ['--stop-signal', 'SIGKILL', '--update-parallelism', '0'];
      ok(await lab.docker('m1', 'service', 'create', ...wishes, ...fast, 'registry:5000/busybox', 'sleep', '100000'));
    };

    it('come and go', async () => {
      for (const name of names) await create(name);
      for (const name of names) await untilRunning(lab, 'm1', name, c.replicas, LONG_MS);
      for (let round = 1; round < c.rounds; round++) {
        for (const name of names) ok(await lab.docker('m1', 'service', 'scale', '-d', `${name}=0`));
        for (const name of names) await untilRunning(lab, 'm1', name, 0, LONG_MS);
        for (const name of names) ok(await lab.docker('m1', 'service', 'scale', '-d', `${name}=${c.replicas}`));
        for (const name of names) await untilRunning(lab, 'm1', name, c.replicas, LONG_MS);
      }
    }).timeout(3 * LONG_MS);

    it('leave no link, route, rule, namespace or address', async () => {
      ok(await lab.docker('m1', 'service', 'rm', ...names));
      await waitFor('the networks can go', LONG_MS, async () => {
        const left = ok(await lab.docker('m1', 'network', 'ls', '-q', '--filter', 'name=churn')).trim();
        if (left !== '') await lab.docker('m1', 'network', 'rm', ...left.split('\n'));
        return left === '';
      });
      for (const node of NODES) {
        let now = '';
        await waitFor(`${node} is as it was`, LONG_MS, async () => {
          now = await tracesOn(lab, node);
          return now === start.get(node);
        }).catch(() => assert.equal(now, start.get(node), node));
      }
    }).timeout(2 * LONG_MS);
  });
}

/** With the ingress network, which every node has, complete. */
function settledTraces(lab: Lab, node: string): Promise<string> {
  let last = '';
  return waitFor(`${node} has its ingress network`, LONG_MS, async () => {
    const known = last;
    last = await tracesOn(lab, node);
    return last === known && last.includes('swlmesh0') && last.includes('vx0') ? last : undefined;
  });
}

/** Everything that networks leave on a node. */
async function tracesOn(lab: Lab, node: string): Promise<string> {
  const shown = async (...argv: readonly string[]) => ok(await lab.exec(node, argv));
  const root = join('/run/swarmts-lab', lab.name, node);
  const links = (await shown('ip', '-o', 'link')).split('\n').map((l) => l.split(': ')[1]?.split('@')[0] ?? '');
  const tables = (await shown('nft', 'list', 'tables')).split('\n').sort();
  const routes = (await shown('ip', 'route')) + (await shown('ip', 'rule'));
  const router = readdirSync(join(root, 'routers')).sort();
  const inside = await Promise.all(
    router.map((file) => shown('nsenter', `--net=${join(root, 'routers', file)}`, 'sh', '-c', 'ip -br link; ip route')),
  );
  const namespaces = readdirSync(join(root, 'netns')).sort();
  return JSON.stringify({ links: links.sort(), tables, routes, router, inside, namespaces }, undefined, 1);
}
