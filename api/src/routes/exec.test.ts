/** Attach and exec over connections that stop being HTTP. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SwarmtsError } from '@swarmts/lib';
import { WebSocket } from 'ws';
import { Harness } from '../testing/harness.js';

const CONTAINER = 'c'.repeat(64);

describe('hijacked connections', () => {
  let api: Harness;
  beforeEach(async () => {
    api = await Harness.start();
  });
  afterEach(() => api.stop());

  const head = (path: string, upgrade: boolean, body = '') =>
    `POST ${path} HTTP/1.1\r\nHost: x\r\n${upgrade ? 'Connection: Upgrade\r\nUpgrade: tcp\r\n' : ''}` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

  async function open(text: string): Promise<Socket> {
    const socket = connect({ path: api.socket, allowHalfOpen: true });
    await once(socket, 'connect');
    socket.write(text);
    return socket;
  }

  async function rest(socket: Socket): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const c of socket) chunks.push(c as Buffer);
    return Buffer.concat(chunks);
  }

  const newExec = async (more: object = {}) => {
    const body = { Cmd: ['cat'], AttachStdin: true, AttachStdout: true, ...more };
    const made = await api.send('POST', `/containers/${CONTAINER}/exec`, { body });
    assert.equal(made.status, 201);
    return (made.json as { Id: string }).Id;
  };

  for (const upgrade of [true, false]) {
    it(`pass bytes both ways, also those that came with the request, ${upgrade ? 'with' : 'without'} an Upgrade header`, async () => {
      const id = await newExec();
      const socket = await open(`${head(`/v1.43/exec/${id}/start`, upgrade, '{}')}hello `);
      socket.end('world');
      const answer = await rest(socket);
      const split = answer.indexOf('\r\n\r\n');
      const top = answer.toString('latin1', 0, split);
      assert.match(top, upgrade ? /^HTTP\/1\.1 101 UPGRADED/ : /^HTTP\/1\.1 200 OK/);
      assert.match(top, /application\/vnd\.docker\.multiplexed-stream/);
      const body = answer.subarray(split + 4);
      let text = '';
      for (let at = 0; at < body.length; at += 8 + body.readUInt32BE(at + 4)) {
        assert.equal(body[at], 1);
        text += body.toString('utf8', at + 8, at + 8 + body.readUInt32BE(at + 4));
      }
      assert.equal(text, 'hello world');
    });
  }

  it('follow a request on a connection that was kept', async () => {
    const socket = await open('GET /_ping HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(socket, 'data');
    socket.write(head(`/containers/${CONTAINER}/attach?stream=1&stdin=1&stdout=1`, false));
    socket.end('typed');
    assert.match((await rest(socket)).toString('latin1'), /^HTTP\/1\.1 200 OK[\s\S]*typed$/);
  });

  it('of terminals carry plain bytes and end at the detach keys', async () => {
    const id = await newExec({ Tty: true, DetachKeys: 'ctrl-a,d' });
    const socket = await open(head(`/exec/${id}/start`, true, '{"Tty":true}'));
    socket.write('abc\u0001dnever');
    const answer = await rest(socket);
    assert.match(answer.toString('latin1'), /raw-stream\r\n[\s\S]*\r\n\r\n(abc)?$/);
    assert.doesNotMatch(answer.toString('latin1'), /never/);
    const [session] = api.backend.containers.sessions;
    assert.deepEqual([session?.closed, session?.detached], [true, true]);
  });

  it('come in frames or without as the client says, whatever the exec is', async () => {
    const start = async (exec: object, body: object) => {
      const id = await newExec(exec);
      const socket = await open(head(`/v1.43/exec/${id}/start`, true, JSON.stringify(body)));
      socket.end('typed');
      return (await rest(socket)).toString('latin1');
    };
    assert.match(await start({ Tty: true }, {}), /multiplexed-stream\r\n[\s\S]*\r\n\r\n[\s\S]{8}typed$/);
    assert.match(await start({}, { Tty: true }), /raw-stream\r\n[\s\S]*\r\n\r\ntyped$/);
  });

  it('begin with the size of the terminal that they were made with', async () => {
    const id = await newExec({ Tty: true, ConsoleSize: [57, 123] });
    const socket = await open(head(`/v1.43/exec/${id}/start`, true, '{"Tty":true}'));
    socket.end('typed');
    await rest(socket);
    assert.deepEqual(api.backend.containers.execStarts.at(-1)?.size, { rows: 57, columns: 123 });
  });

  it('show why a process did not start', async () => {
    const id = await newExec();
    api.backend.containers.failure = new SwarmtsError('invalid-argument', 'OCI runtime exec failed');
    const socket = await open(head(`/exec/${id}/start`, true, '{}'));
    assert.match((await rest(socket)).toString(), /101 UPGRADED[\s\S]*[\s\S]{8}OCI runtime exec failed\r\n$/);
    const detached = await api.send('POST', `/exec/${id}/start`, { body: { Detach: true } });
    assert.deepEqual([detached.status, detached.json], [400, { message: 'OCI runtime exec failed' }]);
  });

  it('close after the reason why a process did not start, whatever was typed for it', async () => {
    api.backend.containers.failure = new SwarmtsError('invalid-argument', 'OCI runtime exec failed');
    const start = async () => open(head(`/exec/${await newExec()}/start`, true, '{}'));
    const shown: Buffer[] = [];
    const ended = await start();
    // More than the kernel keeps for somebody who does not read.
    ended.on('data', (data: Buffer) => shown.push(data)).end(Buffer.alloc(1 << 20, 'x'));
    const silent = await start();
    silent.resume().write('x');
    const typing = setInterval(() => silent.write('x'), 50);
    const broken = new Promise((resolve) => silent.once('error', resolve)).finally(() => clearInterval(typing));
    await once(ended, 'close');
    assert.match(Buffer.concat(shown).toString(), /OCI runtime exec failed\r\n$/);
    assert.match(
      String(await broken),
      /EPIPE|ECONNRESET/,
      'a client that does not end its side loses it after a while',
    );
  });

  it('are refused before they are handed over', async () => {
    const unknown = await api.send('POST', `/exec/${'f'.repeat(64)}/start`, { body: {} });
    assert.deepEqual([unknown.status, unknown.json], [404, { message: `No such exec instance: ${'f'.repeat(64)}` }]);
    assert.equal((await api.send('POST', '/containers/nosuch/attach', { body: {} })).status, 404);
    const keys = await api.send('POST', `/containers/${CONTAINER}/attach?detachKeys=nope`, { body: {} });
    assert.equal(keys.status, 400);
    assert.match(String(keys.body), /Invalid detach keys \(nope\)/);
    const socket = await open('POST /v1.99/exec/x/start HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.match((await rest(socket)).toString(), /^HTTP\/1\.1 400[\s\S]*too new/);
    const size = await api.send('POST', `/exec/${'f'.repeat(64)}/resize?h=wide&w=80`);
    assert.deepEqual([size.status, size.json], [400, { message: 'invalid resize height "wide"' }]);
  });

  describe('with a body in chunks', () => {
    const inChunks = async (text: string, ...later: readonly string[]) => {
      const path = `/v1.43/exec/${await newExec()}/start`;
      const socket = await open(`POST ${path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${text}`);
      for (const t of later) {
        await delay(5);
        socket.write(t);
      }
      socket.end();
      return (await rest(socket)).toString('latin1');
    };

    it('take the connection over behind it, however it is cut', async () => {
      const body = ['a;x=1\r\n{"Detach":\r\n', '6\r\nfalse}\r\n', '0\r\nX: y\r\n\r\n', 'typed'];
      assert.match(await inChunks(body.join('')), /^HTTP\/1\.1 200 OK[\s\S]{8,}typed$/);
      assert.match(
        await inChunks('', ...body.join('')),
        /^HTTP\/1\.1 200 OK\r\n[\s\S]*\r\n\r\n.{8}t.{8}y.{8}p.{8}e.{8}d$/s,
      );
    });

    it('may be started without streams', async () => {
      assert.match(await inChunks('10\r\n{"Detach": true}\r\n0\r\n\r\n'), /^HTTP\/1\.1 200 OK/);
      assert.equal(api.backend.containers.execStarts.at(-1)?.detach, true);
    });

    it('are refused where it is not in chunks, too large or cut off', async () => {
      for (const wrong of ['x\r\n', '-1\r\n', '1\r\nabc\r\n', `${'0'.repeat(5000)}`, `1;${'x'.repeat(5000)}`])
        assert.match(await inChunks(wrong), /^HTTP\/1\.1 400[\s\S]*not in chunks/);
      assert.match(await inChunks('0\r\n', 'X: y\r\n'.repeat(100)), /^HTTP\/1\.1 400[\s\S]*not in chunks/);
      assert.match(await inChunks('ffffffff\r\n'), /^HTTP\/1\.1 400[\s\S]*is larger than/);
      assert.match(await inChunks('5\r\nab'), /^HTTP\/1\.1 \d+[\s\S]*the client has gone|^$/);
    });
  });

  describe('that are WebSockets', () => {
    const attach = (path = `/v1.43/containers/${CONTAINER}/attach/ws?stream=1&stdin=1&stdout=1`) =>
      new WebSocket(`ws+unix://${api.socket}:${path}`);
    const refusal = async (ws: WebSocket) => {
      const [, response] = (await once(ws, 'unexpected-response')) as [unknown, IncomingMessage];
      const chunks: Buffer[] = [];
      for await (const c of response) chunks.push(Buffer.from(c as Uint8Array));
      return [response.statusCode, JSON.parse(Buffer.concat(chunks).toString())];
    };

    it('pass messages both ways, without frames', async () => {
      const ws = attach();
      await once(ws, 'open');
      ws.send('typed');
      const [shown] = (await once(ws, 'message')) as [Buffer];
      assert.equal(shown.toString(), 'typed');
      ws.close();
      await once(ws, 'close');
      for (let i = 0; i < 100 && api.backend.containers.sessions[0]?.closed !== true; i++)
        await new Promise((resolve) => setTimeout(resolve, 10));
      assert.equal(api.backend.containers.sessions[0]?.closed, true);
    });

    it('are refused for containers that are not there, and to those who ask for no WebSocket', async () => {
      assert.deepEqual(await refusal(attach('/containers/nosuch/attach/ws')), [
        404,
        { message: 'No such container: nosuch' },
      ]);
      const plain = await api.send('GET', `/containers/${CONTAINER}/attach/ws?stream=1&stdout=1`);
      assert.equal(plain.status, 400);
      assert.match(String(plain.body), /this path is for WebSockets: Invalid Upgrade header/);
      assert.equal(api.backend.containers.sessions[0]?.closed, true);
    });

    it('end with a message that is larger than anybody types', async () => {
      const ws = attach();
      await once(ws, 'open');
      ws.send(Buffer.alloc((1 << 20) + 1));
      const [code] = await once(ws, 'close');
      assert.equal(code, 1009);
      assert.equal((await api.send('GET', '/_ping')).status, 200);
    });
  });

  it('end when the client goes away', async () => {
    const socket = await open(head(`/containers/${CONTAINER}/attach?stream=1&stdin=1&stdout=1`, true));
    await once(socket, 'data');
    socket.destroy();
    for (let i = 0; i < 100 && api.backend.containers.sessions[0]?.closed !== true; i++)
      await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal(api.backend.containers.sessions[0]?.closed, true);
  });

  it('take sizes of terminals', async () => {
    const id = await newExec({ Tty: true });
    assert.equal((await api.send('POST', `/exec/${id}/resize?h=10&w=20`)).status, 200);
    assert.equal((await api.send('POST', `/containers/${CONTAINER}/resize?h=11&w=21`)).status, 200);
    assert.deepEqual(api.backend.containers.terminalSizes, [
      { rows: 10, columns: 20 },
      { rows: 11, columns: 21 },
    ]);
    for (const bad of ['h=x&w=1', 'w=1', 'h=1&w=70000'])
      assert.equal((await api.send('POST', `/exec/${id}/resize?${bad}`)).status, 400, bad);
  });

  it('need a command', async () => {
    const a = await api.send('POST', `/containers/${CONTAINER}/exec`, { body: {} });
    assert.deepEqual([a.status, a.json], [400, { message: 'No exec command specified' }]);
  });
});
