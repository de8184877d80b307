/** Where lines of containers are sent: syslog over UDP, TCP, TLS or a local socket, or journald. */
import { createSocket } from 'node:dgram';
import { existsSync, readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { messageOf, SwarmtsError } from '@swarmts/lib';
import type { HelperApi } from '../helper/helper-api.js';

export interface LogSink {
  /** Resolves when the message is on its way; throws when nobody takes it, also when the sink is closed meanwhile. */
  send(message: Buffer): Promise<void>;
  close(): Promise<void>;
}

export interface SinkAddress {
  readonly kind: 'udp' | 'tcp' | 'tls' | 'stream' | 'datagram';
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

const LOCAL_SYSLOG = ['/dev/log', '/var/run/syslog', '/var/run/log'];
const SYSLOG_PORT = 514;
const CONNECT_MS = 10_000;

/** The address option of the syslog driver; '' is the machine's own. */
export function parseSinkAddress(text: string): SinkAddress {
  if (text === '') {
    const path = LOCAL_SYSLOG.find((p) => existsSync(p));
    if (path === undefined)
      throw new SwarmtsError('failed-precondition', 'Unix syslog delivery error: no local syslog');
    return { kind: 'datagram', host: '', port: 0, path };
  }
  const [, scheme, rest = ''] = /^(udp|tcp|tcp\+tls|unix|unixgram):\/\/(.+)$/.exec(text) ?? [];
  if (scheme === undefined) {
    throw new SwarmtsError('invalid-argument', `syslog-address should be in form proto://address, got ${text}`);
  }
  if (scheme === 'unix' || scheme === 'unixgram') {
    if (!existsSync(rest)) throw new SwarmtsError('invalid-argument', `stat ${rest}: no such file or directory`);
    return { kind: scheme === 'unix' ? 'stream' : 'datagram', host: '', port: 0, path: rest };
  }
  const [, v6, host = v6 ?? '', port] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(rest) ?? [];
  if (host === '') throw new SwarmtsError('invalid-argument', `invalid syslog-address: ${text}`);
  const kind = scheme === 'tcp+tls' ? 'tls' : scheme === 'udp' ? 'udp' : 'tcp';
  return { kind, host, port: Number(port ?? SYSLOG_PORT), path: '' };
}

/** Throws 'unavailable' when nobody is there (of UDP nobody knows). */
export async function openSink(
  address: SinkAddress,
  options: Readonly<Record<string, string>>,
  helper: HelperApi,
): Promise<LogSink> {
  switch (address.kind) {
    case 'udp':
      return udpSink(address);
    case 'datagram':
      return datagramSink(address.path, helper);
    default:
      return streamSink(await connected(address, options));
  }
}

function udpSink({ host, port }: SinkAddress): LogSink {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', () => undefined);
  socket.unref();
  return {
    send: (m) => new Promise((resolve, reject) => socket.send(m, port, host, (e) => (e ? reject(e) : resolve()))),
    close: async () => void socket.close(),
  };
}

async function datagramSink(path: string, helper: HelperApi): Promise<LogSink> {
  const input = await helper.openInput(path, 'datagram');
  return { send: (m) => helper.writeInput(input, m), close: () => helper.closeInput(input) };
}

function streamSink(socket: Socket): LogSink {
  return {
    // One line each: what is in a line cannot be two.
    send: (m) =>
      new Promise((resolve, reject) => {
        const closed = () => reject(new SwarmtsError('unavailable', 'the syslog connection is closed'));
        if (socket.destroyed) return closed();
        // Node calls a write that ends with its connection a success.
        const sent = (e?: Error | null) => (e ? reject(e) : socket.destroyed ? closed() : resolve());
        socket.write(Buffer.concat([m, Buffer.from('\n')]), sent);
      }),
    // What was given up must not be waited for: whoever takes nothing would keep the connection open for ever.
    close: async () => void (socket.writableLength > 0 ? socket.destroy() : socket.end()),
  };
}

function connected(a: SinkAddress, options: Readonly<Record<string, string>>): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const read = (name: string) => (options[name] ? readFileSync(options[name] ?? '') : undefined);
    const [ca, cert, key] = [read('syslog-tls-ca-cert'), read('syslog-tls-cert'), read('syslog-tls-key')];
    const socket =
      a.kind === 'stream'
        ? connectTcp(a.path)
        : a.kind === 'tcp'
          ? connectTcp(a.port, a.host)
          : connectTls({
              host: a.host,
              port: a.port,
              rejectUnauthorized: options['syslog-tls-skip-verify'] === undefined,
              ...(ca ? { ca } : {}),
              ...(cert ? { cert } : {}),
              ...(key ? { key } : {}),
            });
    socket.setTimeout(CONNECT_MS, () => socket.destroy(new Error('i/o timeout')));
    socket.once(a.kind === 'tls' ? 'secureConnect' : 'connect', () => {
      socket.setTimeout(0);
      socket.unref();
      resolve(socket);
    });
    socket.once('error', (e) => {
      const where = a.path || `${a.host}:${a.port}`;
      reject(new SwarmtsError('unavailable', `dial ${a.kind} ${where}: ${messageOf(e)}`));
    });
    socket.on('error', () => undefined);
  });
}
