/**
 * `mesh`: new connections a second from outside of the cluster through a published port, while the cluster has 1, 1,000 and 10,000 of
 * them, against the direct way to where a task is: a namespace behind the node, routed, with neither rules nor translation. Beside it a
 * port in host mode, and a server on the node itself, which is one hop nearer than any task.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { api, run, runAsync } from '@swarmts/test-cluster';
import { setUp, untilRunning } from '../bed.js';
import { alternate, compare, report, summarise } from '../measure.js';
import { createIdleService, pidOf, requirePrograms } from './containers.js';

const ROUNDS = 5;
const SECONDS = 3;
const CONNECTIONS = 32;
const NODE_PORT = 9_000;
const HOST_PORT = 9_001;
const MESH_PORT = 8_080;
const FIRST_PORT = 10_000;
const SERVICE_COUNTS = [1, 1_000, 10_000] as const;
const CREATIONS_AT_ONCE = 16;
const GOAL_DIRECT = 0.9;
const GOAL_NODE = 0.8;
const BARE = { device: 'bare0', node: '198.51.100.1', address: '198.51.100.2' } as const;
const GOAL_FLAT = 0.9;

/**
 * The client takes a new port for every connection and closes some first: with the kernel's defaults its ports would wait a minute each and
 * be used up within seconds, and every further connection would search all of them for a free one.
 */
const CLIENT_SETTINGS = ['net.ipv4.tcp_tw_reuse=1', 'net.ipv4.ip_local_port_range=1024 65535'] as const;

/** Argument: port. Answers every connection with the same bytes and closes it. */
const SERVER = `require('net').createServer({noDelay:true},c=>{c.on('error',()=>{});c.once('data',()=>c.end(
'HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok'))}).listen(Number(process.argv[1]),()=>console.log('up'))`;

export async function mesh(): Promise<boolean> {
  requirePrograms('wrk');
  const bed = await setUp({ managers: 1, workers: 0, peers: 1, swarm: true });
  const servers: (() => void)[] = [];
  try {
    const node = bed.lab.nodes[0];
    if (!node) throw new Error('no node');
    run('nsenter', `--target=${bed.lab.outsidePid}`, '--net', '--', 'sysctl', '-q', '-w', ...CLIENT_SETTINGS);
    const socket = bed.lab.socket(node.name);
    await createIdleService(socket, 'web', { mode: 'vip', replicas: 1, publish: { target: 80, published: MESH_PORT } });
    await createIdleService(socket, 'near', {
      mode: 'vip',
      replicas: 1,
      publish: { target: 80, published: HOST_PORT, inHostMode: true },
    });
    await untilRunning(socket, 2);
    const places = [await pidOf(socket, 'web'), await pidOf(socket, 'near')];
    for (const pid of places) servers.push(await serve(pid, 80));
    servers.push(await serve(node.pid, NODE_PORT));
    const bare = await bareNamespace(node, bed.lab.outsidePid);
    servers.push(bare.close, await serve(bare.pid, 80));
    const side = (name: string, port: number, address: string = node.address) => ({
      name,
      measure: () => connectionsPerSecond(bed.lab.outsidePid, address, port),
    });
    const published = side('published port', MESH_PORT);
    const common = {
      unit: 'conn/s',
      ours: published,
      peerVersion: run('uname', '-r').trim(),
      goal: GOAL_DIRECT,
      higherIsBetter: true,
      rounds: ROUNDS,
    } as const;
    const benchmark = 'mesh (new connections, against a container’s port in host mode)';
    let met = await compare({ ...common, benchmark, peer: side('mode=host', HOST_PORT) });
    const nearer = 'mesh (new connections, against a server on the node itself)';
    met = (await compare({ ...common, benchmark: nearer, peer: side('node', NODE_PORT), goal: GOAL_NODE })) && met;
    const ratios: number[] = [];
    for (const count of SERVICE_COUNTS) {
      await publishUpTo(socket, count);
      const [through, direct] = await alternate(published, side('direct', 80, bare.address), ROUNDS);
      const text = `mesh (new connections, ${count} services, against the direct way)`;
      met = report({ ...common, benchmark: text }, 'published port', through, 'direct', direct) && met;
      ratios.push(summarise(through.map((t, i) => t / (direct[i] ?? Number.NaN))).median);
    }
    return reportFlat(ratios) && met;
  } finally {
    for (const stop of servers) stop();
    await bed.close();
  }
}

