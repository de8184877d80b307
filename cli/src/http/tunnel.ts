/** Connections to another node's API, through the daemon that we talk to and its managers. */
import { Agent, request as httpRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import { CommandError } from '../exit.js';
import { ApiError } from './client.js';
import type { Host } from './host.js';

/** What an answer that is no tunnel says at most. */
const MAX_ERROR_BYTES = 64 * 1024;

/** A connection to the API of the node that is named by id, prefix or hostname. Throws ApiError, CommandError. */
export function openTunnel(host: Host, node: string): Promise<Duplex> {
  const target = host.kind === 'unix' ? { socketPath: host.socketPath } : { host: host.hostname, port: host.port };
  return new Promise((resolve, reject) => {
    const req = httpRequest({
      ...target,
      method: 'POST',
      path: `/swarmts/v1/nodes/${encodeURIComponent(node)}/tunnel`,
      headers: { Connection: 'Upgrade', Upgrade: 'tcp', 'Content-Length': '0' },
      agent: false,
    });
    req.on('upgrade', (_response, socket, head) => {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
    });
    req.on('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        if (text.length < MAX_ERROR_BYTES) text += chunk.toString();
      });
      response.on('end', () => reject(new ApiError(response.statusCode ?? 0, messageIn(text))));
    });
    req.on('error', (e) =>
      reject(new CommandError(`cannot reach node ${node} through the daemon at ${host.url}: ${e.message}`)),
    );
    req.end();
  });
}

function messageIn(text: string): string {
  try {
    return String((JSON.parse(text) as { readonly message?: unknown }).message ?? text);
  } catch {
    return text;
  }
}

/** For requests to another node: each connection is a tunnel of its own. */
export class TunnelAgent extends Agent {
  readonly #host: Host;
  readonly #node: string;

  constructor(host: Host, node: string) {
    super({ keepAlive: true, maxSockets: 16 });
    this.#host = host;
    this.#node = node;
  }

  override createConnection(_options: object, created: (e: Error | null, stream: Duplex) => void): undefined {
    openTunnel(this.#host, this.#node).then(
      (stream) => created(null, stream),
      // With an error the second argument is not looked at.
      (e: Error) => created(e, undefined as never),
    );
    return undefined;
  }
}
