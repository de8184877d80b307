/**
 * The HTTP side of the API: version negotiation, headers, JSON errors, streaming with back-pressure. No request, however
 * broken, and no client that goes away may end the process.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { asSwarmtsError, errorTable, type Logger, linkedSignal, messageOf, SwarmtsError } from '@swarmts/lib';
import { ADMIN, type Caller, callerOf, checkAccess } from './access.js';
import { checkVersion, MAX_API_VERSION } from './api-version.js';
import { type Call, drain, flowing, type HijackReply, headersOf, linger, type Reply } from './exchange.js';
import { acceptHijack, answerAndEnd, endAndDrain } from './hijack.js';
import { readHijackedBody } from './hijacked-body.js';
import { type ListenOptions, openListener } from './listen.js';
import { cleanPath, type Router, splitVersion } from './router.js';
import { jsonBody, send, sendJson, setHeaders } from './send.js';
import type { TlsSource } from './tls-material.js';
import { WebSockets } from './websocket.js';

/** How long open requests may take to end when the server closes. */
const CLOSE_GRACE_MS = 2000;
/** A client may pause between parts of a large body, while it packs the next ones. */
const BODY_IDLE_MS = 300_000;
/** What Node's parser says of a request, and the status for it; anything else is 400. */
const BROKEN_REQUESTS: Readonly<Record<string, readonly [status: number, message: string]>> = {
  HPE_HEADER_OVERFLOW: [431, 'the headers of the request are too large'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the headers of the request took too long'],
};

/** One for all: every request ends with it, and an error with a stack takes longer to make than many an answer. */
const GONE = new SwarmtsError('aborted', 'the client has gone');

export interface ApiServer {
  /** unix:///path or tcp://host:port; may be called for several addresses. */
  listen(address: string, options?: ListenOptions): Promise<void>;
  close(): Promise<void>;
}

/** Told of every request to a route: its method and pattern, and how long it took until the answer began. */
export type RequestObserver = (endpoint: string, status: number, seconds: number) => void;

type Identify = (request: IncomingMessage) => Caller;

export class HttpApiServer implements ApiServer {
  readonly #router: Router;
  readonly #version: string;
  readonly #log: Logger;
  readonly #servers: Server[] = [];
  readonly #hijacked = new Set<Duplex>();
  readonly #webSockets = new WebSockets();
  readonly #closing = new AbortController();
  /** The answer that each connection waits for. */
  readonly #pending = new WeakMap<Duplex, ServerResponse>();
  readonly #observe: RequestObserver;

  constructor(router: Router, version: string, log: Logger, observe: RequestObserver = () => undefined) {
    this.#router = router;
    this.#version = version;
    this.#log = log;
    this.#observe = observe;
  }

  async listen(address: string, options: ListenOptions = {}): Promise<void> {
    const identify = identifyBy(options.tls);
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      this.#serve(request, response, identify).catch((e: unknown) => {
        this.#log.error('a request failed outside of its handler', { error: e });
        response.destroy();
      });
    };
    const server = await openListener(address, options, serve);
    server.on('checkContinue', (request, response) => {
      // While another answer has the connection, Node would write this into the one that waits, behind its head.
      if (response.socket !== null) response.writeContinue();
      serve(request, response);
    });
    server.on('upgrade', (request, connection, head) => {
      this.#serveHijack(request, connection, head, identify).catch((e: unknown) => {
        this.#log.error('a connection failed outside of its handler', { error: e });
        connection.destroy();
      });
    });
    server.on('clientError', (e, connection) => this.#refuseBroken(e, connection));
    server.on('tlsClientError', (e) => this.#log.debug('a client of the API was not let in', { address, error: e }));
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

  /** What cannot be parsed is answered as well, unless an answer is on its way already: then the connection just ends. */
  #refuseBroken(e: NodeJS.ErrnoException, connection: Duplex): void {
    const pending = this.#pending.get(connection);
    if (!connection.writable || pending?.headersSent === true) {
      connection.destroy();
      return;
    }
    const [status, message] = BROKEN_REQUESTS[e.code ?? ''] ?? [400, 'the request is not valid HTTP'];
    if (pending === undefined) {
      answerAndEnd(connection, status, this.#headers('application/json'), jsonBody({ message }));
      return;
    }
    pending.setHeader('Connection', 'close');
    pending.once('finish', () => endAndDrain(connection));
    sendJson(pending, status, { message }, false);
  }

  async #serveHijack(request: IncomingMessage, connection: Duplex, head: Buffer, identify: Identify): Promise<void> {
    const gone = new AbortController();
    connection.on('close', () => gone.abort(GONE));
    connection.on('error', () => gone.abort(GONE));
    this.#hijacked.add(connection);
    connection.once('close', () => this.#hijacked.delete(connection));
    // Behind another request: its answer comes first.
    const before = this.#pending.get(connection);
    if (before !== undefined) await new Promise((resolve) => before.once('close', resolve));
    try {
      const body = await readHijackedBody(request, connection, head);
      const { signal } = linkedSignal(gone.signal, this.#closing.signal);
      const reply = await this.#route(request, signal, asyncOf([body]), identify);
      if (reply.kind !== 'hijack') {
        const status = reply.kind === 'stream' ? 200 : reply.status;
        const value = reply.kind === 'json' ? jsonBody(reply.value) : Buffer.alloc(0);
        answerAndEnd(connection, status, { ...this.#headers('application/json'), ...reply.headers }, value);
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

  async #serve(request: IncomingMessage, response: ServerResponse, identify: Identify): Promise<void> {
    const gone = new AbortController();
    this.#pending.set(request.socket, response);
    response.on('close', () => {
      gone.abort(GONE);
      if (this.#pending.get(request.socket) === response) this.#pending.delete(request.socket);
    });
    // Without these a reset by the client would be an uncaught error.
    request.on('error', () => gone.abort(GONE));
    response.on('error', () => gone.abort(GONE));
    setHeaders(response, this.#headers(''));
    const { signal } = linkedSignal(gone.signal, this.#closing.signal);
    try {
      // A refused body is not read to its end, and the answer still has to go out on the same connection.
      const body = flowing(request.iterator({ destroyOnReturn: false }), BODY_IDLE_MS, gone.signal);
      const reply = await this.#route(request, signal, body, identify);
      if (gone.signal.aborted || response.headersSent) return;
      await send(reply, request.method === 'HEAD', response, signal);
      // Node does so when the answer has gone out, which it may not for long: behind a stream, nothing else would be read, not even the end.
      if (!request.complete) request.resume();
    } catch (e) {
      if (gone.signal.aborted) return;
      await this.#fail(e, request, response);
    }
  }

  async #route(request: IncomingMessage, signal: AbortSignal, body: Call['body'], identify: Identify): Promise<Reply> {
    const [path = '/', search = ''] = splitOnce(withoutAuthority(request.url ?? '/'), '?');
    const clean = cleanPath(path);
    if (clean !== path) return movedTo(search === '' ? clean : `${clean}?${search}`);
    const [version, rest] = splitVersion(path);
    const method = request.method ?? 'GET';
    const match = this.#router.match(method, rest);
    if (match.kind === 'no-page') throw new SwarmtsError('not-found', 'page not found');
    if (match.kind === 'no-method')
      return { kind: 'json', status: 405, value: { message: `method ${method} not allowed` } };
    return this.#observed(match.endpoint, async () => {
      if (version !== undefined) checkVersion(version);
      const caller = identify(request);
      checkAccess(caller, match.endpoint);
      return match.handler({
        method,
        params: match.params,
        query: new URLSearchParams(search),
        headers: headersOf(request),
        apiVersion: version ?? MAX_API_VERSION,
        signal,
        caller,
        body,
      });
    });
  }

  async #observed(endpoint: string, answer: () => Promise<Reply>): Promise<Reply> {
    const startMs = performance.now();
    const end = (status: number) => this.#observe(endpoint, status, (performance.now() - startMs) / 1000);
    try {
      const reply = await answer();
      end('status' in reply ? reply.status : 200);
      return reply;
    } catch (e) {
      end(errorTable[asSwarmtsError(e).code].http);
      throw e;
    }
  }

  #logged(e: unknown, request: IncomingMessage): SwarmtsError {
    const error = asSwarmtsError(e);
    if (error.code === 'internal') {
      this.#log.error('request failed', { method: request.method, url: request.url, error: e });
    }
    return error;
  }

  async #fail(e: unknown, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const error = this.#logged(e, request);
    const { http } = errorTable[error.code];
    if (response.headersSent) {
      response.destroy();
      return;
    }
    await drain(request);
    if (response.headersSent) return;
    if (!request.complete) linger(request, response);
    if (http === 304) response.writeHead(304).end();
    else sendJson(response, http, { message: messageOf(error) }, request.method === 'HEAD');
  }
}

/** On TCP with certificates everybody shows who they are; elsewhere whoever can connect is an administrator. */
function identifyBy(tls: TlsSource | undefined): Identify {
  return ({ socket }) => {
    if (tls === undefined) return ADMIN;
    const { material } = tls;
    if (material === undefined)
      throw new SwarmtsError('permission-denied', 'this node is not part of a swarm any more, which knew its clients');
    // A listener with a TLS source has TLS connections alone.
    return material.clientCaPem === undefined ? ADMIN : callerOf(socket as TLSSocket, material);
  };
}

const movedTo = (location: string): Reply => ({ kind: 'empty', status: 301, headers: { Location: location } });

/** "http://host/path", as clients of proxies ask, is "/path". */
function withoutAuthority(url: string): string {
  return url.replace(/^https?:\/\/[^/?]*/i, '');
}

async function* asyncOf(chunks: readonly Buffer[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}
