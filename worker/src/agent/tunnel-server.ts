/** The node's end of the tunnels: each is a connection to the API of this node, as if it had been made here. */
import type { Duplex } from 'node:stream';
import { FramedDuplex, joinDuplexes, type Logger, messageOf } from '@swarmts/lib';
import { TunnelFrame } from '@swarmts/proto';

export interface TunnelServerOptions {
  readonly log: Logger;
  /** A new connection to this node's API. */
  readonly connect: () => Duplex;
  readonly send: (f: TunnelFrame) => void;
}

export class TunnelServer {
  readonly #o: TunnelServerOptions;
  readonly #open = new Map<string, FramedDuplex>();

  constructor(options: TunnelServerOptions) {
    this.#o = options;
  }

  receive(f: TunnelFrame): void {
    if (f.open) this.#accept(f.tunnelId);
    else this.#open.get(f.tunnelId)?.receive(f);
  }

  #accept(tunnelId: string): void {
    const stream = new FramedDuplex((f) => this.#o.send(TunnelFrame.create({ tunnelId, ...f })));
    this.#open.set(tunnelId, stream);
    stream.once('close', () => this.#open.delete(tunnelId));
    stream.on('error', (e) => this.#o.log.debug('a tunnel to this node ended', { error: messageOf(e) }));
    const local = this.#o.connect();
    local.on('error', (e) => stream.destroy(e));
    joinDuplexes(stream, local);
  }

  /** The session is over, and with it what went through it. */
  stop(): void {
    for (const s of this.#open.values()) s.destroy();
  }
}
