/** A service on five nodes goes from one task to a hundred and to none. */
import { api, waitFor } from '@swarmts/test-cluster';
import { createService, setUp, tasksOf, untilRunning } from '../bed.js';
import { compare } from '../measure.js';

const REPLICAS = 100;
const ROUNDS = 5;
const GOAL = 0.2;
const LONG_MS = 300_000;

interface ServiceJson {
  readonly ID: string;
  readonly Version: { readonly Index: number };
  readonly Spec: Readonly<Record<string, unknown>>;
}

export async function scale(): Promise<boolean> {
  const bed = await setUp({ managers: 1, workers: 4, peers: 5, swarm: true });
  try {
    const [d1] = bed.peer.daemons;
    if (!d1) throw new Error('no peer');
    for (const socket of [bed.lab.socket('m1'), d1.socket]) {
      await createService(socket, 'web', 1);
      await untilRunning(socket, 1);
    }
    return await compare({
      benchmark: `scale (1 to ${REPLICAS} to 0, five nodes)`,
      unit: 'ms',
      ours: { name: 'swarmts', measure: () => upAndDown(bed.lab.socket('m1')) },
      peer: { name: 'docker swarm', measure: () => upAndDown(d1.socket) },
      peerVersion: bed.peer.version,
      goal: GOAL,
      rounds: ROUNDS,
    });
  } finally {
    await bed.close();
  }
}

async function upAndDown(socket: string): Promise<number> {
  await replicas(socket, 1);
  await untilRunning(socket, 1);
  const begin = performance.now();
  await replicas(socket, REPLICAS);
  await untilRunning(socket, REPLICAS);
  await replicas(socket, 0);
  await waitFor(
    'no task runs',
    LONG_MS,
    async () => (await tasksOf(socket)).every((t) => t.Status.State !== 'running'),
    100,
  );
  return performance.now() - begin;
}

async function replicas(socket: string, count: number): Promise<void> {
  const s = await api<ServiceJson>(socket, 'GET', '/services/web');
  await api(socket, 'POST', `/services/${s.ID}/update?version=${s.Version.Index}`, {
    ...s.Spec,
    Mode: { Replicated: { Replicas: count } },
  });
}
