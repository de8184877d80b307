/**
 * WireGuard devices as both implementations describe them: the kernel's, which is configured through generic netlink, and
 * `wireguard-go`, through a socket of its own. Keys are base64 texts of 32 bytes, as `wg` prints them.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';

export interface WireguardPeer {
  readonly publicKey: string;
  /** "192.0.2.1:4790" or "[2001:db8::1]:4790"; '' when it is not known. */
  readonly endpoint: string;
  /** "169.254.0.2/32", ...: what it may send from, and what is sent to it. */
  readonly allowedIps: readonly string[];
  readonly keepaliveS: number;
}

export interface FoundWireguardPeer extends WireguardPeer {
  /** Seconds since the epoch; 0 before the first one. */
  readonly lastHandshakeS: number;
}

export interface WireguardDevice {
  /** '' before a key was set. */
  readonly publicKey: string;
  readonly listenPort: number;
  readonly peers: readonly FoundWireguardPeer[];
}

export interface WireguardChanges {
  readonly privateKey?: string;
  readonly listenPort?: number;
  /** Added, or changed as a whole. */
  readonly peers?: readonly WireguardPeer[];
  readonly removedPeers?: readonly string[];
}

const KEY_BYTES = 32;

export function decodeKey(key: string): Buffer {
  const bytes = Buffer.from(key, 'base64');
  if (bytes.length !== KEY_BYTES) throw new TypeError(`not a WireGuard key: ${bytes.length} bytes instead of 32`);
  return bytes;
}

/** A device without a key has zeros in its place. */
export function encodeKey(bytes: Buffer): string {
  return bytes.every((b) => b === 0) ? '' : bytes.toString('base64');
}

/** A fresh private key of Curve25519. */
export function newPrivateKey(): string {
  const { d } = generateKeyPairSync('x25519').privateKey.export({ format: 'jwk' });
  return Buffer.from(d ?? '', 'base64url').toString('base64');
}

/** PKCS#8 in front of the 32 bytes of an X25519 private key (RFC 8410). */
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');

export function publicKeyOf(privateKey: string): string {
  const der = Buffer.concat([PKCS8_X25519, decodeKey(privateKey)]);
  const { x } = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })).export({ format: 'jwk' });
  return Buffer.from(x ?? '', 'base64url').toString('base64');
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

export function formatEndpoint({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

export function parseEndpoint(text: string): Endpoint {
  const [, v6, v4, port = ''] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = v6 ?? v4;
  if (address === undefined || Number(port) > 0xffff) throw new TypeError(`not an address with a port: ${text}`);
  return { address, port: Number(port) };
}

/** What has to be set so that the device has these peers; undefined when nothing. */
export function planPeers(
  wanted: readonly WireguardPeer[],
  found: readonly FoundWireguardPeer[],
): Pick<WireguardChanges, 'peers' | 'removedPeers'> | undefined {
  const known = new Map(found.map((p) => [p.publicKey, p]));
  const keys = new Set(wanted.map((p) => p.publicKey));
  const peers = wanted.filter((p) => {
    const k = known.get(p.publicKey);
    return !k || k.endpoint !== p.endpoint || k.keepaliveS !== p.keepaliveS || !sameTexts(k.allowedIps, p.allowedIps);
  });
  const removedPeers = found.map((p) => p.publicKey).filter((k) => !keys.has(k));
  return peers.length + removedPeers.length === 0 ? undefined : { peers, removedPeers };
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((x) => b.includes(x));
}
