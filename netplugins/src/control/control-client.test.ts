import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isSwarmtsError, systemClock } from '@swarmts/lib';
import { ControlClient } from './control-client.js';
import { LineDecoder } from './line-decoder.js';

interface Said {
  readonly sequence: number;
  readonly word: string;
}

describe('a process that is told what to do', () => {
  let dir: string;
  let path: string;
  let servers: Server[];
  const sockets: Socket[] = [];
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'swarmts-control-'));
    path = join(dir, 's');
    servers = [];
  });
  afterEach(() => {
    for (const s of sockets.splice(0)) s.destroy();
    for (const s of servers) s.close();
    rmSync(dir, { recursive: true });
  });

  /** Answers every word with itself; '' ends the process. */
  async function process(answer: (word: string) => string): Promise<void> {
    const server = createServer((socket) => {
      sockets.push(socket);
      const decoder = new LineDecoder();
      socket.on('data', (chunk) => {
        for (const line of decoder.push(chunk)) {
          const { sequence, word } = JSON.parse(line) as Said;
          const said = answer(word);
          if (said !== '') socket.write(`${JSON.stringify({ sequence, said })}\n`);
          else {
            server.close();
            socket.destroy();
          }
        }
      });
    });
    servers.push(server);
    rmSync(path, { force: true });
    server.listen(path);
    await once(server, 'listening');
  }

  const client = (spawn: () => Promise<void>) =>
    new ControlClient<{ readonly said: string }>({ name: 'the process', socketPath: path, spawn, clock: systemClock });

  it('is started where there is none, and knows nothing then', async () => {
    let started = 0;
    const c = client(async () => {
      started++;
      await process((word) => `${word} done`);
    });
    assert.equal(c.mayExist, false);
    await c.connect();
    assert.deepEqual([c.isNew, c.isFresh, c.isConnected], [true, true, true]);
    assert.equal((await c.tell({ word: 'a' })).said, 'a done');
    await c.connect();
    assert.deepEqual([(await c.tell({ word: 'b' })).said, started, c.isNew, c.isFresh], ['b done', 1, false, false]);
    c.drop();
    assert.deepEqual([c.isConnected, c.isFresh], [false, true]);
  });

  it('is found when it is there', async () => {
    await process((word) => word);
    const c = client(() => Promise.reject(new Error('not needed')));
    assert.equal(c.mayExist, true);
    await c.connect();
    assert.equal((await c.tell({ word: 'a' })).said, 'a');
    c.drop();
  });

  it('that is of another build ends at the first word, and another is told in its place', async () => {
    await process(() => '');
    const c = client(() => process((word) => word));
    await c.connect();
    assert.equal((await c.tell({ word: 'a' })).said, 'a');
    c.drop();
  });

  it('that says what is no answer is an error, and let go of', async () => {
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('data', () => socket.write('no answer\n'));
    });
    servers.push(server);
    server.listen(path);
    await once(server, 'listening');
    const c = client(() => Promise.reject(new Error('it is there')));
    await c.connect();
    await assert.rejects(c.tell({ word: 'a' }), (e) => isSwarmtsError(e, 'unavailable'));
    assert.equal(c.isConnected, false);
  });

  it('that was started and has died is another one than the next', async () => {
    const c = client(() => process((word) => (word === 'die' ? '' : word)));
    await c.connect();
    assert.equal(c.isNew, true);
    await assert.rejects(c.tell({ word: 'die' }), /did not answer/);
    await process((word) => word);
    await c.connect();
    assert.equal(c.isNew, false);
    c.drop();
  });

  it('that dies later is an error, once', async () => {
    await process((word) => (word === 'die' ? '' : word));
    const c = client(() => process((word) => word));
    await c.connect();
    await c.tell({ word: 'a' });
    await assert.rejects(
      c.tell({ word: 'die' }),
      (e) => isSwarmtsError(e, 'unavailable') && /the process did not/.test(e.message),
    );
    await c.connect();
    assert.deepEqual([c.isFresh, (await c.tell({ word: 'b' })).said], [true, 'b']);
    c.drop();
  });
});
