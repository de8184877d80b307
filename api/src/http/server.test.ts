import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { isSwarmtsError, SwarmtsError } from '@swarmts/lib';
import { Harness } from '../testing/harness.js';
import { flowing, within } from './exchange.js';
import { openListener, parseAddress } from './listen.js';

describe('the API server', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
  });
  afterEach(() => api.stop());

  it('notices that a client has gone which sent more behind a stream that does not end', async () => {
    const listeners = () => process.getActiveResourcesInfo().filter((r) => r === 'PipeWrap').length;
    const before = listeners();
    const body = 'x'.repeat(500_000);
    // One that is answered without a look at its body, and one that is refused.
    for (const path of ['/volumes/prune', '/volumes/none']) {
      const more = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      const socket = connect(api.socket, () => socket.write(`GET /events HTTP/1.1\r\nHost: x\r\n\r\n${more}`));
      await once(socket, 'data');
      socket.destroy();
      for (let turn = 0; turn < 300 && listeners() > before; turn++) await new Promise((r) => setTimeout(r, 10));
      assert.equal(listeners(), before, path);
    }
  });

  it('answers a ping with its versions and the state of the swarm', async () => {
    for (const method of ['GET', 'HEAD']) {
      const a = await api.send(method, '/_ping');
      assert.equal(a.status, 200);
      assert.equal(a.headers['api-version'], '1.55');
      assert.equal(a.headers.ostype, 'linux');
      assert.equal(a.headers.swarm, 'active/manager');
      assert.equal(a.body.toString(), method === 'GET' ? 'OK' : '');
    }
  });

  it('refuses versions that are too new or too old, in the words that clients know', async () => {
    const tooNew = await api.send('GET', '/v1.99/info');
    assert.equal(tooNew.status, 400);
    assert.deepEqual(tooNew.json, {
      message: 'client version 1.99 is too new. Maximum supported API version is 1.55',
    });
    assert.equal((await api.send('GET', '/v1.23/info')).status, 400);
    assert.equal((await api.send('GET', '/v1.24/info')).status, 200);
    assert.equal((await api.send('GET', '/info')).status, 200);
  });

  it('tells an unknown page from a method that a page does not have', async () => {
    const unknown = await api.send('GET', '/v1.43/nothing');
    assert.equal(unknown.status, 404);
    assert.deepEqual(unknown.json, { message: 'page not found' });
    assert.equal((await api.send('PUT', '/v1.43/info')).status, 405);
    assert.equal((await api.send('GET', '/v1.43/services/%E0%A4%A')).status, 404);
  });

  it('answers 400 to a body that is no JSON object', async () => {
    for (const raw of ['{', '[]', '"x"', 'null']) {
      const a = await api.send('POST', '/services/create', { raw });
      assert.equal(a.status, 400, raw);
    }
  });

  it('does not read a JSON body beyond its limit', async () => {
    const a = await api.send('POST', '/services/create', { raw: Buffer.alloc(5 * 1024 * 1024, 32) });
    assert.equal(a.status, 400);
    assert.match(String(a.body), /request body is larger than/);
  });

  it('goes on reading for a while what it has refused, so that the answer arrives', async () => {
    const socket = connect(api.socket);
    await once(socket, 'connect');
    const size = 64 * 1024 * 1024;
    socket.write(`POST /build?squash=1 HTTP/1.1\r\nHost: x\r\nContent-Length: ${size}\r\n\r\n`);
    const failed = once(socket, 'error').then(([e]) => assert.fail(String(e)));
    const answered = once(socket, 'data');
    for (let sent = 0; sent < 8; sent++) socket.write(Buffer.alloc(1024 * 1024));
    const [data] = await Promise.race([answered, failed]);
    assert.match(String(data), /^HTTP\/1\.1 400 [\s\S]*only supported with experimental mode/);
    await once(socket, 'close');
  });

  it('survives clients that go away in the middle of a request and of a stream', async () => {
    const socket = connect(api.socket);
    await once(socket, 'connect');
    socket.write('POST /services/create HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
    socket.destroy();
    const { ID } = await createService(api);
    api.backend.swarm.logsFollow = true;
    const stream = await api.open('GET', `/services/${ID}/logs?stdout=1&follow=1`);
    stream.destroy();
    assert.equal((await api.send('GET', '/_ping')).status, 200);
  });

  it('answers broken HTTP with 400 and goes on', async () => {
    const socket = connect(api.socket);
    socket.end('nonsense\r\n\r\n');
    const [data] = await once(socket, 'data');
    assert.match(String(data), /^HTTP\/1\.1 400/);
    assert.equal((await api.send('GET', '/_ping')).status, 200);
  });

  it('sends clients of unclean paths to the clean one, as dockerd does', async () => {
    for (const [path, location] of [
      ['//_ping', '/_ping'],
      ['/v1.43//containers/../info?x=1', '/v1.43/info?x=1'],
      ['/v1.43/./info', '/v1.43/info'],
      ['/../../info', '/info'],
    ] as const) {
      const a = await api.send('GET', path);
      assert.deepEqual([a.status, a.headers.location], [301, location]);
    }
    const hijacked = await api.send('POST', '/v1.43//exec/x/start', { raw: '' });
    assert.equal(hijacked.status, 301);
    assert.equal((await api.send('GET', 'http://docker/v1.43/info')).status, 200);
  });

  it('answers a request that breaks in its body, or has too many headers', async () => {
    const ask = async (text: string) => {
      const socket = connect(api.socket);
      socket.write(text);
      let answer = '';
      for await (const chunk of socket) answer += String(chunk);
      return answer;
    };
    const chunked = 'POST /services/create HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n';
    assert.match(await ask(chunked), /^HTTP\/1\.1 400 [\s\S]*the request is not valid HTTP/);
    const large = `GET /info HTTP/1.1\r\nHost: x\r\nX-Large: ${'x'.repeat(2 * 1024 * 1024)}\r\n\r\n`;
    assert.match(await ask(large), /^HTTP\/1\.1 431 [\s\S]*headers of the request are too large/);
    const registries = `GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Registry-Config: ${'x'.repeat(200_000)}\r\n\r\n`;
    assert.match(await ask(registries), /^HTTP\/1\.1 200/);
  });

  it('makes its socket for owner and group only, and for the group that it is told', async () => {
    assert.equal((await stat(api.socket)).mode & 0o777, 0o660);
    // Only root may give it to any group.
    const groupId = process.getuid?.() === 0 ? 4242 : (process.getgid?.() ?? 0);
    const path = join(api.dir, 'group.sock');
    await api.listen(`unix://${path}`, { groupId });
    const { gid, mode } = await stat(path);
    assert.deepEqual([gid, mode & 0o777], [groupId, 0o660]);
  });

  it('refuses a socket on which somebody listens, and takes over a dead one', async () => {
    await assert.rejects(
      openListener(`unix://${api.socket}`, {}, () => {}),
      /another process listens/,
    );
    const dead = join(api.dir, 'dead.sock');
    await leaveSocketBehind(dead);
    assert.ok((await stat(dead)).isSocket());
    await api.listen(`unix://${dead}`);
    const file = join(api.dir, 'file');
    await writeFile(file, '');
    await assert.rejects(api.listen(`unix://${file}`), /is no socket/);
  });

  it('ends open streams when it closes', async () => {
    const stream = await api.open('GET', '/events');
    const ended = once(stream, 'close');
    stream.resume();
    await api.closeServer();
    await ended;
    assert.equal(api.backend.swarm.listenerCount, 0);
  });

  it('breaks a stream that it cannot bring to its end when it closes', async () => {
    api.backend.containers.exportFiles = async function* (_id: string, signal: AbortSignal) {
      yield Buffer.from('half of it');
      await once(signal, 'abort');
      throw new Error('cut off');
    };
    const stream = await api.open('GET', `/containers/${'c'.repeat(64)}/export`);
    const broken = once(stream, 'error');
    stream.resume();
    await api.closeServer();
    assert.equal(((await broken)[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
  });

  it('maps the code of an error to its status', async () => {
    assert.equal((await api.send('GET', '/services/none')).status, 404);
    assert.equal((await api.send('GET', '/images/search?term=x')).status, 501);
    assert.equal((await api.send('POST', '/swarm/init', { body: { ListenAddr: '0.0.0.0' } })).status, 503);
    api.backend.swarm.active = false;
    const a = await api.send('GET', '/services');
    assert.equal(a.status, 503);
    assert.match(String(a.body), /This node is not a swarm manager/);
  });
});

describe('addresses', () => {
  it('are sockets or TCP ports', () => {
    assert.deepEqual(parseAddress('unix:///run/x.sock'), { kind: 'unix', path: '/run/x.sock' });
    assert.deepEqual(parseAddress('tcp://127.0.0.1:2375'), { kind: 'tcp', host: '127.0.0.1', port: 2375 });
    assert.deepEqual(parseAddress('tcp://[::1]:2375'), { kind: 'tcp', host: '::1', port: 2375 });
    for (const bad of ['', 'x', 'tcp://host', 'tcp://host:70000', 'http://x:1', 'unix://']) {
      assert.throws(() => parseAddress(bad), SwarmtsError, bad);
    }
  });
});

describe('bodies that do not come', () => {
  it('are given up after a while, with an error of the client', async () => {
    await assert.rejects(
      within(5, 'too late', new Promise(() => {})),
      (e) => isSwarmtsError(e, 'invalid-argument') && e.message === 'too late',
    );
    assert.equal(await within(1000, 'too late', Promise.resolve(1)), 1);
    const body = (async function* () {
      yield Buffer.from('a');
      await new Promise(() => {});
    })();
    const chunks: string[] = [];
    await assert.rejects(async () => {
      for await (const chunk of flowing(body, 5)) chunks.push(String(chunk));
    }, /no more of the request body came for 0\.005 seconds/);
    assert.deepEqual(chunks, ['a']);
  });
});

async function createService(api: Harness): Promise<{ ID: string }> {
  const body = { Name: 'web', TaskTemplate: { ContainerSpec: { Image: 'alpine:3' } } };
  return (await api.send('POST', '/services/create', { body })).json as { ID: string };
}

/** Binds the path in a child that is killed before it can remove it. */
async function leaveSocketBehind(path: string): Promise<void> {
  const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', script]), 'exit');
}
