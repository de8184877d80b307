/**
 * HTTP to the daemon. Every request carries the version of the Docker Engine API that this client speaks; an answer of
 * 400 or above becomes an ApiError with the daemon's message, a failure to connect one sentence that says what to do.
 */
import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { CommandError } from '../exit.js';
import { agentOf, type Host, PLAIN, targetOf } from './host.js';

export const API_VERSION = '1.55';
/** An error body is one short JSON object; whatever is longer is not shown. */
const MAX_ERROR_BYTES = 64 * 1024;

export class ApiError extends CommandError {
  readonly status: number;

  constructor(status: number, message: string) {
    super(`Error response from daemon: ${message}`);
    this.name = 'ApiError';
    this.status = status;
  }
}

/** No answer came: there is no daemon, or it went away meanwhile. */
export class ConnectionError extends CommandError {}

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

export interface RequestOptions {
  readonly query?: Query;
  /** Sent as JSON, or as it is when it is a stream. */
  readonly body?: unknown;
  readonly stream?: Readable;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export class ApiClient {
  readonly host: Host;
  readonly #agent: Agent;
  readonly #target: object;
  readonly #node: string;

  /** `agent` makes the connections, which are not TLS then, to `node`; default: to the host itself. */
  constructor(host: Host, agent?: Agent, node = '') {
    this.host = host;
    this.#node = node;
    this.#agent = agent ?? agentOf(host);
    this.#target = agent ? PLAIN : targetOf(host);
  }

  close(): void {
    this.#agent.destroy();
  }

  #connectError(e: NodeJS.ErrnoException, method: string, path: string): Error {
    if (this.#node === '' || e instanceof CommandError) return connectError(this.host, e, method, path);
    const why = `the connection to node ${this.#node} was lost (${e.message})`;
    return new ConnectionError(`${why}: \`swarmts node ls\` tells whether it is ready`);
  }

  get<T>(path: string, query?: Query): Promise<T> {
    return this.json<T>('GET', path, query ? { query } : {});
  }

  /** Like `get`; undefined where the daemon knows nothing by that name. */
  async find<T>(path: string, query?: Query): Promise<T | undefined> {
    try {
      return await this.get<T>(path, query);
    } catch (e) {
      if (e instanceof ApiError && e.status === 404) return undefined;
      throw e;
    }
  }

  post<T>(path: string, body?: unknown, query?: Query): Promise<T> {
    return this.json<T>('POST', path, { body, ...(query ? { query } : {}) });
  }

  async delete(path: string, query?: Query): Promise<void> {
    await this.json('DELETE', path, query ? { query } : {});
  }

  /** The whole answer, parsed. The caller names the type: this is the border where Docker's JSON becomes ours. */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    const body = (await readAll(await this.open(method, path, options))).toString();
    if (body.trim() === '') return undefined as T;
    try {
      return JSON.parse(body) as T;
    } catch {
      throw new CommandError(
        `the daemon at ${this.host.url} answered ${method} ${path} with something that is not JSON`,
      );
    }
  }

  /** The answer as a stream; errors of the daemon are already thrown. */
  async open(method: string, path: string, options: RequestOptions = {}): Promise<IncomingMessage> {
    checkReferences(path);
    const response = await this.#send(method, path, options);
    const status = response.statusCode ?? 0;
    if (status >= 400) throw new ApiError(status, errorMessage(await readAll(response, MAX_ERROR_BYTES), status));
    return response;
  }

  /** Takes the connection over: what comes back are the bytes after the head. */
  async hijack(path: string, options: RequestOptions = {}): Promise<Duplex> {
    checkReferences(path);
    return await this.#upgrade(path, options);
  }

