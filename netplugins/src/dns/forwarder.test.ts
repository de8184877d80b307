import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, Socket as TcpSocket } from 'node:net';
import { SimulatedClock, systemClock } from '@swarmts/lib';
import fc from 'fast-check';
import { connectTcp } from 'vxlan-tools';
import { Forwarder, framed, MAX_FORWARDS_OF_ONE } from './forwarder.js';
import { encodeAnswer, encodeQuery, parseQuery, RecordType, ResponseCode } from './message.js';

const QUESTION = encodeQuery(0x1234, 'example.org', RecordType.A);

function answerTo(message: Buffer, lastByte: number): Buffer {
  const query = parseQuery(message) ?? assert.fail();
  return encodeAnswer(query, { code: 0, records: [Buffer.from([192, 0, 2, lastByte])], ttlSeconds: 1 }, true);
}

async function udpServer(onMessage: (socket: Socket, message: Buffer, port: number) => void): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.on('message', (m, from) => onMessage(socket, m, from.port));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

describe('forwarding questions', () => {
  it('asks under another number and gives the answer its own back', async () => {
    let seen = 0;
    const server = await udpServer((socket, m, port) => {
      seen = m.readUInt16BE(0);
      socket.send(answerTo(m, 7), port, '127.0.0.1');
    });
    const forwarder = new Forwarder(systemClock, server.address().port);
    const answer = await forwarder.forward({ client: 'c', message: QUESTION, servers: ['127.0.0.1'], overTcp: false });
    server.close();
    assert.equal(answer?.readUInt16BE(0), 0x1234);
    assert.equal(answer?.at(-1), 7);
    assert.notEqual(seen, 0x1234);
  });

  it('believes nobody who does not know the number, or answers another question', async () => {
    const server = await udpServer((socket, m, port) => {
      const forged = answerTo(m, 66);
      forged.writeUInt16BE((forged.readUInt16BE(0) + 1) & 0xffff, 0);
      socket.send(forged, port, '127.0.0.1');
      const other = encodeQuery(m.readUInt16BE(0), 'evil.example', RecordType.A);
      socket.send(answerTo(other, 66), port, '127.0.0.1');
      socket.send(answerTo(m, 7), port, '127.0.0.1');
    });
    const forwarder = new Forwarder(systemClock, server.address().port);
    const answer = await forwarder.forward({ client: 'c', message: QUESTION, servers: ['127.0.0.1'], overTcp: false });
    server.close();
    assert.equal(answer?.at(-1), 7);
  });

  it('bears answers of any bytes, and waits for a good one', async () => {
    const server = await udpServer((socket, m, port) => {
      for (const bytes of fc.sample(fc.uint8Array({ maxLength: 80 }), 100)) socket.send(bytes, port, '127.0.0.1');
      for (let end = 0; end < m.length; end++) {
        const cut = Buffer.from(m.subarray(0, end));
        if (end > 3) cut.writeUInt16BE(0x8180, 2);
        socket.send(cut, port, '127.0.0.1');
      }
      socket.send(answerTo(m, 7), port, '127.0.0.1');
    });
    const forwarder = new Forwarder(systemClock, server.address().port);
    const answer = await forwarder.forward({ client: 'c', message: QUESTION, servers: ['127.0.0.1'], overTcp: false });
    server.close();
    assert.equal(answer?.at(-1), 7);
  });

  it('goes over TCP when the client came over TCP', async () => {
    const server = createServer((client) => {
      client.on('data', (chunk: Buffer) => {
        const bytes = framed(answerTo(chunk.subarray(2), 9));
        client.write(bytes.subarray(0, 5));
        client.write(bytes.subarray(5));
      });
      client.on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const forwarder = new Forwarder(systemClock, (server.address() as AddressInfo).port);
    const answer = await forwarder.forward({ client: 'c', message: QUESTION, servers: ['127.0.0.1'], overTcp: true });
    server.close();
    assert.equal(answer?.at(-1), 9);
    assert.equal(answer?.readUInt16BE(0), 0x1234);
  });

  it('goes on to the next server when one refuses', async () => {
    const server = await udpServer((socket, m, port) => socket.send(answerTo(m, 7), port, '127.0.0.1'));
    const forwarder = new Forwarder(systemClock, server.address().port);
    const servers = ['no address at all', '127.0.0.1'];
    const answer = await forwarder.forward({ client: 'c', message: QUESTION, servers, overTcp: false });
    server.close();
    assert.equal(answer?.at(-1), 7);
  });

  it('goes on to the next server when one cannot answer, and takes that for an answer when none can', async () => {
    const asked: string[] = [];
    const unable = async (address: string, port: number, code: number) => {
      const socket = createSocket('udp4');
      socket.on('message', (m, from) => {
        asked.push(address);
        const query = parseQuery(m) ?? assert.fail();
        socket.send(encodeAnswer(query, { code, records: [], ttlSeconds: 1 }, true), from.port, '127.0.0.1');
      });
      socket.bind(port, address);
      await once(socket, 'listening');
      return socket;
    };
    const good = await udpServer((socket, m, port) => socket.send(answerTo(m, 7), port, '127.0.0.1'));
    const { port } = good.address();
    const bad = [
      await unable('127.0.0.2', port, ResponseCode.serverFailure),
      await unable('127.0.0.3', port, ResponseCode.refused),
    ];
    const forwarder = new Forwarder(systemClock, port);
    const ask = (...servers: string[]) =>
      forwarder.forward({ client: 'c', message: QUESTION, servers, overTcp: false });
    const answer = await ask('127.0.0.2', '127.0.0.3', '127.0.0.1');
    const none = await ask('127.0.0.2', '127.0.0.3');
    good.close();
    for (const socket of bad) socket.close();
    assert.equal(answer?.at(-1), 7);
    assert.equal((none?.readUInt16BE(2) ?? 0) & 15, ResponseCode.serverFailure);
    assert.deepEqual(
      asked,
      ['127.0.0.2', '127.0.0.3', '127.0.0.2', '127.0.0.3'],
      'nobody is asked again who has answered',
    );
  });

  it('knows a server by its address, however it is spelt', async () => {
    const server = createSocket({ type: 'udp6', ipv6Only: true });
    server.on('message', (m, from) => server.send(answerTo(m, 7), from.port, from.address));
    server.bind(0, '::1');
    await once(server, 'listening');
    const forwarder = new Forwarder(systemClock, server.address().port);
    const servers = ['0:0:0:0:0:0:0:1'];
    const answer = await forwarder.forward({ client: 'c', message: QUESTION, servers, overTcp: false });
    server.close();
    assert.equal(answer?.at(-1), 7);
  });

  it('asks through sockets of another namespace, also such that still connect', async () => {
    const server = createServer((client) => {
      client.on('data', (chunk: Buffer) => client.write(framed(answerTo(chunk.subarray(2), 9))));
      client.on('error', () => undefined);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const outlet = {
      udp: () => assert.fail(),
      tcp: (to: string, at: number) => new TcpSocket({ fd: connectTcp(to, at) }),
    };
    // Nobody listens at the first.
    const servers = ['127.0.0.9', '127.0.0.1'];
    const answer = await new Forwarder(systemClock, port).forward({
      client: 'c',
      message: QUESTION,
      servers,
      overTcp: true,
      outlet,
    });
    server.close();
    assert.equal(answer?.at(-1), 9);
  });

  it('leaves room for others, however much one asks', async () => {
    const server = await udpServer((socket, m, port) => socket.send(answerTo(m, 7), port, '127.0.0.1'));
    const clock = new SimulatedClock();
    const silent = new Forwarder(clock, server.address().port);
    const ask = (of: Forwarder, client: string, to: string) =>
      of.forward({ client, message: QUESTION, servers: [to], overTcp: false });
    const many = Array.from({ length: MAX_FORWARDS_OF_ONE }, () => ask(silent, 'many', '127.0.0.8'));
    assert.equal(await ask(silent, 'many', '127.0.0.1'), undefined);
    assert.equal((await ask(silent, 'other', '127.0.0.1'))?.at(-1), 7);
    for (let i = 0; i < 3; i++) await clock.advance(5_000);
    await Promise.all(many);
    assert.equal((await ask(silent, 'many', '127.0.0.1'))?.at(-1), 7, 'it may ask again');
    server.close();
  });

  it('gives up without servers', async () => {
    assert.equal(
      await new Forwarder(systemClock).forward({ client: 'c', message: QUESTION, servers: [], overTcp: false }),
      undefined,
    );
  });
});
