/** Connections to another node's API, through the daemon that we talk to and its managers. */
import { Agent } from 'node:http';
import type { Duplex } from 'node:stream';
import { ApiClient } from './client.js';
import type { Host } from './host.js';

/** A connection to the API of the node that is named by id, prefix or hostname. Throws ApiError, CommandError. */
export function openTunnel(daemon: ApiClient, node: string): Promise<Duplex> {
  return daemon.hijack(`/swarmts/v1/nodes/${encodeURIComponent(node)}/tunnel`);
}

/** For requests to another node: each connection is a tunnel of its own. */
export class TunnelAgent extends Agent {
  readonly #daemon: ApiClient;
  readonly #node: string;

  constructor(host: Host, node: string) {
    super({ keepAlive: true, maxSockets: 16 });
    this.#daemon = new ApiClient(host);
    this.#node = node;
  }

  override createConnection(_options: object, created: (e: Error | null, stream: Duplex) => void): undefined {
    openTunnel(this.#daemon, this.#node).then(
      (stream) => created(null, stream),
      // With an error the second argument is not looked at.
      (e: Error) => created(e, undefined as never),
    );
    return undefined;
  }

  override destroy(): void {
    super.destroy();
    this.#daemon.close();
  }
}
