/**
 * The HTTP side of the API: version negotiation, headers, JSON errors, streaming with back-pressure. No request, however
 * broken, and no client that goes away may end the process.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { asSwarmtsError, errorTable, type Logger, messageOf, SwarmtsError } from '@swarmts/lib';
import { type Call, type HijackReply, headersOf, type Reply, type StreamWrite } from './exchange.js';
import { acceptHijack, answerAndEnd, readHijackedBody } from './hijack.js';
import { openListener, type TlsFiles } from './listen.js';
import { type Router, splitVersion } from './router.js';
import { WebSockets } from './websocket.js';

export const MAX_API_VERSION: readonly [number, number] = [1, 43];
export const MIN_API_VERSION: readonly [number, number] = [1, 24];

/** How long open requests may take to end when the server closes. */
const CLOSE_GRACE_MS = 2000;

export interface ApiServer {
  /** unix:///path or tcp://host:port; may be called for several addresses. */
  listen(address: string, tls?: TlsFiles): Promise<void>;
  close(): Promise<void>;
}

export class HttpApiServer implements ApiServer {
  readonly #router: Router;
  readonly #version: string;
  readonly #log: Logger;
  readonly #servers: Server[] = [];
  readonly #hijacked = new Set<Duplex>();
  readonly #webSockets = new WebSockets();
  readonly #closing = new AbortController();

  constructor(router: Router, version: string, log: Logger) {
    this.#router = router;
    this.#version = version;
    this.#log = log;
  }

