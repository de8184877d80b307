/**
 * Configuration of the kernel's WireGuard (linux/wireguard.h) through generic netlink (linux/genetlink.h). A device with many
 * peers is told in several messages, and tells of itself in several; a peer may be split between them.
 */
import {
  type Attribute,
  type Message,
  parseAttributeList,
  parseAttributes,
  type Request,
  text,
  u8,
  u16,
  u32,
} from '../netlink/message.js';
import type { NetlinkSocket } from '../netlink/socket.js';
import { AF_INET, AF_INET6, decodeAddress, encodeAddress, familyOf, parsePrefix } from '../rtnetlink/ip-address.js';
import {
  decodeKey,
  encodeKey,
  type FoundWireguardPeer,
  formatEndpoint,
  parseEndpoint,
  type WireguardChanges,
  type WireguardDevice,
  type WireguardPeer,
} from './device.js';

const GENL_ID_CTRL = 0x10;
const CTRL_CMD_GETFAMILY = 3;
const CTRL_ATTR_FAMILY_ID = 1;
const CTRL_ATTR_FAMILY_NAME = 2;

const WG_VERSION = 1;
const WG_CMD_GET_DEVICE = 0;
const WG_CMD_SET_DEVICE = 1;
const WGDEVICE_A_IFNAME = 2;
const WGDEVICE_A_PRIVATE_KEY = 3;
const WGDEVICE_A_PUBLIC_KEY = 4;
const WGDEVICE_A_LISTEN_PORT = 6;
const WGDEVICE_A_PEERS = 8;
const WGPEER_A_PUBLIC_KEY = 1;
const WGPEER_A_FLAGS = 3;
const WGPEER_A_ENDPOINT = 4;
const WGPEER_A_KEEPALIVE = 5;
const WGPEER_A_LAST_HANDSHAKE = 6;
const WGPEER_A_ALLOWEDIPS = 9;
const WGPEER_F_REMOVE_ME = 1;
const WGPEER_F_REPLACE_ALLOWEDIPS = 2;
const WGALLOWEDIP_A_FAMILY = 1;
const WGALLOWEDIP_A_IPADDR = 2;
const WGALLOWEDIP_A_CIDR_MASK = 3;

/** So that a message stays well under what a socket sends at once. */
const PEERS_PER_MESSAGE = 200;

/** struct genlmsghdr. */
function header(command: number, version: number): Buffer {
  return Buffer.from([command, version, 0, 0]);
}

/** The number of a generic netlink family on this kernel; ENOENT when it has none of that name. */
export function genetlinkFamily(socket: NetlinkSocket, name: string): number {
  const answer = socket.get(familyRequest(name));
  const id = parseAttributes(answer.payload.subarray(4)).get(CTRL_ATTR_FAMILY_ID);
  if (id === undefined) throw new RangeError(`netlink: family ${name} without a number`);
  return id.readUInt16LE(0);
}

export function familyRequest(name: string): Request {
  return {
    type: GENL_ID_CTRL,
    flags: 0,
    header: header(CTRL_CMD_GETFAMILY, 1),
    attributes: [[CTRL_ATTR_FAMILY_NAME, text(name)]],
    operation: `find netlink family ${name}`,
  };
}

export function dumpWireguard(family: number, device: string): Request {
  return {
    type: family,
    flags: 0,
    header: header(WG_CMD_GET_DEVICE, WG_VERSION),
    attributes: [[WGDEVICE_A_IFNAME, text(device)]],
    operation: `read wireguard ${device}`,
  };
}

/** The requests that carry out the changes, in order. */
export function setWireguard(family: number, device: string, c: WireguardChanges): Request[] {
  const settings: Attribute[] = [];
  if (c.privateKey !== undefined) settings.push([WGDEVICE_A_PRIVATE_KEY, decodeKey(c.privateKey)]);
  if (c.listenPort !== undefined) settings.push([WGDEVICE_A_LISTEN_PORT, u16(c.listenPort)]);
  const peers = [...(c.removedPeers ?? []).map(removedPeer), ...(c.peers ?? []).map(peerAttributes)];
  const requests: Request[] = [];
  const add = (attributes: readonly Attribute[]) =>
    requests.push({
      type: family,
      flags: 0,
      header: header(WG_CMD_SET_DEVICE, WG_VERSION),
      attributes: [[WGDEVICE_A_IFNAME, text(device)], ...attributes],
      operation: `set wireguard ${device}`,
    });
  if (settings.length > 0) add(settings);
  for (let at = 0; at < peers.length; at += PEERS_PER_MESSAGE) {
    // Elements of an array all have the number 0.
    const array = peers.slice(at, at + PEERS_PER_MESSAGE).map((p): Attribute => [0, p]);
    add([[WGDEVICE_A_PEERS, array]]);
  }
  return requests;
}

