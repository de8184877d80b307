/**
 * A cluster on one machine: real daemons, each in namespaces and a cgroup of its own, with its own data and exec roots.
 * The lab's state is a file, so that every command of `test-cluster/lab` finds it again.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { api, callApi } from '../client.js';
import { waitFor } from '../wait.js';
import { enterCgroup, pidsIn, removeCgroup } from './cgroups.js';
import {
  dropFrom,
  enter,
  healAt,
  holdNamespaces,
  isHolding,
  loseAt,
  type Machine,
  plugIn,
  SUBNET_PREFIX,
  setUpSwitch,
} from './namespaces.js';
import { DATA_ROOT, LAB_CGROUP, leavePlace, places, RUN_ROOT, takePlace } from './place.js';
import { REGISTRY_NAME, REGISTRY_PORT, startRegistry } from './registry.js';
import { type RunResult, runAsync, tryRun } from './run.js';

const DAEMON = fileURLToPath(new URL('../../../daemon/bin/swarmtsd.js', import.meta.url));
const CLI = fileURLToPath(new URL('../../../cli/bin/swarmts.js', import.meta.url));
const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 35_000;
const MAX_NODES = 100;

export type NodeRole = 'manager' | 'worker';

interface NodeEntry {
  readonly name: string;
  readonly role: NodeRole;
  readonly address: string;
  readonly holder: number;
  /** 0 while the daemon is not running. */
  pid: number;
  /** Of another release; absent: this one's daemon. */
  program?: string;
}

interface LabState {
  readonly name: string;
  readonly switchHolder: number;
  readonly registry: { readonly address: string; readonly holder: number; readonly pid: number };
  readonly nodes: NodeEntry[];
}

export interface LabOptions {
  readonly name: string;
  readonly managers: number;
  readonly workers: number;
  /** False leaves the nodes without a swarm. */
  readonly join?: boolean;
  readonly daemonArgs?: readonly string[];
  /** The daemon of another release, for all nodes. */
  readonly program?: string;
  readonly onNode?: (line: string) => void;
}

export class Lab {
  readonly name: string;
  readonly #state: LabState;
  #daemonArgs: readonly string[] = [];
  #program: string | undefined;

  private constructor(state: LabState) {
    this.name = state.name;
    this.#state = state;
  }

  // Building up and taking down

  static async up(o: LabOptions): Promise<Lab> {
    if (!/^[a-z][a-z0-9]{0,9}$/.test(o.name))
      throw new Error(`invalid lab name '${o.name}': up to 10 letters and digits`);
    if (o.managers < 1 || o.managers + o.workers > MAX_NODES)
      throw new Error(`a lab has at least one manager and at most ${MAX_NODES} nodes`);
    await takePlace(o.name);
    const sw = setUpSwitch(await holdNamespaces());
    const registryHolder = await holdNamespaces();
    const state: LabState = {
      name: o.name,
      switchHolder: sw.holder,
      registry: { address: `${SUBNET_PREFIX}.2`, holder: registryHolder, pid: 0 },
      nodes: [],
    };
    const lab = new Lab(state);
    lab.#daemonArgs = o.daemonArgs ?? [];
    lab.#program = o.program;
    try {
      lab.#save();
      const registry = plugIn(sw, REGISTRY_NAME, registryHolder, state.registry.address);
      Object.assign(state.registry, { pid: await startRegistry(registry, join(DATA_ROOT, o.name, 'registry')) });
      for (let i = 1; i <= o.managers; i++) await lab.addNode(`m${i}`, 'manager');
      for (let i = 1; i <= o.workers; i++) await lab.addNode(`w${i}`, 'worker');
      await Promise.all(state.nodes.map((n) => lab.start(n.name)));
      if (o.join !== false) await lab.formSwarm();
      for (const n of state.nodes) o.onNode?.(lab.describe(n.name));
      return lab;
    } catch (e) {
      await lab.down();
      throw e;
    }
  }

  /** The lab of that name that is up. */
  static open(name: string): Lab {
    const path = join(RUN_ROOT, name, 'lab.json');
    if (!existsSync(path)) throw new Error(`there is no lab '${name}'; \`lab up --name ${name}\` makes one`);
    return new Lab(JSON.parse(readFileSync(path, 'utf8')) as LabState);
  }

