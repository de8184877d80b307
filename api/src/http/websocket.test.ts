import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { WebSockets } from './websocket.js';

describe('the stream of a WebSocket', () => {
  it('closes with a connection that broke, so that nobody waits for its end', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'swarmts-websocket-'));
    const server = createServer().listen(join(dir, 'socket'));
    try {
      const upgraded = once(server, 'upgrade');
      const client = connect(join(dir, 'socket'));
      client.pause();
      const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==';
      client.write(`GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${key}\r\n\r\n`);
      const [request, connection] = (await upgraded) as [IncomingMessage, Duplex];
      connection.on('error', () => undefined);
      const stream = await new WebSockets().accept(request, connection);
      const closed = once(stream, 'close');
      stream.resume();
      stream.end('unread');
      // Over what it has not read: the other side is told of a broken connection.
      client.destroy();
      await closed;
    } finally {
      server.close();
      rmSync(dir, { recursive: true });
    }
  });
});