function removedPeer(publicKey: string): readonly Attribute[] {
  return [
    [WGPEER_A_PUBLIC_KEY, decodeKey(publicKey)],
    [WGPEER_A_FLAGS, u32(WGPEER_F_REMOVE_ME)],
  ];
}

function peerAttributes(p: WireguardPeer): readonly Attribute[] {
  return [
    [WGPEER_A_PUBLIC_KEY, decodeKey(p.publicKey)],
    [WGPEER_A_FLAGS, u32(WGPEER_F_REPLACE_ALLOWEDIPS)],
    ...(p.endpoint === '' ? [] : [[WGPEER_A_ENDPOINT, socketAddress(p.endpoint)] as const]),
    [WGPEER_A_KEEPALIVE, u16(p.keepaliveS)],
    [WGPEER_A_ALLOWEDIPS, p.allowedIps.map((ip): Attribute => [0, allowedIp(ip)])],
  ];
}

function allowedIp(cidr: string): readonly Attribute[] {
  const { address, prefixLength } = parsePrefix(cidr);
  return [
    [WGALLOWEDIP_A_FAMILY, u16(familyOf(address))],
    [WGALLOWEDIP_A_IPADDR, encodeAddress(address)],
    [WGALLOWEDIP_A_CIDR_MASK, u8(prefixLength)],
  ];
}

const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

function socketAddress(endpoint: string): Buffer {
  const { address, port } = parseEndpoint(endpoint);
  const family = familyOf(address);
  const b = Buffer.alloc(family === AF_INET ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
  b.writeUInt16LE(family, 0);
  b.writeUInt16BE(port, 2);
  encodeAddress(address).copy(b, family === AF_INET ? 4 : 8);
  return b;
}

function endpointOf(b: Buffer | undefined): string {
  if (b === undefined || b.length < SOCKADDR_IN_BYTES) return '';
  const port = b.readUInt16BE(2);
  const address = b.readUInt16LE(0) === AF_INET6 ? b.subarray(8, 24) : b.subarray(4, 8);
  return formatEndpoint({ address: decodeAddress(address), port });
}

/** The device that a dump's messages describe. */
export function parseWireguard(messages: readonly Message[]): WireguardDevice {
  let device = { publicKey: '', listenPort: 0 };
  const peers = new Map<string, FoundWireguardPeer>();
  for (const m of messages) {
    const a = parseAttributes(m.payload.subarray(4));
    const [key, port] = [a.get(WGDEVICE_A_PUBLIC_KEY), a.get(WGDEVICE_A_LISTEN_PORT)];
    device = {
      publicKey: key === undefined ? device.publicKey : encodeKey(key),
      listenPort: port === undefined ? device.listenPort : port.readUInt16LE(0),
    };
    for (const [, bytes] of parseAttributeList(a.get(WGDEVICE_A_PEERS) ?? Buffer.alloc(0))) {
      const peer = parsePeer(bytes);
      const known = peers.get(peer.publicKey);
      // A peer whose addresses did not fit goes on in the next message, with nothing but the rest of them.
      const merged = known ? { ...known, allowedIps: [...known.allowedIps, ...peer.allowedIps] } : peer;
      peers.set(peer.publicKey, merged);
    }
  }
  return { ...device, peers: [...peers.values()] };
}

function parsePeer(bytes: Buffer): FoundWireguardPeer {
  const a = parseAttributes(bytes);
  return {
    publicKey: encodeKey(a.get(WGPEER_A_PUBLIC_KEY) ?? Buffer.alloc(0)),
    endpoint: endpointOf(a.get(WGPEER_A_ENDPOINT)),
    keepaliveS: a.get(WGPEER_A_KEEPALIVE)?.readUInt16LE(0) ?? 0,
    lastHandshakeS: Number(a.get(WGPEER_A_LAST_HANDSHAKE)?.readBigInt64LE(0) ?? 0n),
    allowedIps: parseAttributeList(a.get(WGPEER_A_ALLOWEDIPS) ?? Buffer.alloc(0)).map(([, ip]) => parseAllowedIp(ip)),
  };
}

function parseAllowedIp(bytes: Buffer): string {
  const a = parseAttributes(bytes);
  const address = a.get(WGALLOWEDIP_A_IPADDR) ?? Buffer.alloc(4);
  return `${decodeAddress(address)}/${a.get(WGALLOWEDIP_A_CIDR_MASK)?.readUInt8(0) ?? 0}`;
}