  static list(): readonly string[] {
    return places().filter((n) => existsSync(join(RUN_ROOT, n, 'lab.json')));
  }

  /** Makes a machine without starting its daemon. */
  async addNode(name: string, role: NodeRole): Promise<void> {
    if (this.#state.nodes.some((n) => n.name === name)) throw new Error(`node ${name} is there already`);
    const address = `${SUBNET_PREFIX}.${10 + this.#state.nodes.length + 1}`;
    const holder = await holdNamespaces();
    const program = this.#program;
    const entry: NodeEntry = { name, role, address, holder, pid: 0, ...(program === undefined ? {} : { program }) };
    this.#state.nodes.push(entry);
    this.#save();
    const machine = plugIn(this.#switch, name, holder, address);
    const hosts = join(RUN_ROOT, this.name, name, 'hosts');
    mkdirSync(join(RUN_ROOT, this.name, name), { recursive: true });
    writeFileSync(hosts, `127.0.0.1 localhost\n${address} ${name}\n${this.#state.registry.address} ${REGISTRY_NAME}\n`);
    tryRun('nsenter', [...enter(machine), 'mount', '--bind', hosts, '/etc/hosts']);
  }

  async formSwarm(): Promise<void> {
    const [first, ...rest] = this.#state.nodes;
    if (!first) return;
    await api(this.socket(first.name), 'POST', '/swarm/init', {
      ListenAddr: '0.0.0.0:2377',
      AdvertiseAddr: first.address,
      ForceNewCluster: false,
      Spec: {},
    });
    const { JoinTokens } = await api<{ readonly JoinTokens: { readonly Worker: string; readonly Manager: string } }>(
      this.socket(first.name),
      'GET',
      '/swarm',
    );
    for (const n of rest.filter((x) => x.role === 'manager')) await this.#join(n, JoinTokens.Manager, first.address);
    await Promise.all(
      rest.filter((x) => x.role === 'worker').map((n) => this.#join(n, JoinTokens.Worker, first.address)),
    );
  }

  async #join(n: NodeEntry, token: string, address: string): Promise<void> {
    await api(this.socket(n.name), 'POST', '/swarm/join', {
      ListenAddr: '0.0.0.0:2377',
      AdvertiseAddr: n.address,
      RemoteAddrs: [`${address}:2377`],
      JoinToken: token,
    });
  }

  /** Takes everything down; what is gone already is no error. */
  async down(): Promise<void> {
    const s = this.#state;
    for (const n of s.nodes) this.#killAll(n);
    await waitFor('all processes of the lab have ended', STOP_TIMEOUT_MS, () => {
      const left = s.nodes.flatMap((n) => pidsIn(this.#cgroup(n.name)));
      for (const pid of left) killPid(pid, 'SIGKILL');
      return left.length === 0;
    });
    if (s.registry.pid > 0) killPid(s.registry.pid, 'SIGKILL');
    for (const holder of [...s.nodes.map((n) => n.holder), s.registry.holder, s.switchHolder])
      if (isHolding(holder)) killPid(holder, 'SIGKILL');
    await waitFor('the cgroups of the lab are removed', STOP_TIMEOUT_MS, () =>
      removeCgroup(`${LAB_CGROUP}/${this.name}`),
    );
    await leavePlace(this.name);
  }

  // Nodes

  get nodes(): readonly {
    readonly name: string;
    readonly role: NodeRole;
    readonly address: string;
    readonly pid: number;
  }[] {
    return this.#state.nodes;
  }

  /** A process on a machine that is no node: the registry's stands for clients outside of the cluster. */
  get outsidePid(): number {
    return this.#state.registry.holder;
  }

  socket(node: string): string {
    return join(RUN_ROOT, this.name, this.#node(node).name, 'swarmts.sock');
  }

  logFile(node: string): string {
    return join(DATA_ROOT, this.name, node, 'swarmtsd.log');
  }

  execRoot(node: string): string {
    return join(RUN_ROOT, this.name, this.#node(node).name);
  }

  dataRoot(node: string): string {
    return join(DATA_ROOT, this.name, node, 'data');
  }

  /** Where the node's daemon is reached from the others. */
  address(node: string): string {
    return this.#node(node).address;
  }

  describe(node: string): string {
    const n = this.#node(node);
    const state = n.pid > 0 && isAlive(n.pid) ? (isStopped(n.pid) ? 'stopped' : 'running') : 'off';
    return [
      n.name.padEnd(6),
      n.role.padEnd(8),
      n.address.padEnd(14),
      this.socket(node),
      String(n.pid).padStart(7),
      state,
    ].join('  ');
  }

  /** Starts the daemon and waits until its API answers. */
  async start(node: string, extraArgs: readonly string[] = []): Promise<void> {
    const n = this.#node(node);
    if (n.pid > 0 && isAlive(n.pid)) return;
    const exec = this.execRoot(node);
    mkdirSync(exec, { recursive: true });
    mkdirSync(join(DATA_ROOT, this.name, node), { recursive: true });
    const out = openSync(this.logFile(node), 'a');
    const args = [
      ...enter(this.#machine(node)),
      process.execPath,
      n.program ?? DAEMON,
      `--data-root=${this.dataRoot(node)}`,
      `--exec-root=${exec}`,
      `--host=unix://${this.socket(node)}`,
      `--insecure-registry=${REGISTRY_NAME}:${REGISTRY_PORT}`,
      `--cgroup-parent=/${this.#cgroup(node)}/containers`,
      '--log-level=debug',
      ...this.#daemonArgs,
      ...extraArgs,
    ];
    const pid = await this.#spawnInCgroup(`${this.#cgroup(node)}/daemon`, args, out);
    n.pid = pid;
    this.#save();
    await waitFor(`${node} answers`, START_TIMEOUT_MS, async () => {
      if (!isAlive(pid)) throw new Error(`the daemon ended: ${tail(this.logFile(node))}`);
      return (await callApi(this.socket(node), 'GET', '/_ping')).status === 200;
    });
  }

  /** Runs nsenter with these arguments. */
  async #spawnInCgroup(cgroup: string, args: readonly string[], out: number): Promise<number> {
    // The shell moves into the cgroup before it becomes the program, so that nothing is ever outside of it.
    const child = spawn('sh', ['-c', 'kill -STOP $$; exec "$@"', 'sh', 'nsenter', ...args], {
      stdio: ['ignore', out, out],
      detached: true,
    });
    child.unref();
    const { pid } = child;
    if (pid === undefined) throw new Error('could not start a shell');
    await waitFor('the shell waits', START_TIMEOUT_MS, () => isStopped(pid));
    enterCgroup(cgroup, pid);
    killPid(pid, 'SIGCONT');
    return pid;
  }

  /** SIGTERM, and waits for the end. */
  async shutdown(node: string): Promise<void> {
    const n = this.#node(node);
    killPid(n.pid, 'SIGTERM');
    await waitFor(`${node} has ended`, STOP_TIMEOUT_MS, () => !isAlive(n.pid));
    n.pid = 0;
    this.#save();
  }

  async restart(node: string): Promise<void> {
    if (this.#node(node).pid > 0) await this.shutdown(node);
    await this.start(node);
  }

  /** Goes on with the daemon of this release. */
  async upgrade(node: string): Promise<void> {
    await this.shutdown(node);
    delete this.#node(node).program;
    await this.start(node);
  }

  /** SIGKILL for the daemon alone; its containers go on. */
  async kill(node: string): Promise<void> {
    const n = this.#node(node);
    killPid(n.pid, 'SIGKILL');
    await waitFor(`${node} is dead`, STOP_TIMEOUT_MS, () => !isAlive(n.pid));
    n.pid = 0;
    this.#save();
  }

  signal(node: string, signal: 'SIGSTOP' | 'SIGCONT'): void {
    killPid(this.#node(node).pid, signal);
  }

  /** Kills the daemon and everything that it runs, at once. */
  async poweroff(node: string): Promise<void> {
    const n = this.#node(node);
    this.#killAll(n);
    await waitFor(`everything of ${node} is dead`, STOP_TIMEOUT_MS, () => {
      const left = pidsIn(this.#cgroup(node));
      for (const pid of left) killPid(pid, 'SIGKILL');
      return left.length === 0;
    });
    n.pid = 0;
    this.#save();
  }

  #killAll(n: NodeEntry): void {
    if (n.pid > 0) killPid(n.pid, 'SIGKILL');
    for (const pid of pidsIn(this.#cgroup(n.name))) killPid(pid, 'SIGKILL');
  }

  // Faults of the network

  cut(a: string, b: string): void {
    dropFrom(this.#machine(a), this.#machine(b));
    dropFrom(this.#machine(b), this.#machine(a));
  }

  isolate(node: string): void {
    for (const other of this.#state.nodes) if (other.name !== node) this.cut(node, other.name);
  }

  loss(node: string, percent: number): void {
    loseAt(this.#machine(node), percent);
  }

  heal(): void {
    for (const n of this.#state.nodes) healAt(this.#machine(n.name));
  }

  /** Pids of everything that runs in the node, its daemon and containers included. */
  processes(node: string): readonly number[] {
    return pidsIn(this.#cgroup(node));
  }

  // Commands

  /** Runs a program in the node's namespaces. */
  exec(node: string, argv: readonly string[], signal?: AbortSignal): Promise<RunResult> {
    return runAsync('nsenter', [...enter(this.#machine(node)), ...argv], signal ? { signal } : {});
  }

  /** Starts a program that stays, in the node's namespaces and cgroup: it ends with the node. */
  async spawn(node: string, argv: readonly string[]): Promise<number> {
    const out = openSync(join(DATA_ROOT, this.name, node, 'programs.log'), 'a');
    return this.#spawnInCgroup(`${this.#cgroup(node)}/programs`, [...enter(this.#machine(node)), ...argv], out);
  }

  /** The swarmts command line against the node's daemon. */
  swarmts(node: string, ...args: readonly string[]): Promise<RunResult> {
    return runAsync(process.execPath, [CLI, ...args], {
      env: { ...process.env, SWARMTS_HOST: `unix://${this.socket(node)}` },
    });
  }

  /** Our command line, for those who start it themselves. */
  get cliProgram(): string {
    return CLI;
  }

  /** The real docker command line against the node's daemon. */
  docker(node: string, ...args: readonly string[]): Promise<RunResult> {
    return runAsync('docker', args, { env: { ...process.env, DOCKER_HOST: `unix://${this.socket(node)}` } });
  }

  get registryMachine(): Machine {
    const { address, holder } = this.#state.registry;
    return { name: REGISTRY_NAME, holder, address };
  }

  /** Arguments of nsenter for the node. */
  enter(node: string): readonly string[] {
    return enter(this.#machine(node));
  }

  #node(name: string): NodeEntry {
    const n = this.#state.nodes.find((x) => x.name === name);
    if (!n)
      throw new Error(
        `lab '${this.name}' has no node '${name}'; its nodes are ${this.#state.nodes.map((x) => x.name).join(', ')}`,
      );
    return n;
  }

  #machine(name: string): Machine {
    const { holder, address } = this.#node(name);
    return { name, holder, address };
  }

  get #switch(): Machine {
    return { name: 'switch', holder: this.#state.switchHolder, address: '' };
  }

  #cgroup(node: string): string {
    return `${LAB_CGROUP}/${this.name}/${node}`;
  }

  #save(): void {
    writeFileSync(join(RUN_ROOT, this.name, 'lab.json'), JSON.stringify(this.#state, undefined, 2));
  }
}

function killPid(pid: number, signal: NodeJS.Signals): void {
  if (pid <= 1) return;
  try {
    process.kill(pid, signal);
  } catch {
    // It is gone already.
  }
}

/** A zombie whose parent has not asked yet counts as dead. */
function isAlive(pid: number): boolean {
  const state = stateOf(pid);
  return state !== '' && state !== 'Z';
}

function isStopped(pid: number): boolean {
  return stateOf(pid) === 'T';
}

function stateOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  } catch {
    return '';
  }
}

const TAIL_BYTES = 2000;

function tail(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').slice(-TAIL_BYTES) : '';
}
