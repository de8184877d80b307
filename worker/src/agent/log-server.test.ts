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
  let drained = Promise.resolve();
  let log = ['hello\n'];
  const read: string[] = [];
  const sent: LogChunk[] = [];
  const engine = {
    find: () =>
      state === undefined ? undefined : ({ state, logAttributes: { region: 'north' } } as Partial<ContainerInfo>),
    async *logs(id: string) {
      read.push(`${id} ${state}`);
      for (const [i, text] of log.entries())
        yield { stream: 'stdout', timeNs: BigInt(i + 1), line: Buffer.from(text), end: { file: 'f', offset: i + 1 } };
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
    drained: () => drained,
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
  const has = (lines: number) => {
    log = Array.from({ length: lines }, (_, i) => `${i}\n`);
  };
  const fill = () => {
    let empty = () => {};
    drained = new Promise((resolve) => {
      empty = resolve;
    });
    return empty;
  };
  const say = (r: Partial<LogRequest>) => server.handle(LogRequest.create({ subscriptionId: 's', ...r }));
  return { server, ask, turn, end, settled, read, sent, texts, has, fill, say };
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

  it('wait for a reader that does not keep up, and for room on the way to it', async () => {
    const b = bed();
    b.has(1000);
    b.turn('running');
    b.ask(false);
    b.say({ pause: true });
    await b.settled();
    assert.equal(b.texts().length, 200);
    const empty = b.fill();
    b.say({ goOn: true });
    await b.settled();
    assert.equal(b.texts().length, 200);
    empty();
    await b.settled();
    await b.settled();
    assert.deepEqual([b.texts().length, b.sent.at(-1)?.done], [1000, true]);
  });

  it('wait no more for a reader that has gone', async () => {
    const b = bed();
    b.has(1000);
    b.turn('running');
    b.ask(false);
    b.say({ pause: true });
    await b.settled();
    b.say({ cancel: true });
    await b.settled();
    b.ask(false);
    await b.settled();
    assert.equal(b.sent.at(-1)?.done, true, 'the same request is served again');
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
