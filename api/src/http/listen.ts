/**
 * Opening of the API's addresses. A Unix socket is made with mode 0660 before anybody can connect; a stale one is
 * replaced, one that still answers is refused.
 */
import { readFileSync } from 'node:fs';
import { chmod, lstat, mkdir, unlink } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { errnoOf, SwarmtsError } from '@swarmts/lib';
import { HijackableMessage } from './hijack.js';

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Clients must then show a certificate signed by this CA. */
  readonly clientCaFile?: string;
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

export async function openListener(text: string, tls: TlsFiles | undefined, handler: RequestListener): Promise<Server> {
  const address = parseAddress(text);
  if (address.kind === 'unix') await clearSocket(address.path);
  const server = makeServer(tls, handler);
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
  if (address.kind === 'unix') await chmod(address.path, 0o660);
  return server;
}

function makeServer(tls: TlsFiles | undefined, handler: RequestListener): Server {
  // Streams stay open and images load slowly: requests have no deadline, headers have one.
  const options = {
    IncomingMessage: HijackableMessage,
    requestTimeout: 0,
    headersTimeout: 30_000,
    keepAliveTimeout: 60_000,
  };
  if (tls === undefined) return createServer(options, handler);
  return createTlsServer(
    {
      ...options,
      cert: readFileSync(tls.certFile),
      key: readFileSync(tls.keyFile),
      minVersion: 'TLSv1.2',
      ...(tls.clientCaFile === undefined
        ? {}
        : { ca: readFileSync(tls.clientCaFile), requestCert: true, rejectUnauthorized: true }),
    },
    handler,
  );
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
