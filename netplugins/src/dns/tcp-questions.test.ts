import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { sleep, systemClock } from '@swarmts/lib';
import type { Answerer } from './container-sockets.js';
import { framed } from './forwarder.js';
import { TcpQuestions } from './tcp-questions.js';

/** Both ends of a connection, the second with `answer` behind it. */
async function pair(answer: Answerer): Promise<{ readonly client: Socket; readonly served: Socket; close(): void }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [served] = (await once(server, 'connection')) as [Socket];
  new TcpQuestions(served, answer);
  client.on('error', () => undefined);
  return {
    client,
    served,
    close: () => {
      client.destroy();
      server.close();
    },
  };
}

async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !isSo(); i++) await sleep(systemClock, 10);
  assert.ok(isSo());
}

describe('questions over TCP', () => {
  it('are answered wherever the stream is cut, several of one connection', async () => {
    const { client, close } = await pair((m) => Buffer.from(`re ${m}`));
    const stream = Buffer.concat(['one', 'two', 'three'].map((q) => framed(Buffer.from(q))));
    for (const byte of stream) client.write(Buffer.from([byte]));
    const wanted = Buffer.concat(['re one', 're two', 're three'].map((a) => framed(Buffer.from(a))));
    let received = Buffer.alloc(0);
    client.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
    });
    await until(() => received.length >= wanted.length);
    close();
    assert.deepEqual(received, wanted);
  });

  it('are not read while their answers are not', async () => {
    let answered = 0;
    const big = Buffer.alloc(60_000);
    const { client, served, close } = await pair(() => {
      answered++;
      return big;
    });
    client.pause();
    const questions = Buffer.concat(Array.from({ length: 20_000 }, () => framed(Buffer.from('q'))));
    client.write(questions);
    await until(() => served.isPaused());
    const held = served.writableLength;
    assert.ok(held < 64 * big.length, `${held} bytes wait for one who does not read`);
    assert.ok(answered < 2_000, `${answered} were answered`);
    let received = 0;
    client.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    client.resume();
    const wanted = 1_000 * (big.length + 2);
    await until(() => received >= wanted);
    close();
  });

  it('that others are asked are so many at a time, and wait their turn', async () => {
    const waiting: (() => void)[] = [];
    const { client, close } = await pair((m) => new Promise((resolve) => waiting.push(() => resolve(m))));
    client.write(Buffer.concat(Array.from({ length: 100 }, () => framed(Buffer.from('q')))));
    await until(() => waiting.length > 0);
    await sleep(systemClock, 20);
    const first = waiting.length;
    assert.ok(first < 100, `${first}`);
    let received = 0;
    client.on('data', (chunk: Buffer) => {
      received += chunk.length;
    });
    for (let i = 0; i < 100; i++) {
      await until(() => waiting.length > 0);
      waiting.shift()?.();
    }
    await until(() => received === 300);
    close();
  });
});
