/**
 * What a manager costs that a thousand agents talk to: real gRPC with mutual TLS, a heartbeat each second, statuses now and then. The
 * manager is a process of its own; the agents are simulated in this one.
 */
import { setMaxListeners } from 'node:events';
import * as grpc from '@grpc/grpc-js';
import { Credentials, managerChannelOptions } from '@swarmts/manager';
import { AgentHello, AgentMessage, DispatcherService, NodeDescription, NodeRole } from '@swarmts/proto';
import { reportAbsolute } from '../measure.js';
import { ManagerProcess } from './manager-process.js';

const AGENTS = 1_000;
const HEARTBEAT_MS = 1_000;
const MEASURE_MS = 20_000;
/** Registrations at a time: each costs the manager a handshake. */
const CONNECTING = 50;
/** Of a core. */
const GOAL = 0.25;

export async function fleet(): Promise<boolean> {
  const nodeIds = Array.from({ length: AGENTS }, (_, i) => `agent${i}`);
  const manager = await ManagerProcess.start('./fleet-manager.js', nodeIds);
  const end = new AbortController();
  setMaxListeners(0, end.signal);
  try {
    const addr = String(await manager.run());
    const waiting = [...nodeIds];
    const connect = async () => {
      for (let id = waiting.pop(); id !== undefined; id = waiting.pop())
        await agent(addr, id, new Credentials(await manager.filesOf(id, NodeRole.WORKER)), end.signal);
    };
    await Promise.all(Array.from({ length: CONNECTING }, connect));
    process.stderr.write(`fleet: ${AGENTS} agents are connected\n`);
    const before = manager.cpuSeconds();
    await new Promise((resolve) => setTimeout(resolve, MEASURE_MS));
    const used = (manager.cpuSeconds() - before) / (MEASURE_MS / 1000);
    process.stdout.write(`\nfleet: resident memory of the manager ${manager.memory().resident.toFixed(0)} MiB\n`);
    return reportAbsolute({
      benchmark: `fleet (${AGENTS} agents, CPU of the manager)`,
      unit: 'cores',
      values: [used],
      goal: GOAL,
    });
  } finally {
    end.abort();
    manager.close();
  }
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
