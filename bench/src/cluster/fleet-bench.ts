/**
 * What a manager costs that a thousand agents talk to: real gRPC with mutual TLS, a heartbeat each second, statuses now and then. The
 * manager is a process of its own; the agents are simulated in this one.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as grpc from '@grpc/grpc-js';
import { Credentials, createRequest, createRootCa, managerChannelOptions, signNodeCertificate } from '@swarmts/manager';
import { AgentHello, AgentMessage, DispatcherService, NodeDescription, NodeRole } from '@swarmts/proto';
import { reportAbsolute } from '../measure.js';

const AGENTS = 1_000;
const HEARTBEAT_MS = 1_000;
const MEASURE_MS = 20_000;
/** Registrations at a time: each costs the manager a handshake. */
const CONNECTING = 50;
/** Of a core. */
const GOAL = 0.25;
const TICKS_PER_SECOND = 100;
const YEAR_MS = 365 * 24 * 3_600_000;
const MANAGER = fileURLToPath(new URL('./fleet-manager.js', import.meta.url));

export interface FleetOrder {
  readonly dir: string;
  readonly clusterId: string;
  readonly managerId: string;
  readonly nodeIds: readonly string[];
  readonly files: { readonly keyPem: string; readonly certPem: string; readonly rootPem: string };
  readonly rootKeyPem: string;
}

export async function fleet(): Promise<boolean> {
  const dir = mkdtempSync(join(tmpdir(), 'swarmts-fleet-'));
  const root = await createRootCa(Date.now());
  const files = async (nodeId: string, role: NodeRole) => {
    const { keyPem, csrPem } = await createRequest();
    const order = { csrPem, nodeId, clusterId: 'fleet', role, validForMs: YEAR_MS, nowMs: Date.now() };
    return { keyPem, certPem: await signNodeCertificate(root, order), rootPem: root.certPem };
  };
  const nodeIds = Array.from({ length: AGENTS }, (_, i) => `agent${i}`);
  const order: FleetOrder = {
    dir,
    clusterId: 'fleet',
    managerId: 'manager',
    nodeIds,
    files: await files('manager', NodeRole.MANAGER),
    rootKeyPem: root.keyPem,
  };
  const manager = fork(MANAGER, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const end = new AbortController();
  setMaxListeners(0, end.signal);
  try {
    const addr = await started(manager, order);
    const waiting = [...nodeIds];
    const connect = async () => {
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop())
        await agent(addr, id, new Credentials(await files(id, NodeRole.WORKER)), end.signal);
    };
    await Promise.all(Array.from({ length: CONNECTING }, connect));
    process.stderr.write(`fleet: ${AGENTS} agents are connected\n`);
    const before = cpuSeconds(manager.pid ?? 0);
    await new Promise((resolve) => setTimeout(resolve, MEASURE_MS));
    const used = (cpuSeconds(manager.pid ?? 0) - before) / (MEASURE_MS / 1000);
    const rss =
      Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${manager.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
    process.stdout.write(`\nfleet: resident memory of the manager ${rss.toFixed(0)} MiB\n`);
    return reportAbsolute({
      benchmark: `fleet (${AGENTS} agents, CPU of the manager)`,
      unit: 'cores',
      values: [used],
      goal: GOAL,
    });
  } finally {
    end.abort();
    manager.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  }
}

function started(manager: ChildProcess, order: FleetOrder): Promise<string> {
  return new Promise((resolve, reject) => {
    manager.once('message', (addr) => resolve(String(addr)));
    manager.once('exit', (code) => reject(new Error(`the manager ended with ${code}`)));
    manager.send(order);
  });
}

/** Resolves when the agent is registered; it beats until the signal. */
function agent(addr: string, nodeId: string, credentials: Credentials, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const client = new grpc.Client(addr, credentials.client(), managerChannelOptions);
    const m = DispatcherService.session;
    const stream = client.makeBidiStreamRequest(m.path, m.requestSerialize, m.responseDeserialize);
    const description = NodeDescription.create({ hostname: nodeId });
    stream.write(AgentMessage.create({ hello: AgentHello.create({ description, addr: '192.0.2.1' }) }));
    let beat: NodeJS.Timeout | undefined;
    stream.on('data', () => {
      if (beat) return;
      // Spread over the period, as agents that start at different times are.
      beat = setTimeout(() => {
        beat = setInterval(() => stream.write(AgentMessage.create({ heartbeat: {} })), HEARTBEAT_MS);
      }, Math.random() * HEARTBEAT_MS);
      resolve();
    });
    stream.on('error', (e: Error) => {
      if (!signal.aborted) reject(e);
    });
    signal.addEventListener('abort', () => {
      clearTimeout(beat);
      clearInterval(beat);
      stream.cancel();
      client.close();
    });
  });
}

/** User and system time of a process. */
function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
