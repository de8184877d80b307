import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { systemClock } from '@swarmts/lib';
import { freePort } from '@swarmts/lib/testing';
import { PortForwarder } from './port-forwarder.js';
import { forwardKey, type PortForward } from './protocol.js';

/** A free port of IPv6's loopback, by asking for one. */

async function forwardTo(targetPort: number, protocol: 'tcp' | 'udp' = 'tcp'): Promise<PortForward> {
  return { protocol, hostIp: '::1', port: await freePort('::1'), address: '127.0.0.1', targetPort };
}

const adding = (...added: readonly PortForward[]) => ({ reset: true, added, removed: [] });

/** Until the other side's end; this one stays open. */
async function allOf(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await once(socket, 'end');
  return Buffer.concat(chunks).toString();
}

describe('ports that are forwarded', () => {
  const forwarder = new PortForwarder(systemClock);
  afterEach(() => forwarder.close());

  it('carry both halves of a connection, each to its own end', async () => {
    const server = createServer({ allowHalfOpen: true }, async (s) => {
      // Answers when all that was asked is there.
      s.end(`${(await allOf(s)).length} bytes`);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const f = await forwardTo((server.address() as AddressInfo).port);
    assert.deepEqual(await forwarder.apply(adding(f)), { failed: {} });
    const client = connect({ host: '::1', port: f.port, allowHalfOpen: true });
    client.end(Buffer.alloc(3_000_000));
    assert.equal(await allOf(client), '3000000 bytes');
    server.close();
  });

  it('end a connection that the container does not take', async () => {
    const f = await forwardTo(await freePort('::1'));
    await forwarder.apply(adding(f));
    const client = connect({ host: '::1', port: f.port });
    client.on('error', () => undefined);
    await once(client, 'close');
  });

  it('carry datagrams, and answers to whoever has asked', async () => {
    const server = createSocket('udp4');
    server.on('message', (data, from) => server.send(`${data} to you`, from.port));
    server.bind(0, '127.0.0.1');
    await once(server, 'listening');
    const f = await forwardTo(server.address().port, 'udp');
    assert.deepEqual(await forwarder.apply(adding(f)), { failed: {} });
    const clients = ['a', 'b'].map((name) => ({ name, socket: createSocket('udp6') }));
    try {
      const answers = clients.map(async ({ name, socket }) => {
        socket.send(name, f.port, '::1');
        const [answer] = await once(socket, 'message');
        return String(answer);
      });
      assert.deepEqual(await Promise.all(answers), ['a to you', 'b to you']);
    } finally {
      for (const { socket } of clients) socket.close();
      server.close();
    }
  });

  it('go on while others come and go, and end with their connections', async () => {
    const server = createServer((s) => s.on('error', () => undefined)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const [stays, goes] = [await forwardTo(port), await forwardTo(port)];
    await forwarder.apply(adding(stays, goes));
    const opened = async (f: PortForward) => {
      const socket = connect({ host: '::1', port: f.port });
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      await once(server, 'connection');
      return socket;
    };
    const [kept, cut] = [await opened(stays), await opened(goes)];
    await forwarder.apply({ reset: false, added: [], removed: [forwardKey(goes)] });
    await once(cut, 'close');
    assert.deepEqual([kept.destroyed, forwarder.size], [false, 1]);
    const refused = connect({ host: '::1', port: goes.port });
    const [error] = await once(refused, 'error');
    assert.match(String(error), /ECONNREFUSED/);
    await forwarder.apply(adding());
    await once(kept, 'close');
    assert.equal(forwarder.size, 0);
    server.close();
  });

  it('that somebody else has are named, and the others are opened all the same', async () => {
    const taken = createServer().listen(0, '::1');
    await once(taken, 'listening');
    const f = { ...(await forwardTo(80)), port: (taken.address() as AddressInfo).port };
    const other = await forwardTo(80);
    const { failed } = await forwarder.apply(adding(f, other));
    assert.deepEqual(Object.keys(failed), [forwardKey(f)]);
    assert.match(failed[forwardKey(f)] ?? '', /EADDRINUSE/);
    assert.equal(forwarder.size, 1);
    taken.close();
  });

  it('that somebody else has leave nothing open, however often they are tried', async () => {
    const taken = createSocket({ type: 'udp6', ipv6Only: true });
    taken.bind({ address: '::1', port: 0, exclusive: true });
    await once(taken, 'listening');
    const f = { ...(await forwardTo(80, 'udp')), port: taken.address().port };
    const descriptors = () => readdirSync('/proc/self/fd').length;
    const before = descriptors();
    for (let i = 0; i < 10; i++)
      assert.match((await forwarder.apply(adding(f))).failed[forwardKey(f)] ?? '', /EADDRINUSE/);
    await setImmediate();
    assert.equal(descriptors(), before);
    taken.close();
  });
});
