/**
 * `attach` and `propagation`: how long joining a running container to a network takes, and how long until every one of five nodes
 * knows that a backend is gone.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { api } from '@swarmts/test-cluster';
import { IMAGE, setUp, untilRunning } from '../bed.js';
import { compare } from '../measure.js';
import { containerOf, createIdleService, createNetwork, pidOf, placeOf } from './containers.js';

const ROUNDS = 5;
const CONTAINERS = 20;
const GOAL_ATTACH = 0.2;
const NODES = 5;
const GOAL_PROPAGATION = 0.5;
const LONG_MS = 60_000;

export async function attach(): Promise<boolean> {
  const bed = await setUp({ managers: 1, workers: 0, peers: 1, swarm: false });
  try {
    const dockerd = bed.peer.daemons[0];
    if (!dockerd) throw new Error('no peer');
    const prepare = async (socket: string) => {
      await api(socket, 'POST', '/networks/create', { Name: 'more', Driver: 'bridge' });
      const ids: string[] = [];
      for (let i = 0; i <= CONTAINERS; i++) ids.push(await sleeping(socket));
      const [resident, ...others] = ids;
      // The network is there already: what is measured is a container that joins it.
      await api(socket, 'POST', '/networks/more/connect', { Container: resident });
      return async () => {
        const times: number[] = [];
        for (const Container of others) {
          const begin = performance.now();
          await api(socket, 'POST', '/networks/more/connect', { Container });
          times.push(performance.now() - begin);
        }
        for (const Container of others)
          await api(socket, 'POST', '/networks/more/disconnect', { Container, Force: true });
        return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
      };
    };
    return await compare({
      benchmark: 'attach (a running container to a network, p50; to be 3 ms at most)',
      unit: 'ms',
      ours: { name: 'swarmts', measure: await prepare(bed.lab.socket('m1')) },
      peer: { name: 'dockerd', measure: await prepare(dockerd.socket) },
      peerVersion: bed.peer.version,
      goal: GOAL_ATTACH,
      rounds: ROUNDS,
    });
  } finally {
    await bed.close();
  }
}

async function sleeping(socket: string): Promise<string> {
  const wishes = { Image: IMAGE, Cmd: ['sleep', 'infinity'] };
  const { Id } = await api<{ readonly Id: string }>(socket, 'POST', '/containers/create', wishes);
  await api(socket, 'POST', `/containers/${Id}/start`);
  return Id;
}

export async function propagation(): Promise<boolean> {
  const bed = await setUp({ managers: 3, workers: 2, peers: NODES, swarm: true });
  try {
    const sideOf = async (name: string, sockets: readonly string[]) => {
      const [first = ''] = sockets;
      await createNetwork(first, 'back');
      await createIdleService(first, 'watch', { network: 'back', mode: 'dnsrr' });
      await untilRunning(first, NODES);
      return { name, measure: () => untilGone(sockets) };
    };
    return await compare({
      benchmark: 'propagation (a backend is gone on all of five nodes; to be 200 ms at most)',
      unit: 'ms',
      ours: await sideOf(
        'swarmts',
        bed.lab.nodes.map((n) => bed.lab.socket(n.name)),
      ),
      peer: await sideOf(
        'docker swarm',
        bed.peer.daemons.map((d) => d.socket),
      ),
      peerVersion: bed.peer.version,
      goal: GOAL_PROPAGATION,
      rounds: ROUNDS,
    });
  } finally {
    await bed.close();
  }
}

/** Kills the container of the last node, and waits until none of the others finds its address any more. */
async function untilGone(sockets: readonly string[]): Promise<number> {
  const last = sockets.at(-1) ?? '';
  const { address } = await placeOf(last, 'watch', 'back');
  const watchers = await Promise.all(
    sockets.slice(0, -1).map(async (socket) => watch(await pidOf(socket, 'watch'), address)),
  );
  const { Id } = await containerOf(last, 'watch');
  const begin = performance.now();
  await api(last, 'POST', `/containers/${Id}/kill`);
  await Promise.all(watchers.map((w) => w.gone));
  const elapsed = performance.now() - begin;
  await untilRunning(sockets[0] ?? '', NODES);
  return elapsed;
}

/** Asks for the tasks of the service again and again in a container; resolves when it has seen the address, `gone` when it is not there. */
async function watch(pid: number, address: string): Promise<{ readonly gone: Promise<void> }> {
  const child = spawn('nsenter', [`--target=${pid}`, '--net', '--', process.execPath, '-e', WATCH, address], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: LONG_MS,
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    gone: lines.next().then(({ done }) => {
      if (done) throw new Error(`${address} was not gone within ${LONG_MS} ms`);
    }),
  };
}

/** Argument: address. Prints a line when it is found, and one when it is not any more. */
const WATCH = `const {Resolver}=require('dns');const r=new Resolver({timeout:500,tries:1});r.setServers(['127.0.0.11']);
let seen=false;const ask=()=>r.resolve4('tasks.watch',(e,all)=>{if(e&&e.code!=='ENODATA'&&e.code!=='ENOTFOUND')return setTimeout(ask,2);
const has=(all||[]).includes(process.argv[1]);if(has&&!seen){seen=true;console.log('here')}
if(!has&&seen){console.log('gone');return}setTimeout(ask,2)});ask();`;
