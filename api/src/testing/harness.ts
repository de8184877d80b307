/** An API server on a socket of its own over a backend in memory, with a plain HTTP client. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Logger, silentLogger } from '@swarmts/lib';
import type { ListenOptions } from '../http/listen.js';
import type { ApiServer } from '../http/server.js';
import { createApiServer } from '../server.js';
import { type MemoryBackend, memoryBackend } from './memory-backend.js';
import { NOW_MS } from './memory-swarm.js';
import { ResponseChecker } from './response-schema.js';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** The body as JSON. */
  readonly json: unknown;
}

export interface SendOptions {
  readonly body?: unknown;
  readonly raw?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

const OPENING_BRACKET = '['.charCodeAt(0);
const checker = new ResponseChecker();

/** Every answer of one JSON value is held against Docker's description, whatever the test is about. */
function checkShape(method: string, path: string, response: IncomingMessage, body: Buffer): void {
  if (response.headers['content-type'] !== 'application/json' || body.length === 0) return;
  // Streams are one object after the other; long lists come in pieces as well.
  if (!('content-length' in response.headers) && body[0] !== OPENING_BRACKET) return;
  const errors = checker.errorsOf(method, path, response.statusCode ?? 0, JSON.parse(body.toString('utf8')));
  assert.deepEqual(errors, [], `${method} ${path} ${response.statusCode}: ${body.toString().slice(0, 2000)}`);
}

export class Harness {
  readonly backend: MemoryBackend = memoryBackend();
  readonly dir: string;
  readonly socket: string;
  readonly #server: ApiServer;

  private constructor(dir: string, log: Logger) {
    this.dir = dir;
    this.#server = createApiServer({ backend: this.backend, version: '0.1.0', log, now: () => NOW_MS + 180_000 });
    this.socket = join(dir, 'api.sock');
  }

  static async start(log: Logger = silentLogger): Promise<Harness> {
    const harness = new Harness(await mkdtemp(join(tmpdir(), 'swarmts-api-')), log);
    await harness.#server.listen(`unix://${harness.socket}`);
    return harness;
  }

  async stop(): Promise<void> {
    await this.#server.close();
    await rm(this.dir, { recursive: true, force: true });
  }

  listen(address: string, options?: ListenOptions): Promise<void> {
    return this.#server.listen(address, options);
  }

  /** Ends the API server but keeps its directory. */
  closeServer(): Promise<void> {
    return this.#server.close();
  }

  open(method: string, path: string, options: SendOptions = {}): Promise<IncomingMessage> {
    const body = options.raw ?? (options.body === undefined ? undefined : JSON.stringify(options.body));
    return new Promise((resolve, reject) => {
      const r = request({ socketPath: this.socket, method, path, headers: options.headers, agent: false }, resolve);
      r.on('error', reject);
      r.end(body);
    });
  }

  async send(method: string, path: string, options: SendOptions = {}): Promise<Answer> {
    const response = await this.open(method, path, options);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(Buffer.from(chunk as Uint8Array));
    const body = Buffer.concat(chunks);
    checkShape(method, path, response, body);
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      body,
      get json(): unknown {
        return JSON.parse(body.toString('utf8'));
      },
    };
  }
}