/** What 10,000 services cost, each measured against the same thing at its time. */
function reportFlat(ratios: readonly number[]): boolean {
  const [one = Number.NaN] = ratios;
  const most = ratios.at(-1) ?? Number.NaN;
  const what = { unit: 'of direct', goal: GOAL_FLAT, higherIsBetter: true, rounds: 1, peerVersion: 'swarmts' } as const;
  const name = (count: number | undefined) => `${count} services`;
  const benchmark = 'mesh (10,000 services against one)';
  return report({ ...what, benchmark }, name(SERVICE_COUNTS.at(-1)), [most], name(SERVICE_COUNTS[0]), [one]);
}

/** Services with a published port and no task: every node has them in its rules all the same. */
async function publishUpTo(socket: string, count: number): Promise<void> {
  const have = (await api<readonly unknown[]>(socket, 'GET', '/services')).length;
  const missing = Array.from({ length: Math.max(0, count - have) }, (_, i) => have + i);
  const worker = async () => {
    for (let i = missing.pop(); i !== undefined; i = missing.pop()) {
      await createIdleService(socket, `s${i}`, {
        mode: 'vip',
        replicas: 0,
        publish: { target: 80, published: FIRST_PORT + i },
      });
    }
  };
  await Promise.all(Array.from({ length: CREATIONS_AT_ONCE }, worker));
}

/** A namespace behind the node as a task's is, which the outside has a route to. */
async function bareNamespace(
  node: { readonly pid: number; readonly address: string },
  outsidePid: number,
): Promise<{ readonly pid: number; readonly address: string; readonly close: () => void }> {
  const child = spawn('unshare', ['--net', 'sh', '-c', 'echo up; exec sleep infinity'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  const pid = child.pid ?? 0;
  const ip = (at: number, ...words: readonly string[]) =>
    run('nsenter', `--target=${at}`, '--net', '--', 'ip', ...words);
  const { device, node: gateway, address } = BARE;
  ip(node.pid, 'link', 'add', device, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(pid));
  ip(node.pid, 'address', 'add', `${gateway}/30`, 'dev', device);
  ip(node.pid, 'link', 'set', device, 'up');
  ip(pid, 'address', 'add', `${address}/30`, 'dev', 'eth0');
  ip(pid, 'link', 'set', 'eth0', 'up');
  ip(pid, 'route', 'add', 'default', 'via', gateway);
  ip(outsidePid, 'route', 'add', `${address}/32`, 'via', node.address);
  return { pid, address, close: () => void child.kill('SIGKILL') };
}

/** Starts the server in the network namespace of a process; resolves when it listens. */
async function serve(pid: number, port: number): Promise<() => void> {
  const argv = [`--target=${pid}`, '--net', '--', process.execPath, '-e', SERVER, String(port)];
  const child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return () => void child.kill('SIGKILL');
}

async function connectionsPerSecond(fromPid: number, address: string, port: number): Promise<number> {
  const url = `http://${address}:${port}/`;
  const wrk = ['wrk', '-t', '1', '-c', String(CONNECTIONS), '-d', `${SECONDS}s`, '-H', 'Connection: close', url];
  const r = await runAsync('nsenter', [`--target=${fromPid}`, '--net', '--', ...wrk]);
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(r.stdout)?.[1]);
  if (!(rate > 0)) throw new Error(`wrk: ${r.stderr} ${r.stdout}`);
  return rate;
}
