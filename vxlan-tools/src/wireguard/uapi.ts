/**
 * The configuration protocol of userspace WireGuard (wireguard.com/xplatform): lines of key=value over a unix socket, ended by
 * an empty line; keys are hexadecimal there.
 */
import { connect } from 'node:net';
import {
  decodeKey,
  encodeKey,
  type FoundWireguardPeer,
  publicKeyOf,
  type WireguardChanges,
  type WireguardDevice,
  type WireguardPeer,
} from './device.js';

/** Where `wireguard-go` has the socket of a device. */
export function uapiSocketPath(device: string): string {
  return `/var/run/wireguard/${device}.sock`;
}

const hex = (key: string): string => decodeKey(key).toString('hex');

export function encodeUapiSet(c: WireguardChanges): string {
  const lines = ['set=1'];
  if (c.privateKey !== undefined) lines.push(`private_key=${hex(c.privateKey)}`);
  if (c.listenPort !== undefined) lines.push(`listen_port=${c.listenPort}`);
  for (const key of c.removedPeers ?? []) lines.push(`public_key=${hex(key)}`, 'remove=true');
  for (const p of c.peers ?? []) lines.push(...peerLines(p));
  return `${lines.join('\n')}\n\n`;
}

function peerLines(p: WireguardPeer): string[] {
  return [
    `public_key=${hex(p.publicKey)}`,
    ...(p.endpoint === '' ? [] : [`endpoint=${p.endpoint}`]),
    'replace_allowed_ips=true',
    ...p.allowedIps.map((ip) => `allowed_ip=${ip}`),
    // Last: it makes the first packet go out.
    `persistent_keepalive_interval=${p.keepaliveS}`,
  ];
}

/** What `wireguard-go` answers when it cannot do as it is told. */
export class UapiError extends Error {
  /** A positive errno number. */
  readonly errno: number;

  constructor(errno: number) {
    super(`wireguard-go reports error ${errno}`);
    this.errno = errno;
  }
}

/** Throws UapiError on an answer that reports an error. */
export function parseUapi(answer: string): WireguardDevice {
  const peers: FoundWireguardPeer[] = [];
  const device = { publicKey: '', listenPort: 0 };
  let peer: Writable<FoundWireguardPeer> | undefined;
  for (const line of answer.split('\n')) {
    const at = line.indexOf('=');
    if (at < 0) continue;
    const [name, value] = [line.slice(0, at), line.slice(at + 1)];
    if (name === 'errno' && value !== '0') throw new UapiError(-Number(value));
    if (name === 'private_key') device.publicKey = publicKeyOf(encodeKey(Buffer.from(value, 'hex')));
    else if (name === 'listen_port') device.listenPort = Number(value);
    else if (name === 'public_key') {
      peer = { publicKey: encodeKey(Buffer.from(value, 'hex')), endpoint: '', ...NEW_PEER };
      peers.push(peer);
    } else if (peer) readPeerLine(peer, name, value);
  }
  return { ...device, peers };
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };
const NEW_PEER = { allowedIps: [] as readonly string[], keepaliveS: 0, lastHandshakeS: 0 };

function readPeerLine(peer: Writable<FoundWireguardPeer>, name: string, value: string): void {
  if (name === 'endpoint') peer.endpoint = value;
  else if (name === 'allowed_ip') peer.allowedIps = [...peer.allowedIps, value];
  else if (name === 'persistent_keepalive_interval') peer.keepaliveS = Number(value);
  else if (name === 'last_handshake_time_sec') peer.lastHandshakeS = Number(value);
}

const ANSWER_TIMEOUT_MS = 2_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** One request to a device's socket; its whole answer. ENOENT or ECONNREFUSED while there is no process. */
export function askUapi(path: string, request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    let answer = '';
    const fail = (e: Error) => {
      socket.destroy();
      reject(e);
    };
    socket.setTimeout(ANSWER_TIMEOUT_MS, () => fail(new Error(`wireguard-go does not answer at ${path}`)));
    socket.on('error', fail);
    socket.on('close', () => fail(new Error(`wireguard-go closed ${path} in the middle of an answer`)));
    socket.on('connect', () => socket.write(request));
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      answer += chunk;
      if (answer.length > MAX_ANSWER_BYTES) return fail(new Error(`too long an answer at ${path}`));
      if (!answer.endsWith('\n\n')) return;
      resolve(answer);
      socket.destroy();
    });
  });
}

export const UAPI_GET = 'get=1\n\n';