  #upgrade(path: string, options: RequestOptions): Promise<Duplex> {
    return new Promise((resolve, reject) => {
      const json = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
      const req = httpRequest({
        ...this.#target,
        agent: this.#agent,
        method: 'POST',
        path: `/v${API_VERSION}${path}${queryString(options.query)}`,
        headers: {
          'User-Agent': 'swarmts-cli',
          Connection: 'Upgrade',
          Upgrade: 'tcp',
          'Content-Length': String(json?.length ?? 0),
          ...(json ? { 'Content-Type': 'application/json' } : {}),
        },
      });
      req.on('upgrade', (_response, socket, head) => {
        if (head.length > 0) socket.unshift(head);
        resolve(socket);
      });
      req.on('response', (response) => {
        const status = response.statusCode ?? 0;
        readAll(response, MAX_ERROR_BYTES).then(
          (body) => reject(new ApiError(status, errorMessage(body, status))),
          reject,
        );
      });
      req.on('error', (e: NodeJS.ErrnoException) => reject(this.#connectError(e, 'POST', path)));
      req.end(json);
    });
  }

  #send(method: string, path: string, options: RequestOptions): Promise<IncomingMessage> {
    const json = options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body));
    return new Promise((resolve, reject) => {
      const req = httpRequest({
        ...this.#target,
        agent: this.#agent,
        method,
        path: `/v${API_VERSION}${path}${queryString(options.query)}`,
        headers: {
          'User-Agent': 'swarmts-cli',
          ...(json ? { 'Content-Type': 'application/json', 'Content-Length': String(json.length) } : {}),
          ...options.headers,
        },
        ...(options.signal ? { signal: options.signal } : {}),
      });
      req.on('response', resolve);
      req.on('error', (e: NodeJS.ErrnoException) =>
        reject(options.signal?.aborted ? e : this.#connectError(e, method, path)),
      );
      if (options.stream) {
        options.stream.on('error', (e) => req.destroy(e));
        options.stream.pipe(req);
      } else {
        req.end(json);
      }
    });
  }
}

/** An empty reference would make the path of another route. */
function checkReferences(path: string): void {
  const empty = /^(?:\/swarmts\/v1)?\/([a-z]+)\/(?:\/|$)/.exec(path.replace(/\?.*$/s, ''));
  if (!empty) return;
  const kind = (empty[1] ?? '').replace(/^distribution$/, 'image').replace(/s$/, '');
  throw new CommandError(`invalid ${kind} name or ID: value is empty`);
}

function connectError(host: Host, e: NodeJS.ErrnoException, method: string, path: string): Error {
  // The tunnel to another node says what is wrong with that one.
  if (e instanceof CommandError) return e;
  if (e.code === 'EACCES' || e.code === 'EPERM') {
    return new CommandError(
      `permission denied while trying to connect to the swarmts daemon socket at ${host.url}: ` +
        `${method} "${path}": ${e.code === 'EPERM' ? 'operation not permitted' : 'connect: permission denied'}`,
    );
  }
  if (['ENOENT', 'ECONNREFUSED', 'ENOTSOCK', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT'].includes(e.code ?? '')) {
    return new ConnectionError(`Cannot connect to the swarmts daemon at ${host.url}. Is swarmtsd running?`);
  }
  if (e.message.includes('certificate required') || e.code === 'EPROTO' || e.code === 'ECONNRESET') {
    return new ConnectionError(
      `the swarmts daemon at ${host.url} did not take this connection (${e.message}): where it wants TLS, give --tlsverify and a certificate of \`swarmts client-cert create\``,
    );
  }
  return new ConnectionError(`error during connect: ${method} "${host.url}${path}": ${e.message}`);
}

function queryString(query: Query | undefined): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(query ?? {})) if (v !== undefined) q.set(k, String(v));
  const s = q.toString();
  return s === '' ? '' : `?${s}`;
}

function errorMessage(body: Buffer, status: number): string {
  const raw = body.toString().trim();
  try {
    const parsed: unknown = JSON.parse(raw);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) return String(parsed.message);
  } catch {
    // Not JSON: the text itself is all there is.
  }
  return raw === '' ? `status ${status}` : raw;
}

async function readAll(stream: AsyncIterable<Buffer>, limit = Number.POSITIVE_INFINITY): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.length;
    if (size <= limit) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
