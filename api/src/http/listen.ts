/**
 * Opening of the API's addresses. A Unix socket is made with mode 0660 before anybody can connect; a stale one is
 * replaced, one that still answers is refused.
 */
import { constants } from 'node:crypto';
import { chmod, chown, lstat, mkdir, unlink } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type Socket } from 'node:net';
import { dirname } from 'node:path';
import type { TLSSocket, TlsOptions } from 'node:tls';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import { HijackableMessage } from './hijack.js';
import { isRevoked, type TlsMaterial, type TlsSource } from './tls-material.js';

/** Of one listener; those beyond are closed. A client that watches events or logs keeps one open. */
const MAX_CONNECTIONS = 8192;
/** Of one address, on TCP. */
export const MAX_CONNECTIONS_PER_ADDRESS = 1024;
/** As much as dockerd takes: credentials for many registries travel in a header. */
const MAX_HEADER_BYTES = 1024 * 1024;
const HEADERS_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_TIMEOUT_MS = 60_000;
const KEEP_ALIVE_PROBE_MS = 15_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const CHECK_INTERVAL_MS = 5_000;

export interface ListenOptions {
  /** Of TCP addresses; absent: in clear, and for everybody. */
  readonly tls?: TlsSource;
  /** Number of the group whose members may use a unix socket; absent: the one of this process. */
  readonly groupId?: number;
}

export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** "unix:///path" or "tcp://host:port". */
export function parseAddress(text: string): Address {
  const unix = /^unix:\/\/(.+)$/.exec(text);
  if (unix?.[1] !== undefined) return { kind: 'unix', path: unix[1] };
  const tcp = /^tcp:\/\/(?:\[([^\]]+)\]|([^:/]*)):(\d{1,5})\/?$/.exec(text);
  const port = Number(tcp?.[3]);
  if (tcp === null || port > 65535) {
    throw new SwarmtsError('invalid-argument', `invalid address "${text}": use unix:///path or tcp://host:port`);
  }
  return { kind: 'tcp', host: tcp[1] ?? tcp[2] ?? '', port };
}

export async function openListener(text: string, options: ListenOptions, handler: RequestListener): Promise<Server> {
  const address = parseAddress(text);
  if (address.kind === 'unix') await clearSocket(address.path);
  const server = makeServer(options.tls, handler);
  limitConnections(server);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const done = () => {
      server.off('error', reject);
      resolve();
    };
    if (address.kind === 'tcp') {
      server.listen({ port: address.port, ...(address.host === '' ? {} : { host: address.host }) }, done);
      return;
    }
    // listen() binds a path at once, so that the mask covers exactly the creation of the socket.
    const before = process.umask(0o117);
    try {
      server.listen(address.path, done);
    } finally {
      process.umask(before);
    }
  });
  if (address.kind === 'unix') {
    if (options.groupId !== undefined) await chown(address.path, process.getuid?.() ?? 0, options.groupId);
    await chmod(address.path, 0o660);
  }
  return server;
}

function makeServer(tls: TlsSource | undefined, handler: RequestListener): Server {
  // Streams stay open and images load slowly: requests have no deadline, headers have one.
  const options = {
    IncomingMessage: HijackableMessage,
    requestTimeout: 0,
    headersTimeout: HEADERS_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    connectionsCheckingInterval: CHECK_INTERVAL_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
    // Who has gone without a word, while there was nothing to show, is noticed on TCP.
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_PROBE_MS,
  };
  if (tls === undefined) return createServer(options, handler);
  // A client that has nothing more to type ends its side alone, and waits for the rest of the output.
  const more = { handshakeTimeout: HANDSHAKE_TIMEOUT_MS, allowHalfOpen: true };
  const server = createTlsServer({ ...options, ...more, ...secureContextOf(tls.material) }, handler);
  const open = new Set<TLSSocket>();
  server.on('secureConnection', (connection) => {
    open.add(connection);
    connection.once('close', () => open.delete(connection));
  });
  tls.onChange(() => {
    server.setSecureContext(secureContextOf(tls.material));
    for (const connection of open) if (isRevoked(connection, tls.material)) connection.destroy();
  });
  return server;
}

function secureContextOf(m: TlsMaterial | undefined): TlsOptions {
  // A session that is taken up again would be judged by roots that may be trusted no more.
  const strict = { minVersion: 'TLSv1.2' as const, secureOptions: constants.SSL_OP_NO_TICKET };
  if (m === undefined) return { ...strict, requestCert: true, rejectUnauthorized: true };
  return {
    ...strict,
    cert: m.certPem,
    key: m.keyPem,
    ...(m.clientCaPem === undefined ? {} : { ca: m.clientCaPem, requestCert: true, rejectUnauthorized: true }),
  };
}

/** What is beyond the limits is closed at once: who holds connections open cannot keep others out from elsewhere. */
function limitConnections(server: Server): void {
  server.maxConnections = MAX_CONNECTIONS;
  const open = new Map<string, number>();
  server.on('connection', (connection: Socket) => {
    const from = connection.remoteAddress;
    if (from === undefined) return;
    const count = (open.get(from) ?? 0) + 1;
    open.set(from, count);
    connection.once('close', () => {
      const left = (open.get(from) ?? 1) - 1;
      if (left === 0) open.delete(from);
      else open.set(from, left);
    });
    if (count > MAX_CONNECTIONS_PER_ADDRESS) connection.destroy();
  });
}

async function clearSocket(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  try {
    if (!(await lstat(path)).isSocket()) {
      throw new SwarmtsError('failed-precondition', `${path} exists and is no socket`);
    }
  } catch (e) {
    if (errnoOf(e) === 'ENOENT') return;
    throw e;
  }
  if (await answers(path)) {
    throw new SwarmtsError('failed-precondition', `another process listens on ${path}: stop it or use another address`);
  }
  await unlink(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
