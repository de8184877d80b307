/** Connections to the API of nodes, through the sessions of their agents. */
import { FramedDuplex, newId, SwarmtsError } from '@swarmts/lib';
import { TunnelFrame } from '@swarmts/proto';

/** Of one node at a time; each may have a window of bytes on its way. */
const MAX_TUNNELS_PER_NODE = 100;

/** The tunnels through one session. */
export class Tunnels {
  readonly #nodeId: string;
  readonly #send: (f: TunnelFrame) => void;
  readonly #open = new Map<string, FramedDuplex>();

  constructor(nodeId: string, send: (f: TunnelFrame) => void) {
    this.#nodeId = nodeId;
    this.#send = send;
  }

  open(): FramedDuplex {
    if (this.#open.size >= MAX_TUNNELS_PER_NODE)
      throw new SwarmtsError(
        'resource-exhausted',
        `there are ${MAX_TUNNELS_PER_NODE} connections to node ${this.#nodeId} already: close some`,
      );
    const tunnelId = newId();
    const stream = new FramedDuplex((f) => this.#send(TunnelFrame.create({ tunnelId, ...f })));
    this.#open.set(tunnelId, stream);
    stream.once('close', () => this.#open.delete(tunnelId));
    this.#send(TunnelFrame.create({ tunnelId, open: true }));
    return stream;
  }

  receive(f: TunnelFrame): void {
    this.#open.get(f.tunnelId)?.receive(f);
  }

  /** The session is over. */
  close(): void {
    for (const s of this.#open.values()) s.destroy(new Error(`the connection to node ${this.#nodeId} was lost`));
  }
}
