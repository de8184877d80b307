import assert from 'node:assert/strict';
import { silentLogger } from '@swarmts/lib';
import { type LogChunk, LogQuery, LogRequest } from '@swarmts/proto';
import type { ContainerInfo } from '../engine/container-api.js';
import type { ContainerEngine, EngineEvent } from '../engine/engine-api.js';
import { LogServer } from './log-server.js';

/** A server of logs, and an engine whose one container is made and started when a test says so. */
function bed() {
  let listener: (e: EngineEvent) => void = () => undefined;
  let state: ContainerInfo['state'] | undefined;
  let over = false;
  const read: string[] = [];
  const sent: LogChunk[] = [];
  const engine = {
    find: () =>
      state === undefined ? undefined : ({ state, logAttributes: { region: 'north' } } as Partial<ContainerInfo>),
    async *logs(id: string) {
      read.push(`${id} ${state}`);
      yield { stream: 'stdout', timeNs: 1n, line: Buffer.from('hello\n') };
    },
    onEvent: (fn: typeof listener) => {
      listener = fn;
      return () => undefined;
    },
  } as unknown as ContainerEngine;
  const server = new LogServer({
    engine,
    log: silentLogger,
    containerOf: () => (state === undefined ? undefined : 'c1'),
    isOver: () => over,
    send: (chunk) => sent.push(chunk),
  });
  const turn = (to: typeof state) => {
    state = to;
    listener({ type: 'container' } as EngineEvent);
  };
  const end = () => {
    over = true;
    server.taskChanged();
  };
  const ask = (follow: boolean) =>
    server.handle(
      LogRequest.create({ subscriptionId: 's', taskIds: ['t'], query: LogQuery.create({ stdout: true, follow }) }),
    );
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const texts = () => sent.flatMap((c) => c.lines.map((l) => Buffer.from(l.data).toString()));
  return { server, ask, turn, end, settled, read, sent, texts };
}

describe('the logs of a task', () => {
  it('are followed from its start, though it has no container yet', async () => {
    const b = bed();
    b.ask(true);
    await b.settled();
    b.turn('created');
    await b.settled();
    assert.deepEqual([b.read, b.sent], [[], []]);
    b.turn('running');
    await b.settled();
    assert.deepEqual(b.read, ['c1 running']);
    assert.deepEqual(b.texts(), ['hello\n']);
    assert.deepEqual(b.sent.flatMap((c) => c.lines)[0]?.attributes, { region: 'north' });
    assert.equal(b.sent.at(-1)?.done, true);
  });

  it('are not waited for when the task has ended without a container', async () => {
    const b = bed();
    b.ask(true);
    await b.settled();
    b.end();
    await b.settled();
    assert.deepEqual([b.read, b.sent.map((c) => c.done)], [[], [true]]);
  });

  it('are not waited for by those who do not follow, nor by those who go away', async () => {
    const b = bed();
    b.ask(false);
    await b.settled();
    assert.deepEqual(
      b.sent.map((c) => c.done),
      [true],
    );
    b.ask(true);
    await b.settled();
    b.server.close();
    await b.settled();
    assert.equal(b.sent.length, 1);
  });
});
