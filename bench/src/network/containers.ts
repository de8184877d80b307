/** Containers on networks, alike on both sides: made through the API, looked into from this machine. */
import { api, runAsync, tryRun, waitFor } from '@swarmts/test-cluster';
import { IMAGE, untilRunning } from '../bed.js';

const LONG_MS = 120_000;

/** A place from where a program is run: the network namespace of a process. */
export interface Place {
  readonly pid: number;
  /** Address on the network of the benchmark. */
  readonly address: string;
}

export function createNetwork(socket: string, name: string): Promise<unknown> {
  return api(socket, 'POST', '/networks/create', { Name: name, Driver: 'overlay', Attachable: true });
}

export interface ServiceWishes {
  readonly network?: string;
  readonly mode: 'vip' | 'dnsrr';
  /** One on each node where it is left out. */
  readonly replicas?: number;
  readonly publish?: { readonly target: number; readonly published: number; readonly inHostMode?: boolean };
}

/** A service whose containers do nothing: programs of this machine run in their namespaces. */
export function createIdleService(socket: string, name: string, w: ServiceWishes): Promise<unknown> {
  return api(socket, 'POST', '/services/create', {
    Name: name,
    TaskTemplate: {
      ContainerSpec: { Image: IMAGE, Command: ['sleep', 'infinity'], StopSignal: 'SIGKILL' },
      Networks: w.network === undefined ? [] : [{ Target: w.network }],
    },
    Mode: w.replicas === undefined ? { Global: {} } : { Replicated: { Replicas: w.replicas } },
    EndpointSpec: {
      Mode: w.mode,
      Ports: w.publish ? [portJson(w.publish)] : [],
    },
  });
}

function portJson(p: NonNullable<ServiceWishes['publish']>) {
  const PublishMode = p.inHostMode ? 'host' : 'ingress';
  return { Protocol: 'tcp', TargetPort: p.target, PublishedPort: p.published, PublishMode };
}

interface ContainerJson {
  readonly Id: string;
  readonly Names: readonly string[];
}

interface InspectJson {
  readonly Id: string;
  readonly State: { readonly Pid: number };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>> };
}

/** The container of a service on a node, by its daemon, and its address on a network. */
export async function placeOf(socket: string, service: string, network: string): Promise<Place> {
  const { State, NetworkSettings } = await containerOf(socket, service);
  const address = NetworkSettings.Networks[network]?.IPAddress;
  if (!address) throw new Error(`the container of ${service} has no address on ${network}`);
  return { pid: State.Pid, address };
}

export async function pidOf(socket: string, service: string): Promise<number> {
  return (await containerOf(socket, service)).State.Pid;
}

export function containerOf(socket: string, service: string): Promise<InspectJson> {
  return waitFor(`a container of ${service} runs`, LONG_MS, async () => {
    const all = await api<readonly ContainerJson[]>(socket, 'GET', '/containers/json');
    const found = all.find((c) => c.Names.some((n) => n.startsWith(`/${service}.`)));
    return found && (await api<InspectJson>(socket, 'GET', `/containers/${found.Id}/json`));
  });
}

/** Two containers of one service without a virtual address, on two nodes. */
export async function pairOf(sockets: readonly [string, string]): Promise<readonly [Place, Place]> {
  await createNetwork(sockets[0], 'pair');
  await createIdleService(sockets[0], 'pair', { network: 'pair', mode: 'dnsrr' });
  await untilRunning(sockets[0], 2);
  return [await placeOf(sockets[0], 'pair', 'pair'), await placeOf(sockets[1], 'pair', 'pair')];
}

export function runAt(place: { readonly pid: number }, ...argv: readonly string[]) {
  return runAsync('timeout', ['60', 'nsenter', `--target=${place.pid}`, '--net', '--', ...argv]);
}

/** Debian's packages of the programs that measure. */
export function requirePrograms(...names: readonly string[]): void {
  for (const name of names) {
    if (tryRun('sh', ['-c', `command -v ${name}`]).code !== 0) {
      throw new Error(`${name} is missing: apt-get install ${name}`);
    }
  }
}

export function twoSockets(list: readonly string[]): readonly [string, string] {
  const [a, b] = list;
  if (a === undefined || b === undefined) throw new Error('two daemons are needed');
  return [a, b];
}
