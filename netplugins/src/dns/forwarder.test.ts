import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { systemClock } from '@swarmts/lib';
import fc from 'fast-check';
import { Forwarder, framed } from './forwarder.js';
import { encodeAnswer, encodeQuery, parseQuery, RecordType } from './message.js';

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
    const answer = await forwarder.forward({ message: QUESTION, servers: ['127.0.0.1'], overTcp: false });
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
    const answer = await forwarder.forward({ message: QUESTION, servers: ['127.0.0.1'], overTcp: false });
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
    const answer = await forwarder.forward({ message: QUESTION, servers: ['127.0.0.1'], overTcp: false });
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
    const answer = await forwarder.forward({ message: QUESTION, servers: ['127.0.0.1'], overTcp: true });
    server.close();
    assert.equal(answer?.at(-1), 9);
    assert.equal(answer?.readUInt16BE(0), 0x1234);
  });

  it('goes on to the next server when one refuses', async () => {
    const server = await udpServer((socket, m, port) => socket.send(answerTo(m, 7), port, '127.0.0.1'));
    const forwarder = new Forwarder(systemClock, server.address().port);
    const servers = ['no address at all', '127.0.0.1'];
    const answer = await forwarder.forward({ message: QUESTION, servers, overTcp: false });
    server.close();
    assert.equal(answer?.at(-1), 7);
  });

  it('gives up without servers', async () => {
    assert.equal(
      await new Forwarder(systemClock).forward({ message: QUESTION, servers: [], overTcp: false }),
      undefined,
    );
  });
});