  async listen(address: string, tls?: TlsFiles): Promise<void> {
    const server = await openListener(address, tls, (request, response) => {
      this.#serve(request, response).catch((e: unknown) => {
        this.#log.error('a request failed outside of its handler', { error: e });
        response.destroy();
      });
    });
    server.on('upgrade', (request, connection, head) => {
      this.#serveHijack(request, connection, head).catch((e: unknown) => {
        this.#log.error('a connection failed outside of its handler', { error: e });
        connection.destroy();
      });
    });
    server.on('clientError', (_, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    });
    server.on('error', (e) => this.#log.error('API listener failed', { address, error: e }));
    this.#servers.push(server);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    for (const connection of this.#hijacked) connection.destroy();
    await Promise.all(
      this.#servers.splice(0).map(
        (server) =>
          new Promise<void>((resolve) => {
            const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
            server.close(() => {
              clearTimeout(timer);
              resolve();
            });
            server.closeIdleConnections();
          }),
      ),
    );
  }

  async #serveHijack(request: IncomingMessage, connection: Duplex, head: Buffer): Promise<void> {
    const gone = new AbortController();
    connection.on('close', () => gone.abort());
    connection.on('error', () => gone.abort());
    this.#hijacked.add(connection);
    connection.once('close', () => this.#hijacked.delete(connection));
    try {
      const body = await readHijackedBody(request, connection, head);
      const signal = AbortSignal.any([gone.signal, this.#closing.signal]);
      const reply = await this.#route(request, signal, [body]);
      if (reply.kind !== 'hijack') {
        const [status, value] = reply.kind === 'json' ? [reply.status, jsonBody(reply.value)] : [200, Buffer.alloc(0)];
        answerAndEnd(connection, status, this.#headers('application/json'), value);
        return;
      }
      if (gone.signal.aborted) {
        await reply.abandon?.();
        return;
      }
      await reply.run(await this.#handOver(reply, request, connection));
    } catch (e) {
      if (gone.signal.aborted) return;
      const error = this.#logged(e, request);
      const value = jsonBody({ message: messageOf(error) });
      answerAndEnd(connection, errorTable[error.code].http, this.#headers('application/json'), value);
    }
  }

  async #handOver(reply: HijackReply, request: IncomingMessage, connection: Duplex): Promise<Duplex> {
    if (reply.protocol !== 'websocket') {
      acceptHijack(request, connection, reply.contentType);
      return connection;
    }
    try {
      return await this.#webSockets.accept(request, connection);
    } catch (e) {
      await reply.abandon?.();
      throw e;
    }
  }

  #headers(contentType: string): Record<string, string> {
    return {
      'Api-Version': MAX_API_VERSION.join('.'),
      'Docker-Experimental': 'false',
      OSType: 'linux',
      Server: `swarmts/${this.#version} (linux)`,
      ...(contentType === '' ? {} : { 'Content-Type': contentType }),
    };
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () => gone.abort());
    // Without these a reset by the client would be an uncaught error.
    request.on('error', () => gone.abort());
    response.on('error', () => gone.abort());
    setHeaders(response, this.#headers(''));
    const signal = AbortSignal.any([gone.signal, this.#closing.signal]);
    try {
      const reply = await this.#route(request, signal, request);
      if (gone.signal.aborted) return;
      await send(reply, request.method === 'HEAD', response, signal);
    } catch (e) {
      if (gone.signal.aborted) return;
      this.#fail(e, request, response);
    }
  }

  async #route(request: IncomingMessage, signal: AbortSignal, body: Call['body'] | readonly Buffer[]): Promise<Reply> {
    const [path = '/', search = ''] = splitOnce(request.url ?? '/', '?');
    const [version, rest] = splitVersion(path);
    if (version !== undefined) checkVersion(version);
    const method = request.method ?? 'GET';
    const match = this.#router.match(method, rest);
    if (match.kind === 'no-page') throw new SwarmtsError('not-found', 'page not found');
    if (match.kind === 'no-method')
      return { kind: 'json', status: 405, value: { message: `method ${method} not allowed` } };
    const call: Call = {
      method,
      params: match.params,
      query: new URLSearchParams(search),
      headers: headersOf(request),
      apiVersion: version ?? MAX_API_VERSION,
      signal,
      body: Symbol.asyncIterator in body ? body : asyncOf(body),
    };
    return match.handler(call);
  }

  #logged(e: unknown, request: IncomingMessage): SwarmtsError {
    const error = asSwarmtsError(e);
    if (error.code === 'internal') {
      this.#log.error('request failed', { method: request.method, url: request.url, error: e });
    }
    return error;
  }

  #fail(e: unknown, request: IncomingMessage, response: ServerResponse): void {
    const error = this.#logged(e, request);
    const { http } = errorTable[error.code];
    if (response.headersSent) {
      response.destroy();
      return;
    }
    // What is left of a refused body is not read: the connection ends with the answer.
    if (!request.complete) response.setHeader('Connection', 'close');
    if (http === 304) response.writeHead(304).end();
    else sendJson(response, http, { message: messageOf(error) }, request.method === 'HEAD');
  }
}

function checkVersion(version: readonly [number, number]): void {
  const text = version.join('.');
  const compare = (a: readonly [number, number], b: readonly [number, number]) => a[0] - b[0] || a[1] - b[1];
  if (compare(version, MAX_API_VERSION) > 0) {
    const max = MAX_API_VERSION.join('.');
    throw new SwarmtsError(
      'invalid-argument',
      `client version ${text} is too new. Maximum supported API version is ${max}`,
    );
  }
  if (compare(version, MIN_API_VERSION) < 0) {
    throw new SwarmtsError(
      'invalid-argument',
      `client version ${text} is too old. Minimum supported API version is ${MIN_API_VERSION.join('.')}, please upgrade your client to a newer version`,
    );
  }
}

async function send(reply: Reply, head: boolean, response: ServerResponse, signal: AbortSignal): Promise<void> {
  switch (reply.kind) {
    case 'json':
      setHeaders(response, reply.headers);
      sendJson(response, reply.status, reply.value, head);
      return;
    case 'text':
      setHeaders(response, reply.headers);
      response.writeHead(reply.status, { 'Content-Type': reply.contentType });
      response.end(head ? undefined : reply.text);
      return;
    case 'empty':
      setHeaders(response, reply.headers);
      response.writeHead(reply.status).end();
      return;
    case 'hijack':
      await reply.abandon?.();
      throw new SwarmtsError('internal', 'this connection cannot be handed over');
    case 'stream':
      setHeaders(response, reply.headers);
      response.writeHead(200, { 'Content-Type': reply.contentType });
      response.flushHeaders();
      await reply.run(writer(response, signal)).catch((e: unknown) => {
        if (!signal.aborted) throw e;
      });
      response.end();
  }
}

function sendJson(response: ServerResponse, status: number, value: unknown, head: boolean): void {
  const body = jsonBody(value);
  response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': body.byteLength });
  response.end(head ? undefined : body);
}

function jsonBody(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value)}\n`);
}

async function* asyncOf(chunks: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

function setHeaders(response: ServerResponse, headers: Readonly<Record<string, string>> | undefined): void {
  for (const [k, v] of Object.entries(headers ?? {})) response.setHeader(k, v);
}

function writer(response: ServerResponse, signal: AbortSignal): StreamWrite {
  return async (chunk) => {
    signal.throwIfAborted();
    if (response.write(chunk)) return;
    await new Promise<void>((resolve, reject) => {
      const drained = () => {
        signal.removeEventListener('abort', gone);
        resolve();
      };
      const gone = () => {
        response.off('drain', drained);
        reject(new SwarmtsError('aborted', 'the client has gone'));
      };
      response.once('drain', drained);
      signal.addEventListener('abort', gone, { once: true });
    });
  };
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
