/** Connections that become WebSockets (RFC 6455): attach for clients that cannot take over a connection, such as browsers. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { SwarmtsError } from '@swarmts/lib';
import { createWebSocketStream, WebSocketServer } from 'ws';

/** What is typed comes in small pieces; a larger message closes the connection. */
const MAX_MESSAGE_BYTES = 1 << 20;

/** Makes the handshakes; listens nowhere itself. */
export class WebSockets {
  readonly #server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: MAX_MESSAGE_BYTES });
  readonly #refusals = new WeakMap<Duplex, (e: Error) => void>();

  constructor() {
    this.#server.on('wsClientError', (e, socket) => this.#refusals.get(socket)?.(e));
  }

  /** The messages of both directions as a stream. Throws 'invalid-argument' for a request that asks for none. */
  accept(request: IncomingMessage, connection: Duplex): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      this.#refusals.set(connection, (e) =>
        reject(new SwarmtsError('invalid-argument', `this path is for WebSockets: ${e.message}`)),
      );
      connection.once('close', () => reject(new SwarmtsError('aborted', 'the client has gone')));
      // What came behind the head has been put back into the connection.
      const none = Buffer.alloc(0);
      this.#server.handleUpgrade(request, connection, none, (ws) => {
        const stream = createWebSocketStream(ws);
        // Of a connection that broke, the library lets the stream wait for its last bytes for ever.
        ws.once('close', () => {
          if (!connection.writableFinished) stream.destroy();
        });
        resolve(stream);
      });
    });
  }
}
