/** `npm run bench -- NAME...`: measures against real peers in the same run and prints a table for each. */
import { api, waitFor } from '@swarmts/test-cluster';
import { apiLists } from './api-bench.js';
import { createService, firstWriteMs, IMAGE, removeService, setUp, tasksOf, untilRunning } from './bed.js';
import { burst } from './burst-bench.js';
import { cli } from './cluster/cli-bench.js';
import { fleet } from './cluster/fleet-bench.js';
import { million } from './cluster/million-bench.js';
import { scale } from './cluster/scale-bench.js';
import { schedule } from './cluster/schedule-bench.js';
import { imagePull } from './image-pull.js';
import { compare } from './measure.js';
import { footprint } from './memory-bench.js';
import { attach, propagation } from './network/change-bench.js';
import { dns } from './network/dns-bench.js';
import { mesh } from './network/mesh-bench.js';
import { overlay } from './network/overlay-bench.js';
import { raftRead, raftWrite } from './raft/raft-bench.js';

const ROUNDS = 5;
const STARTS_PER_ROUND = 10;
const REPLICAS = 100;
const DEAD_WAIT_MS = 120_000;

type Benchmark = () => Promise<boolean>;

const benchmarks: Readonly<Record<string, Benchmark>> = {
  start,
  burst,
  converge,
  'leader-failover': leaderFailover,
  'node-failover': nodeFailover,
  footprint,
  overlay,
  mesh,
  attach,
  propagation,
  dns,
  'image-pull': imagePull,
  'raft-write': raftWrite,
  'raft-read': raftRead,
  schedule,
  fleet,
  million,
  scale,
  cli,
  api: apiLists,
};

async function main(names: readonly string[]): Promise<void> {
  const wanted = names.length === 0 || names.includes('all') ? Object.keys(benchmarks) : names;
  let met = true;
  for (const name of wanted) {
    const benchmark = benchmarks[name];
    if (!benchmark) throw new Error(`unknown benchmark '${name}'; there are ${Object.keys(benchmarks).join(', ')}`);
    met = (await benchmark()) && met;
  }
  process.exitCode = met ? 0 : 1;
}

/** One task from declaration to running, through a service of one replica: the way both sides start a container. */
async function start(): Promise<boolean> {
  const bed = await setUp({ managers: 1, workers: 0, peers: 1, swarm: false });
  try {
    const dockerd = bed.peer.daemons[0];
    if (!dockerd) throw new Error('no peer');
    const oneStart = async (socket: string): Promise<number> => {
      const times: number[] = [];
      for (let i = 0; i < STARTS_PER_ROUND; i++) {
        const begin = performance.now();
        const { Id } = await api<{ readonly Id: string }>(socket, 'POST', '/containers/create', {
          Image: IMAGE,
          Cmd: ['sleep', 'infinity'],
        });
        await api(socket, 'POST', `/containers/${Id}/start`);
        times.push(performance.now() - begin);
        await api(socket, 'DELETE', `/containers/${Id}?force=1`);
      }
      return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
    };
    return await compare({
      benchmark: 'start (create + start, p50)',
      unit: 'ms',
      ours: { name: 'swarmts', measure: () => oneStart(bed.lab.socket('m1')) },
      peer: { name: 'dockerd', measure: () => oneStart(dockerd.socket) },
      peerVersion: bed.peer.version,
      goal: 0.15,
      rounds: ROUNDS,
    });
  } finally {
    await bed.close();
  }
}

async function converge(): Promise<boolean> {
  const bed = await setUp({ managers: 1, workers: 0, peers: 1, swarm: true });
  try {
    let n = 0;
    const once = async (socket: string): Promise<number> => {
      const name = `c${n++}`;
      const begin = performance.now();
      await createService(socket, name, REPLICAS);
      await untilRunning(socket, REPLICAS);
      const elapsed = performance.now() - begin;
      await removeService(socket, name, [socket]);
      return elapsed;
    };
    const dockerd = bed.peer.daemons[0];
    if (!dockerd) throw new Error('no peer');
    return await compare({
      benchmark: `converge (${REPLICAS} replicas, one node)`,
      unit: 'ms',
      ours: { name: 'swarmts', measure: () => once(bed.lab.socket('m1')) },
      peer: { name: 'docker swarm', measure: () => once(dockerd.socket) },
      peerVersion: bed.peer.version,
      goal: 0.1,
      rounds: ROUNDS,
    });
  } finally {
    await bed.close();
  }
}

interface NodeJson {
  readonly ID: string;
  readonly Description: { readonly Hostname: string };
  readonly Status: { readonly State: string };
  readonly ManagerStatus?: { readonly Leader?: boolean; readonly Reachability: string };
}

const nodes = (socket: string) => api<readonly NodeJson[]>(socket, 'GET', '/nodes');

/** Waits until three managers are reachable, and names the leader. */
function leaderOf(socket: string): Promise<string> {
  return waitFor('three managers are reachable', DEAD_WAIT_MS, async () => {
    const all = (await nodes(socket)).filter((n) => n.ManagerStatus);
    if (
      all.length < 3 ||
      !all.every((n) => n.ManagerStatus?.Reachability === 'reachable' && n.Status.State === 'ready')
    )
      return undefined;
    return all.find((n) => n.ManagerStatus?.Leader)?.Description.Hostname;
  });
}

