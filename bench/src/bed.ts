/** Both sides of a benchmark, set up alike: a lab of swarmts and a private dockerd, with the same image in both. */
import { api, callApi, Lab, REGISTRY_NAME, REGISTRY_PORT, run, waitFor } from '@swarmts/test-cluster';
import { DockerPeer } from './peer.js';

/** The registry has the same name on both sides, so that the same declaration works. */
export const IMAGE = `${REGISTRY_NAME}:${REGISTRY_PORT}/busybox:latest`;
const LONG_MS = 300_000;
/** Lists of a hundred tasks are work for both sides: asked for too often, they would be what is measured. */
const POLL_MS = 100;

export interface Bed {
  readonly lab: Lab;
  readonly peer: DockerPeer;
  close(): Promise<void>;
}

export async function setUp(o: {
  readonly managers: number;
  readonly workers: number;
  readonly peers: number;
  readonly swarm: boolean;
}): Promise<Bed> {
  const peer = await DockerPeer.start(o.peers);
  let lab: Lab | undefined;
  try {
    lab = await Lab.up({
      name: 'bench',
      managers: o.managers,
      workers: o.workers,
      join: o.swarm,
      daemonArgs: ['--log-level=error'],
    });
    const sockets = [...lab.nodes.map((n) => lab?.socket(n.name)), ...peer.daemons.map((d) => d.socket)];
    for (const socket of sockets) run('docker', '-H', `unix://${socket}`, 'pull', '-q', IMAGE);
    if (o.swarm) await peer.formSwarm();
  } catch (e) {
    await lab?.down();
    await peer.stop();
    throw e;
  }
  const ready = lab;
  return {
    lab: ready,
    peer,
    close: async () => {
      await ready.down();
      await peer.stop();
    },
  };
}

/** Creates a service through the API; its container stops at once when asked. */
export function createService(socket: string, name: string, replicas: number): Promise<unknown> {
  return api(socket, 'POST', '/services/create', {
    Name: name,
    TaskTemplate: {
      ContainerSpec: { Image: IMAGE, Command: ['sleep', 'infinity'], StopSignal: 'SIGKILL' },
      RestartPolicy: { Condition: 'any' },
    },
    Mode: { Replicated: { Replicas: replicas } },
  });
}

interface TaskJson {
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly Status: { readonly State: string };
}

export const tasksOf = (socket: string) => api<readonly TaskJson[]>(socket, 'GET', '/tasks');

/** Waits until so many tasks run on nodes that are up. */
export async function untilRunning(socket: string, count: number): Promise<void> {
  const allRun = async () => {
    const running = (await tasksOf(socket)).filter((t) => t.DesiredState === 'running' && t.Status.State === 'running');
    if (running.length < count) return false;
    const nodes = await api<readonly { readonly ID: string; readonly Status: { readonly State: string } }[]>(
      socket,
      'GET',
      '/nodes',
    );
    const down = new Set(nodes.filter((n) => n.Status.State === 'down').map((n) => n.ID));
    return running.filter((t) => !down.has(t.NodeID ?? '')).length >= count;
  };
  await waitFor(`${count} tasks run`, LONG_MS, allRun, POLL_MS);
}

/** Removes a service and waits until its containers are gone from the given daemons. */
export async function removeService(socket: string, name: string, daemons: readonly string[]): Promise<void> {
  await api(socket, 'DELETE', `/services/${name}`);
  await waitFor('the containers are gone', LONG_MS, async () => {
    const lists = await Promise.all(daemons.map((d) => api<readonly unknown[]>(d, 'GET', '/containers/json?all=1')));
    return lists.every((l) => l.length === 0);
  });
}

/** Milliseconds until a write is acknowledged: the creation of a config. */
export async function firstWriteMs(socket: string, name: string): Promise<number> {
  const begin = performance.now();
  await waitFor('a write is acknowledged', LONG_MS, async () => {
    const answer = await callApi(socket, 'POST', '/configs/create', { Name: name, Data: 'eA==' }, 1_000);
    // The write before may have been made although its answer was lost.
    return answer.status === 201 || answer.status === 409;
  });
  return performance.now() - begin;
}

/** As many at a time as clients of one node have on their way. */
export const IN_FLIGHT = 8;

/** `work` for each number below `count`. */
export async function inFlight(count: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}
