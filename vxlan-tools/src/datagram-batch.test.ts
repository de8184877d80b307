import assert from 'node:assert/strict';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { DatagramBatch } from './datagram-batch.js';
import { closeFd } from './ffi.js';
import { type BoundSocket, bindUdp } from './inet-socket.js';

describe('datagrams by the batch', () => {
  let server: BoundSocket;
  let client: Socket;
  beforeEach(async () => {
    server = bindUdp('127.0.0.1', 0);
    client = createSocket('udp4').bind(0, '127.0.0.1');
    await once(client, 'listening');
  });
  afterEach(() => {
    client.close();
    closeFd(server.fd);
  });

  /** Loopback has them when `send` is done. */
  const send = async (from: Socket, ...texts: readonly string[]) => {
    for (const text of texts) {
      await new Promise<void>((resolve, reject) => {
        from.send(text, server.port, '127.0.0.1', (e) => (e ? reject(e) : resolve()));
      });
    }
  };
  const answers = async (count: number): Promise<readonly string[]> => {
    const found: string[] = [];
    while (found.length < count) found.push(String((await once(client, 'message'))[0]));
    return found;
  };
  const texts = (batch: DatagramBatch, count: number) =>
    Array.from({ length: count }, (_, i) => batch.message(i).toString());

  it('are received as far as there is room, in their order, and then the rest', async () => {
    const batch = new DatagramBatch(3, 64);
    assert.equal(batch.receive(server.fd), 0);
    await send(client, 'a', 'bb', '', 'dddd');
    assert.equal(batch.receive(server.fd), 3);
    assert.deepEqual(texts(batch, 3), ['a', 'bb', '']);
    assert.deepEqual(batch.sender(1), { address: '127.0.0.1', port: client.address().port });
    assert.equal(batch.receive(server.fd), 1);
    assert.deepEqual(texts(batch, 1), ['dddd']);
    assert.equal(batch.receive(server.fd), 0);
  });

  it('are answered to those who have sent them, or not', async () => {
    const other = createSocket('udp4').bind(0, '127.0.0.1');
    await once(other, 'listening');
    const batch = new DatagramBatch(8, 64);
    await send(client, 'one', 'two');
    await send(other, 'other');
    await send(client, 'three');
    const received = batch.receive(server.fd);
    for (const [i, text] of texts(batch, received).entries()) {
      if (text !== 'two') batch.answer(i, Buffer.from(`to ${text}`));
    }
    const toOther = once(other, 'message');
    const toClient = answers(2);
    batch.send(server.fd);
    assert.deepEqual([String((await toOther)[0]), await toClient], ['to other', ['to one', 'to three']]);
    other.close();
  });

  it('are cut where they are longer than a slot; longer answers are refused', async () => {
    const batch = new DatagramBatch(2, 4);
    await send(client, '123456');
    assert.equal(batch.receive(server.fd), 1);
    assert.deepEqual(texts(batch, 1), ['1234']);
    assert.throws(() => batch.answer(0, Buffer.alloc(5)), RangeError);
  });

  it('of a socket that is closed are an error', () => {
    const batch = new DatagramBatch(2, 4);
    assert.throws(() => batch.receive(999_999), /EBADF/);
  });
});