async function leaderFailover(): Promise<boolean> {
  const bed = await setUp({ managers: 3, workers: 0, peers: 3, swarm: true });
  try {
    let n = 0;
    const ours = async (): Promise<number> => {
      const leader = await leaderOf(bed.lab.socket('m1'));
      const other = ['m1', 'm2', 'm3'].find((m) => m !== leader) ?? 'm1';
      await bed.lab.kill(leader);
      const elapsed = await firstWriteMs(bed.lab.socket(other), `f${n++}`);
      await bed.lab.start(leader);
      await leaderOf(bed.lab.socket(other));
      return elapsed;
    };
    const theirs = async (): Promise<number> => {
      const [d1] = bed.peer.daemons;
      if (!d1) throw new Error('no peer');
      const name = await leaderOf(d1.socket);
      const leader = bed.peer.daemons.find((d) => d.name === name);
      const other = bed.peer.daemons.find((d) => d.name !== name);
      if (!leader || !other) throw new Error(`no peer is called ${name}`);
      bed.peer.kill(leader);
      const elapsed = await firstWriteMs(other.socket, `f${n++}`);
      await bed.peer.startDaemon(leader);
      await leaderOf(other.socket);
      return elapsed;
    };
    return await compare({
      benchmark: 'leader-failover (SIGKILL to the first acknowledged write)',
      unit: 'ms',
      ours: { name: 'swarmts', measure: ours },
      peer: { name: 'docker swarm', measure: theirs },
      peerVersion: bed.peer.version,
      goal: 0.2,
      rounds: ROUNDS,
    });
  } finally {
    await bed.close();
  }
}

const FAILOVER_REPLICAS = 6;

/** Three managers, as many daemons as the other side; one that does not lead loses its power. */
async function nodeFailover(): Promise<boolean> {
  const bed = await setUp({ managers: 3, workers: 0, peers: 3, swarm: true });
  try {
    const [d1] = bed.peer.daemons;
    if (!d1) throw new Error('no peer');
    for (const socket of [bed.lab.socket('m1'), d1.socket]) {
      await createService(socket, 'web', FAILOVER_REPLICAS);
      await untilRunning(socket, FAILOVER_REPLICAS);
    }
    const untilMoved = async (socket: string, lost: string): Promise<number> => {
      const begin = performance.now();
      await waitFor(
        'the node is down',
        DEAD_WAIT_MS,
        async () => (await nodes(socket)).find((n) => n.Description.Hostname === lost)?.Status.State === 'down',
      );
      await untilRunning(socket, FAILOVER_REPLICAS);
      return performance.now() - begin;
    };
    const ours = async (): Promise<number> => {
      const leader = await leaderOf(bed.lab.socket('m1'));
      const victim = ['m1', 'm2', 'm3'].filter((m) => m !== leader)[0] ?? 'm3';
      await bed.lab.poweroff(victim);
      const elapsed = await untilMoved(bed.lab.socket(leader), victim);
      await bed.lab.start(victim);
      await rebalance(bed.lab.socket(leader));
      return elapsed;
    };
    const theirs = async (): Promise<number> => {
      const name = await leaderOf(d1.socket);
      const leader = bed.peer.daemons.find((d) => d.name === name);
      const victim = bed.peer.daemons.find((d) => d.name !== name);
      if (!leader || !victim) throw new Error(`no peer is called ${name}`);
      bed.peer.kill(victim);
      const elapsed = await untilMoved(leader.socket, victim.name);
      await bed.peer.startDaemon(victim);
      await rebalance(leader.socket);
      return elapsed;
    };
    return await compare({
      benchmark: 'node-failover (power off to all replicas running)',
      unit: 'ms',
      ours: { name: 'swarmts', measure: ours },
      peer: { name: 'docker swarm', measure: theirs },
      peerVersion: bed.peer.version,
      goal: 0.25,
      rounds: ROUNDS,
    });
  } finally {
    await bed.close();
  }
}

/** Every node has tasks again: the service is scaled to nothing and back. */
async function rebalance(socket: string): Promise<void> {
  await leaderOf(socket);
  for (const replicas of [0, FAILOVER_REPLICAS]) {
    const s = await api<{
      readonly ID: string;
      readonly Version: { readonly Index: number };
      readonly Spec: Readonly<Record<string, unknown>>;
    }>(socket, 'GET', '/services/web');
    await api(socket, 'POST', `/services/${s.ID}/update?version=${s.Version.Index}`, {
      ...s.Spec,
      Mode: { Replicated: { Replicas: replicas } },
    });
    if (replicas > 0) await untilRunning(socket, replicas);
    else
      await waitFor('no task runs', DEAD_WAIT_MS, async () =>
        (await tasksOf(socket)).every((t) => t.Status.State !== 'running'),
      );
  }
}

try {
  await main(process.argv.slice(2));
} catch (e) {
  process.stderr.write(`bench: ${e instanceof Error ? e.message : e}\n`);
  process.exitCode = 2;
}
