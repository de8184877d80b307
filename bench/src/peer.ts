/** A private dockerd as the peer: in namespaces of its own on the lab's kind of switch, with its own roots, gone afterwards. */
import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import {
  api,
  callApi,
  enter,
  holdNamespaces,
  type Machine,
  plugIn,
  REGISTRY_NAME,
  REGISTRY_PORT,
  run,
  setUpSwitch,
  startRegistry,
  tryRun,
  waitFor,
} from '@swarmts/test-cluster';

const ROOT = '/var/lib/swarmts-bench';
const START_TIMEOUT_MS = 60_000;
const REGISTRY_ADDRESS = '10.210.1.2';

export interface PeerDaemon {
  readonly name: string;
  readonly machine: Machine;
  readonly socket: string;
  pid: number;
}

/** One or several dockerds that see each other. */
export class DockerPeer {
  readonly daemons: PeerDaemon[] = [];
  #switch: Machine | undefined;
  #registry: { readonly machine: Machine; readonly pid: number } | undefined;

  static async start(count: number): Promise<DockerPeer> {
    if (tryRun('sh', ['-c', 'command -v dockerd']).code !== 0) {
      throw new Error('the peer is missing: apt-get install docker.io (its service need not run)');
    }
    const peer = new DockerPeer();
    try {
      peer.#switch = setUpSwitch(await holdNamespaces());
      const machine = plugIn(peer.#switch, REGISTRY_NAME, await holdNamespaces(), REGISTRY_ADDRESS);
      peer.#registry = { machine, pid: await startRegistry(machine, join(ROOT, REGISTRY_NAME)) };
      for (let i = 1; i <= count; i++) await peer.#add(`d${i}`, `10.210.1.${10 + i}`);
      return peer;
    } catch (e) {
      await peer.stop();
      throw e;
    }
  }

  get registryMachine(): Machine {
    if (!this.#registry) throw new Error('the peer has no registry');
    return this.#registry.machine;
  }

  get version(): string {
    return run('dockerd', '--version').trim();
  }

  async #add(name: string, address: string): Promise<void> {
    if (!this.#switch) return;
    const machine = plugIn(this.#switch, name, await holdNamespaces(), address);
    // dockerd insists on a default route when it chooses addresses.
    run('nsenter', ...enter(machine), 'ip', 'route', 'add', 'default', 'dev', 'eth0');
    const hosts = join(ROOT, `${name}.hosts`);
    writeFileSync(hosts, `127.0.0.1 localhost\n${address} ${name}\n${REGISTRY_ADDRESS} ${REGISTRY_NAME}\n`);
    run('nsenter', ...enter(machine), 'mount', '--bind', hosts, '/etc/hosts');
    const d = { name, machine, socket: join(ROOT, name, 'docker.sock'), pid: 0 };
    this.daemons.push(d);
    await this.startDaemon(d);
  }

  async startDaemon(d: PeerDaemon): Promise<void> {
    const dir = join(ROOT, d.name);
    mkdirSync(dir, { recursive: true });
    const out = openSync(join(dir, 'dockerd.log'), 'a');
    const child = spawn(
      'nsenter',
      [
        ...enter(d.machine),
        'dockerd',
        `--data-root=${dir}/data`,
        `--exec-root=${dir}/exec`,
        `--pidfile=${dir}/pid`,
        `--host=unix://${d.socket}`,
        '--storage-driver=overlay2',
        '--log-level=error',
        '--bip=172.29.0.1/16',
        `--insecure-registry=${REGISTRY_NAME}:${REGISTRY_PORT}`,
      ],
      { stdio: ['ignore', out, out], detached: true },
    );
    child.unref();
    d.pid = child.pid ?? 0;
    await waitFor(`dockerd ${d.name} answers`, START_TIMEOUT_MS, async () => {
      if (!existsSync(`/proc/${d.pid}`))
        throw new Error(`it ended: ${readFileSync(join(dir, 'dockerd.log'), 'utf8').slice(-1000)}`);
      return (await callApi(d.socket, 'GET', '/_ping')).status === 200;
    });
  }

  async formSwarm(): Promise<void> {
    const [first, ...rest] = this.daemons;
    if (!first) return;
    await api(first.socket, 'POST', '/swarm/init', {
      ListenAddr: '0.0.0.0:2377',
      AdvertiseAddr: first.machine.address,
    });
    const { JoinTokens } = await api<{ readonly JoinTokens: { readonly Manager: string } }>(
      first.socket,
      'GET',
      '/swarm',
    );
    for (const d of rest) {
      await api(d.socket, 'POST', '/swarm/join', {
        ListenAddr: '0.0.0.0:2377',
        AdvertiseAddr: d.machine.address,
        RemoteAddrs: [`${first.machine.address}:2377`],
        JoinToken: JoinTokens.Manager,
      });
    }
  }

  /** SIGKILL for the daemon, its containerd and everything below. */
  kill(d: PeerDaemon): void {
    for (const pid of processesIn(d.machine)) if (pid !== d.machine.holder) killQuietly(pid);
  }

  async stop(): Promise<void> {
    for (const d of this.daemons) {
      await waitFor('the peer has ended', START_TIMEOUT_MS, () => {
        const left = processesIn(d.machine).filter((p) => p !== d.machine.holder);
        for (const pid of left) killQuietly(pid);
        return left.length === 0;
      });
    }
    const registry = this.#registry;
    if (registry) killQuietly(registry.pid);
    const machines = [...this.daemons.map((d) => d.machine), registry?.machine, this.#switch];
    for (const m of machines) if (m) killQuietly(m.holder);
    await waitFor('the files of the peer are removed', START_TIMEOUT_MS, () => {
      rmSync(ROOT, { recursive: true, force: true });
      return true;
    });
  }
}

/** Everything that shares the machine's mount namespace, containers' shims included. */
function processesIn(m: Machine): readonly number[] {
  const mine = namespaceOf(m.holder, 'uts');
  const net = namespaceOf(m.holder, 'net');
  if (mine === '') return [];
  const parents = new Map<number, number>();
  const direct = new Set<number>();
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid)) continue;
    parents.set(pid, parentOf(pid));
    if (namespaceOf(pid, 'uts') === mine || namespaceOf(pid, 'net') === net) direct.add(pid);
  }
  // Containers have namespaces of their own; their shims do not.
  for (let grown = true; grown; ) {
    grown = false;
    for (const [pid, parent] of parents) {
      if (direct.has(pid) || !direct.has(parent)) continue;
      direct.add(pid);
      grown = true;
    }
  }
  return [...direct];
}

function namespaceOf(pid: number, kind: string): string {
  try {
    return readlinkSync(`/proc/${pid}/ns/${kind}`);
  } catch {
    return '';
  }
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0;
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
