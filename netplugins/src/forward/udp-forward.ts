/** One published UDP port: each client has a socket of its own towards the container, by which answers find back, until both are silent. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { Clock, TimerHandle } from '@swarmts/lib';
import type { PortForward } from './protocol.js';

/** As conntrack keeps a flow that has been answered, and a little more. */
const SILENCE_MS = 180_000;
/** The one that has been silent for the longest time goes before another comes. */
const MAX_CLIENTS = 10_000;

interface Client {
  readonly socket: Socket;
  timer: TimerHandle;
}

export class UdpForward {
  readonly #server: Socket;
  readonly #clock: Clock;
  /** In the order in which they were heard last. */
  readonly #clients = new Map<string, Client>();

  private constructor(server: Socket, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
  }

  /** Rejects when the port cannot be had. */
  static async open(f: PortForward, clock: Clock): Promise<UdpForward> {
    const server = createSocket({ type: 'udp6', ipv6Only: true });
    const made = new UdpForward(server, clock);
    server.on('message', (data, from) => made.#carry(data, from, f));
    server.bind({ address: f.hostIp, port: f.port, exclusive: true });
    try {
      await once(server, 'listening');
    } catch (e) {
      server.close();
      throw e;
    }
    server.on('error', () => undefined);
    return made;
  }

  close(): void {
    this.#server.close();
    for (const key of [...this.#clients.keys()]) this.#forget(key);
  }

  #carry(data: Buffer, from: RemoteInfo, f: PortForward): void {
    const key = `${from.address} ${from.port}`;
    const client = this.#clients.get(key) ?? this.#newClient(from, f);
    client.timer.cancel();
    client.timer = this.#clock.after(SILENCE_MS, () => this.#forget(key));
    this.#clients.delete(key);
    this.#clients.set(key, client);
    client.socket.send(data, f.targetPort, f.address, () => undefined);
  }

  #newClient(to: RemoteInfo, f: PortForward): Client {
    const [oldest] = this.#clients.keys();
    if (this.#clients.size >= MAX_CLIENTS && oldest !== undefined) this.#forget(oldest);
    const socket = createSocket('udp4');
    socket.on('error', () => undefined);
    socket.on('message', (answer, by) => {
      if (by.address !== f.address || by.port !== f.targetPort) return;
      this.#server.send(answer, to.port, to.address, () => undefined);
    });
    return { socket, timer: this.#clock.after(SILENCE_MS, () => undefined) };
  }

  #forget(key: string): void {
    const client = this.#clients.get(key);
    client?.timer.cancel();
    client?.socket.close();
    this.#clients.delete(key);
  }
}
