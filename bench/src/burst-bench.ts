/** A hundred containers, eight at a time, on one node: how many come up a second. */
import { api } from '@swarmts/test-cluster';
import { IMAGE, setUp } from './bed.js';
import { compare } from './measure.js';

const CONTAINERS = 100;
const IN_FLIGHT = 8;
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
  const ids: string[] = [];
  let left = CONTAINERS;
  const begin = performance.now();
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const body = { Image: IMAGE, Cmd: ['sleep', 'infinity'], StopSignal: 'SIGKILL' };
      const { Id } = await api<{ readonly Id: string }>(socket, 'POST', '/containers/create', body);
      ids.push(Id);
      await api(socket, 'POST', `/containers/${Id}/start`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
  const seconds = (performance.now() - begin) / 1000;
  const remove = async (): Promise<void> => {
    for (let id = ids.pop(); id !== undefined; id = ids.pop()) await api(socket, 'DELETE', `/containers/${id}?force=1`);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, remove));
  return CONTAINERS / seconds;
}
