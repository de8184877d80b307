/** How long the API takes for what clients ask most: long lists, and an event that many listen for. */
import { request } from 'node:http';
import { api, callApi, waitFor } from '@swarmts/test-cluster';
import { type Bed, IMAGE, inFlight, setUp } from './bed.js';
import { compare, summarise } from './measure.js';

const CONTAINERS = 1000;
const SERVICES = 1000;
const TASKS = 10_000;
const LISTENERS = 100;
const EVENTS = 10;
const ROUNDS = 9;
const GOAL = 1;
const LONG_MS = 600_000;

export async function apiLists(): Promise<boolean> {
  const bed = await setUp({ managers: 1, workers: 0, peers: 1, swarm: true });
  try {
    const sockets = socketsOf(bed);
    await Promise.all(sockets.map(fill));
    const lists = [
      [`list ${CONTAINERS} containers`, '/containers/json?all=1', CONTAINERS],
      [`list ${SERVICES} services`, '/services', SERVICES],
      [`list ${TASKS} tasks`, '/tasks', TASKS],
    ] as const;
    let met = true;
    for (const [name, path, count] of lists)
      met = (await compareSides(bed, name, (s) => listMs(s, path, count))) && met;
    return (await compareSides(bed, `an event to ${LISTENERS} listeners`, eventMs)) && met;
  } finally {
    await bed.close();
  }
}

function socketsOf(bed: Bed): readonly [string, string] {
  return [bed.lab.socket('m1'), bed.peer.daemons[0]?.socket ?? ''];
}

function compareSides(bed: Bed, benchmark: string, measure: (socket: string) => Promise<number>): Promise<boolean> {
  const [ours, dockerd] = socketsOf(bed);
  return compare({
    benchmark: `api: ${benchmark}`,
    unit: 'ms',
    ours: { name: 'swarmts', measure: () => measure(ours) },
    peer: { name: 'dockerd', measure: () => measure(dockerd) },
    peerVersion: bed.peer.version,
    goal: GOAL,
    rounds: ROUNDS,
  });
}

/** Containers that are made and not started, and services whose tasks fit nowhere: nothing runs while lists are measured. */
async function fill(socket: string): Promise<void> {
  const container = { Image: IMAGE, Cmd: ['sleep', 'infinity'], Labels: { bench: 'api' } };
  await inFlight(CONTAINERS, () => api(socket, 'POST', '/containers/create', container));
  await inFlight(SERVICES, (i) =>
    api(socket, 'POST', '/services/create', {
      Name: `bench-${i}`,
      TaskTemplate: { ContainerSpec: { Image: IMAGE }, Placement: { Constraints: ['node.labels.bench==nowhere'] } },
      Mode: { Replicated: { Replicas: TASKS / SERVICES } },
    }),
  );
  await waitFor(`${TASKS} tasks are there`, LONG_MS, async () => {
    return (await api<readonly unknown[]>(socket, 'GET', '/tasks')).length === TASKS;
  });
}

/** From the request until the last byte is here; reading of the JSON is the client's own affair. */
async function listMs(socket: string, path: string, count: number): Promise<number> {
  const begin = performance.now();
  const answer = await callApi(socket, 'GET', path);
  const ms = performance.now() - begin;
  const found = (JSON.parse(answer.body) as readonly unknown[]).length;
  if (found !== count) throw new Error(`${path} lists ${found}, not ${count}`);
  return ms;
}

/** From the creation of a volume until every listener has its event: the median of some events to the same listeners. */
async function eventMs(socket: string): Promise<number> {
  const listeners = await Promise.all(Array.from({ length: LISTENERS }, () => listen(socket)));
  const times: number[] = [];
  for (let i = 0; i < EVENTS; i++) {
    const name = `bench-${i}-${performance.now().toString(36).replace('.', '')}`;
    const heard = Promise.all(listeners.map((l) => l.heard(name)));
    const begin = performance.now();
    await api(socket, 'POST', '/volumes/create', { Name: name });
    await heard;
    times.push(performance.now() - begin);
    await api(socket, 'DELETE', `/volumes/${name}`);
  }
  for (const l of listeners) l.close();
  return summarise(times).median;
}

interface Listener {
  /** Resolves when an event with the name has come. */
  heard(name: string): Promise<void>;
  close(): void;
}

/** Resolves when the daemon has sent the head of its answer: from then on it listens. */
function listen(socketPath: string): Promise<Listener> {
  return new Promise((resolve, reject) => {
    const req = request(
      { socketPath, path: '/events?filters={"type":["volume"]}'.replaceAll('"', '%22'), agent: false },
      (response) => {
        let text = '';
        let look: () => void = () => undefined;
        response.on('error', () => undefined);
        response.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          look();
        });
        resolve({
          heard: (name) =>
            new Promise((done) => {
              text = '';
              look = () => {
                if (text.includes(name)) done();
              };
            }),
          close: () => req.destroy(),
        });
      },
    );
    req.on('error', reject);
    req.end();
  });
}
