import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import * as grpc from '@grpc/grpc-js';
import { type Logger, SimulatedClock, seededRandom, silentLogger } from '@swarmts/lib';
import {
  AgentHello,
  AgentMessage,
  IpamConfig,
  IpamOptions,
  Network,
  NetworkSpec,
  NodeDescription,
  NodeRole,
  observedState,
  TaskState,
  TaskStatus,
  TaskStatusUpdate,
} from '@swarmts/proto';
import { testNode, testTask } from '../orchestrator/testing.js';
import { localStore } from '../store/store.js';
import { Dispatcher } from './dispatcher.js';
import type { AgentStream } from './session.js';

/** A leader, and agents that say what they are told to. */
async function bed(log: Logger = silentLogger) {
  const clock = new SimulatedClock();
  const store = localStore(() => clock.now());
  await store.update((tx) => {
    for (const id of ['n1', 'n2']) tx.create('node', testNode(id));
    tx.create('task', testTask({ id: 't1', slot: 1, state: TaskState.STARTING, node: 'n1' }));
  });
  const nothing = () => undefined;
  const nodes: string[] = [];
  const dispatcher = new Dispatcher({
    ...{ store, clock, random: seededRandom(1), log, managerId: 'm' },
    ...{ managers: () => [], onLogs: nothing, onUsage: nothing },
    onNodeReady: (id) => nodes.push(`${id} ready`),
    onNodeGone: (id) => nodes.push(`${id} gone`),
    onStuck: (e) => assert.fail(String(e)),
  });
  dispatcher.start();
  const serve = (nodeId: string) => {
    const ends: (grpc.StatusObject | undefined)[] = [];
    const stream = Object.assign(new EventEmitter(), { write: () => true, end: () => ends.push(undefined) });
    dispatcher.serve(stream as unknown as AgentStream, {
      ...{ nodeId, clusterId: 'c', role: NodeRole.WORKER, notBeforeMs: 0, notAfterMs: 1e15 },
    });
    stream.on('error', (status: grpc.StatusObject) => ends.push(status));
    return { stream, ends };
  };
  const connect = async (nodeId: string) => {
    const { stream, ends } = serve(nodeId);
    const say = async (m: Partial<AgentMessage>) => {
      stream.emit('data', AgentMessage.create(m));
      await pass();
    };
    await say({ hello: AgentHello.create({ addr: '10.0.0.1' }) });
    return { say, ends };
  };
  const pass = async () => {
    for (let i = 0; i < 10; i++) await clock.advance(10);
  };
  const reports = (state: TaskState) => {
    const status = TaskStatus.create({ state, message: 'said by a node' });
    return { statuses: { updates: [TaskStatusUpdate.create({ taskId: 't1', status })] } };
  };
  const stateOf = (id: string) => {
    const task = store.get('task', id);
    return task && observedState(task);
  };
  return { dispatcher, store, serve, connect, pass, reports, stateOf, nodes };
}

describe('the dispatcher', () => {
  it('warns of a node whose address a network of the swarm has taken', async () => {
    const warned: unknown[] = [];
    const log = { ...silentLogger, warn: (_: string, fields?: unknown) => warned.push(fields) };
    const { dispatcher, store, connect } = await bed(log);
    await connect('n1');
    assert.deepEqual(warned, []);
    const ipam = (subnet: string) => IpamOptions.create({ configs: [IpamConfig.create({ subnet })] });
    await store.update((tx) => {
      const spec = (name: string) => NetworkSpec.create({ annotations: { name, labels: {} } });
      tx.create('network', Network.create({ id: 'far', spec: spec('far'), ipam: ipam('10.0.1.0/24') }));
      tx.create('network', Network.create({ id: 'near', spec: spec('near'), ipam: ipam('10.0.0.0/24') }));
    });
    await connect('n2');
    assert.deepEqual(warned, [{ node: 'n2', address: '10.0.0.1', network: 'near', subnets: ['10.0.0.0/24'] }]);
    await dispatcher.stop();
  });

  it('lets a node that comes back take its session over, but not copies of it without end', async () => {
    const { dispatcher, connect } = await bed();
    const first = await connect('n1');
    const next = [await connect('n1'), await connect('n1'), await connect('n1')];
    assert.equal(first.ends[0]?.code, grpc.status.CANCELLED);
    const copy = await connect('n1');
    assert.equal(copy.ends[0]?.code, grpc.status.RESOURCE_EXHAUSTED);
    assert.deepEqual(next.at(-1)?.ends, [], 'who has the session keeps it');
    assert.equal(dispatcher.sessionCount, 1);
    await dispatcher.stop();
  });

  it('says that a node has gone before it says that it is back, and that one which is removed has gone', async () => {
    const { dispatcher, store, connect, nodes } = await bed();
    await connect('n1');
    await connect('n1');
    assert.deepEqual(nodes, ['n1 ready', 'n1 gone', 'n1 ready']);
    await store.update((tx) => tx.remove('node', 'n1'));
    assert.deepEqual(nodes.slice(3), ['n1 gone']);
    await dispatcher.stop();
  });

  it('gives no session to a node that has gone before its hello was written', async () => {
    const { dispatcher, serve, pass, nodes } = await bed();
    const { stream } = serve('n1');
    stream.emit('data', AgentMessage.create({ hello: AgentHello.create({ addr: '10.0.0.1' }) }));
    stream.emit('cancelled');
    await pass();
    assert.deepEqual([dispatcher.sessionCount, nodes], [0, []]);
    await dispatcher.stop();
  });

  it('writes what a node says of itself only when that is news', async () => {
    const { dispatcher, connect, store } = await bed();
    const { say } = await connect('n1');
    const describe = (hostname: string) =>
      say({ description: NodeDescription.decode(NodeDescription.encode(NodeDescription.create({ hostname }))) });
    await describe('one');
    const { version } = store;
    await describe('one');
    assert.equal(store.version, version);
    await describe('other');
    assert.equal(store.get('node', 'n1')?.description?.hostname, 'other');
    await dispatcher.stop();
  });

  it('takes states from the node of the task alone, and none that managers alone may say', async () => {
    const { dispatcher, connect, reports, stateOf } = await bed();
    const [mine, other] = [await connect('n1'), await connect('n2')];
    await other.say(reports(TaskState.FAILED));
    await mine.say(reports(TaskState.RUNNING));
    assert.equal(stateOf('t1'), TaskState.RUNNING);
    await mine.say(reports(TaskState.ORPHANED));
    await mine.say(reports(TaskState.REMOVE));
    assert.equal(stateOf('t1'), TaskState.RUNNING);
    await dispatcher.stop();
  });
});
