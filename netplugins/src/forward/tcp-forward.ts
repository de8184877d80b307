/** One published TCP port: every connection is carried on to the container, with both halves closed as their ends close them. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { PortForward } from './protocol.js';

export class TcpForward {
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Rejects when the port cannot be had. */
  static async open(f: PortForward): Promise<TcpForward> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    const made = new TcpForward(server);
    server.on('connection', (client) => made.#carry(client, f));
    server.listen({ host: f.hostIp, port: f.port, ipv6Only: true });
    await once(server, 'listening');
    server.on('error', () => undefined);
    return made;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
  }

  #carry(client: Socket, f: PortForward): void {
    const target = connect({ host: f.address, port: f.targetPort, allowHalfOpen: true, noDelay: true });
    const ends = [client, target] as const;
    for (const [i, socket] of ends.entries()) {
      this.#open.add(socket);
      // What the other one had sent is carried on before its end is; after an error there is nothing to wait for.
      socket.on('error', () => ends[1 - i]?.destroy());
      socket.on('close', () => this.#open.delete(socket));
    }
    client.pipe(target);
    target.pipe(client);
  }
}
