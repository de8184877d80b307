/** `overlay`: one TCP stream between containers on two nodes, against Docker's overlay and against a VXLAN device without anything. */
import { run } from '@swarmts/test-cluster';
import { type Bed, setUp } from '../bed.js';
import { compare } from '../measure.js';
import { type Place, pairOf, requirePrograms, runAt, twoSockets } from './containers.js';

const ROUNDS = 5;
const SECONDS = 3;
const GOAL_DOCKER = 1;
const GOAL_BARE = 0.85;
const BARE = { vni: 77, port: 4799, mtu: 1450, name: 'bare', addresses: ['10.99.0.1', '10.99.0.2'] } as const;

export async function overlay(): Promise<boolean> {
  requirePrograms('iperf3');
  const bed = await setUp({ managers: 1, workers: 1, peers: 2, swarm: true });
  try {
    const ours = await pairOf(twoSockets(bed.lab.nodes.map((n) => bed.lab.socket(n.name))));
    const docker = await pairOf(twoSockets(bed.peer.daemons.map((d) => d.socket)));
    const bare = bareVxlan(bed, ours);
    const common = { unit: 'Gbit/s', higherIsBetter: true, rounds: ROUNDS } as const;
    const side = (name: string, pair: readonly [Place, Place]) => ({ name, measure: () => throughput(pair) });
    const first = await compare({
      ...common,
      benchmark: 'overlay (one TCP stream over two nodes)',
      ours: side('swarmts', ours),
      peer: side('docker overlay', docker),
      peerVersion: bed.peer.version,
      goal: GOAL_DOCKER,
    });
    const second = await compare({
      ...common,
      benchmark: 'overlay (one TCP stream, against a bare VXLAN)',
      ours: side('swarmts', ours),
      peer: side('bare VXLAN', bare),
      peerVersion: run('uname', '-r').trim(),
      goal: GOAL_BARE,
    });
    return first && second;
  } finally {
    await bed.close();
  }
}

/** Gbit/s from the first place to the second. */
async function throughput([from, to]: readonly [Place, Place]): Promise<number> {
  const server = runAt(to, 'iperf3', '-s', '-1', '-B', to.address);
  for (let attempt = 0; ; attempt++) {
    const client = await runAt(from, 'iperf3', '-c', to.address, '-t', String(SECONDS), '-J');
    // The end of iperf3's report: what arrived. It has none when the server was not there yet.
    const report = JSON.parse(client.stdout || '{}') as {
      readonly end?: { readonly sum_received?: { readonly bits_per_second: number } };
    };
    const received = report.end?.sum_received?.bits_per_second;
    if (received !== undefined) {
      await server;
      return received / 1e9;
    }
    if (attempt > CONNECT_ATTEMPTS)
      throw new Error(`iperf3 from ${from.address} to ${to.address}: ${client.stdout.slice(-500)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const CONNECT_ATTEMPTS = 40;

/** A point-to-point VXLAN between the same two containers, from the nodes' namespaces. */
function bareVxlan(bed: Bed, pair: readonly [Place, Place]): readonly [Place, Place] {
  const nodes = bed.lab.nodes;
  const [a, b] = nodes;
  if (!a || !b) throw new Error('two nodes are needed');
  const { name, vni, port, mtu, addresses } = BARE;
  const make = (i: 0 | 1, own: (typeof nodes)[number], other: (typeof nodes)[number]): Place => {
    const node = ['--target', String(own.pid), '--net', '--'];
    const words = ['vxlan', 'id', vni, 'local', own.address, 'remote', other.address, 'dstport', port].map(String);
    run('nsenter', ...node, 'ip', 'link', 'add', name, 'type', ...words);
    run('nsenter', ...node, 'ip', 'link', 'set', name, 'netns', String(pair[i].pid));
    const inside = ['--target', String(pair[i].pid), '--net', '--', 'ip'];
    run('nsenter', ...inside, 'addr', 'add', `${addresses[i]}/24`, 'dev', name);
    run('nsenter', ...inside, 'link', 'set', name, 'mtu', String(mtu), 'up');
    return { pid: pair[i].pid, address: addresses[i] };
  };
  return [make(0, a, b), make(1, b, a)];
}
