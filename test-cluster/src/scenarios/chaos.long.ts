/**
 * Any one process, killed at any moment: daemons, helpers, monitors, OCI runtimes in the middle of a start, resolvers, containers. A service
 * is scaled up and down meanwhile. After every kill the cluster repairs itself, and nothing is left behind at the end.
 * CHAOS_SEED replays the choices, CHAOS_ROUNDS changes their number; what runs when differs from run to run.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { seededRandom } from '@swarmts/lib';
import { api } from '../client.js';
import type { Lab } from '../lab/lab.js';
import { waitFor } from '../wait.js';
import { newLab, nodesOf, ok, untilRunning } from './testing.js';

const NODES = ['m1', 'm2', 'm3', 'w1', 'w2'];
const MANAGERS = ['m1', 'm2', 'm3'];
const ROUNDS = Number(process.env.CHAOS_ROUNDS ?? 60);
const SEED = Number(process.env.CHAOS_SEED ?? Date.now() % 1_000_000);
const REPAIR_MS = 90_000;

const tail = (file: string) => readFileSync(file, 'utf8').trimEnd().split('\n').slice(-40).join('\n');

interface ContainerJson {
  readonly Id: string;
  readonly State: string;
}

describe(`any process that is killed at any moment (seed ${SEED})`, () => {
  const random = seededRandom(SEED);
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  let lab: Lab;
  let replicas = 8;
  before(async () => {
    lab = await newLab({ managers: 3, workers: 2 });
    ok(
      await lab.swarmts(
        'm1',
        ...['service', 'create', '--name', 'web', '--replicas', String(replicas), '--restart-delay', '500ms'],
        ...['--publish', '8080:80', 'registry:5000/whoami'],
      ),
    );
  });
  // CHAOS_KEEP leaves the lab up to be looked at.
  after(() => (process.env.CHAOS_KEEP === undefined ? lab.down() : undefined));

  const nameOf = (pid: number): string => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(0, 2).join(' ').slice(0, 60);
    } catch {
      return '';
    }
  };

  /** Kills one process of one node; starts its daemon again when that was it, as systemd would. */
  async function killOne(): Promise<string> {
    const node = pick(NODES) ?? 'm1';
    const all = lab.processes(node);
    const daemon = lab.nodes.find((n) => n.name === node)?.pid ?? 0;
    // The daemon and its helper are two among dozens: every third time it is one of them.
    const victims = random() < 0.33 ? all.filter((p) => p === daemon || nameOf(p).startsWith('swarmts-')) : all;
    const victim = pick(victims);
    if (victim === undefined) return `${node}: nothing to kill`;
    const name = nameOf(victim);
    try {
      process.kill(victim, 'SIGKILL');
    } catch {
      return `${node}: ${name} had ended`;
    }
    if (victim === daemon) {
      await waitFor('the daemon is dead', 10_000, () => !lab.processes(node).includes(daemon));
      await lab.start(node);
    }
    return `${node}: ${name} (${victim})`;
  }

  /** A manager that can serve: any of the three may be starting. */
  async function serving(): Promise<string> {
    return waitFor('a manager serves', REPAIR_MS, async () => {
      for (const m of MANAGERS) {
        const leader = await nodesOf(lab, m).then(
          (nodes) => nodes.some((n) => n.ManagerStatus?.Leader),
          () => false,
        );
        if (leader) return m;
      }
      return undefined;
    });
  }

  async function scaleTo(count: number): Promise<void> {
    replicas = count;
    await waitFor(`scaled to ${count}`, REPAIR_MS, async () => {
      const r = await lab.swarmts(await serving(), 'service', 'scale', '-d', `web=${count}`);
      return r.code === 0;
    });
  }

  for (let round = 1; round <= ROUNDS; round++) {
    it(`round ${round}`, async function () {
      this.timeout(REPAIR_MS * 3);
      // A kill in the middle of starts and stops meets other code than one at rest.
      if (random() < 0.5) await scaleTo(4 + Math.floor(random() * 9));
      const wait = random() * 600;
      await new Promise((resolve) => setTimeout(resolve, wait));
      const killed = await killOne();
      try {
        await untilRunning(lab, await serving(), 'web', replicas, REPAIR_MS);
      } catch (e) {
        throw new Error(`after ${killed}: ${e instanceof Error ? e.message : e}`, { cause: e });
      }
    });
  }

  it('leaves nothing behind', async function () {
    this.timeout(REPAIR_MS * 2);
    const manager = await serving();
    await waitFor('every node is ready', REPAIR_MS, async () =>
      (await nodesOf(lab, manager)).every((n) => n.Status.State === 'ready'),
    ).catch(async (e: unknown) => {
      const missing = (await nodesOf(lab, manager)).filter((n) => n.Status.State !== 'ready');
      const logs = missing.map(({ Description: { Hostname } }) => `${Hostname}:\n${tail(lab.logFile(Hostname))}`);
      throw new Error(`not every node is ready:\n${logs.join('\n')}`, { cause: e });
    });
    ok(await lab.swarmts(manager, 'service', 'rm', 'web'));
    for (const node of NODES) {
      const containers = () => api<readonly ContainerJson[]>(lab.socket(node), 'GET', '/containers/json?all=1');
      await waitFor(`${node} has no containers`, REPAIR_MS, async () => (await containers()).length === 0);
      await waitFor(`${node} runs nothing but swarmts`, 30_000, () =>
        lab.processes(node).every((p) => /swarmts/.test(nameOf(p)) || nameOf(p) === ''),
      );
      const mounts = ok(await lab.exec(node, ['cat', '/proc/self/mountinfo']));
      const left = mounts.split('\n').filter((l) => /\/containers\/[0-9a-f]{64}|netns\/[0-9a-f]{64}/.test(l));
      assert.deepEqual(left, [], `${node} has mounts left`);
      const links = ok(await lab.exec(node, ['ip', '-o', 'link']));
      assert.doesNotMatch(links, /swl[0-9a-f]{6,}/, `${node} has legs of containers left`);
    }
  });
});
