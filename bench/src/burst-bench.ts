/** A hundred containers, eight at a time, on one node: how many come up a second. */
import { api } from '@swarmts/test-cluster';
import { IMAGE, IN_FLIGHT, inFlight, setUp } from './bed.js';
import { compare } from './measure.js';

const CONTAINERS = 100;
const ROUNDS = 5;
const GOAL = 8;

export async function burst(): Promise<boolean> {
  const bed = await setUp({ managers: 1, workers: 0, peers: 1, swarm: false });
  try {
    const dockerd = bed.peer.daemons[0];
    if (!dockerd) throw new Error('no peer');
    return await compare({
      benchmark: `burst (${CONTAINERS} containers, ${IN_FLIGHT} in flight)`,
      unit: 'containers/s',
      ours: { name: 'swarmts', measure: () => rate(bed.lab.socket('m1')) },
      peer: { name: 'dockerd', measure: () => rate(dockerd.socket) },
      peerVersion: bed.peer.version,
      goal: GOAL,
      higherIsBetter: true,
      rounds: ROUNDS,
    });
  } finally {
    await bed.close();
  }
}

async function rate(socket: string): Promise<number> {
  const begin = performance.now();
  const ids = await startMany(socket, CONTAINERS);
  const seconds = (performance.now() - begin) / 1000;
  await removeAll(socket, ids);
  return CONTAINERS / seconds;
}

/** Resolves to the ids of containers that run. */
export async function startMany(socket: string, count: number): Promise<readonly string[]> {
  const ids: string[] = [];
  await inFlight(count, async () => {
    const body = { Image: IMAGE, Cmd: ['sleep', 'infinity'], StopSignal: 'SIGKILL' };
    const { Id } = await api<{ readonly Id: string }>(socket, 'POST', '/containers/create', body);
    ids.push(Id);
    await api(socket, 'POST', `/containers/${Id}/start`);
  });
  return ids;
}

export function removeAll(socket: string, ids: readonly string[]): Promise<void> {
  return inFlight(ids.length, (i) => api(socket, 'DELETE', `/containers/${ids[i]}?force=1`));
}
